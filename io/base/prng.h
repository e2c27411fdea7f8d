// The project's own generator and distributions: xoshiro256++ (Blackman, Vigna 2019), seeded through
// splitmix64. The same seed gives the same numbers on every compiler, machine and library, for ever; the
// standard library's distributions promise no such thing. Not for secrets.
#pragma once

#include "io/base/bytes.h"
#include "io/base/units.h"

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>

namespace verity {

class Prng {
 public:
  explicit Prng(std::uint64_t seed);

  // A generator for one component: depends on this generator's seed and the name, not on how many numbers
  // were drawn before, so that adding a component changes no other component's numbers.
  Prng fork(std::string_view component) const;

  std::uint64_t next();
  // Uniform in [0, bound); bound > 0. Unbiased (Lemire 2019).
  std::uint64_t below(std::uint64_t bound);
  // Uniform in [low, high], both included.
  std::uint64_t between(std::uint64_t low, std::uint64_t high);
  // True with probability numerator / denominator.
  bool chance(std::uint64_t numerator, std::uint64_t denominator);
  // True `parts_per_million` times in a million.
  bool chance_ppm(std::uint64_t parts_per_million) { return chance(parts_per_million, 1'000'000); }
  // Exponentially distributed around `mean` in steps of fixed-point arithmetic; never above 16 × mean.
  Duration exponential(Duration mean);
  void fill(MutableByteView out);

  template <class T>
  const T& pick(std::span<const T> items) {
    return items[below(items.size())];
  }

  template <class Container>
  void shuffle(Container& items) {
    for (std::size_t i = items.size(); i > 1; --i) std::swap(items[i - 1], items[below(i)]);
  }

 private:
  std::uint64_t seed_;
  std::array<std::uint64_t, 4> state_;
};

}  // namespace verity
