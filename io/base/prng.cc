#include "io/base/prng.h"

#include "io/base/assert.h"

#include <algorithm>
#include <bit>

namespace verity {
namespace {

std::uint64_t splitmix(std::uint64_t& state) {
  state += 0x9e3779b97f4a7c15u;
  std::uint64_t z = state;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

__extension__ using Uint128 = unsigned __int128;

}  // namespace

Prng::Prng(std::uint64_t seed) : seed_(seed) {
  for (auto& word : state_) word = splitmix(seed);
}

Prng Prng::fork(std::string_view component) const {
  std::uint64_t mixed = seed_ ^ 0xa0761d6478bd642fu;
  for (const char c : component) {
    mixed ^= static_cast<std::uint8_t>(c);
    mixed = splitmix(mixed);
  }
  return Prng(mixed);
}

std::uint64_t Prng::next() {
  const std::uint64_t result = std::rotl(state_[0] + state_[3], 23) + state_[0];
  const std::uint64_t t = state_[1] << 17;
  state_[2] ^= state_[0];
  state_[3] ^= state_[1];
  state_[1] ^= state_[2];
  state_[0] ^= state_[3];
  state_[2] ^= t;
  state_[3] = std::rotl(state_[3], 45);
  return result;
}

std::uint64_t Prng::below(std::uint64_t bound) {
  VERITY_ASSERT(bound > 0);
  Uint128 product = Uint128(next()) * bound;
  auto low = static_cast<std::uint64_t>(product);
  if (low < bound) {
    const std::uint64_t threshold = -bound % bound;
    while (low < threshold) {
      product = Uint128(next()) * bound;
      low = static_cast<std::uint64_t>(product);
    }
  }
  return static_cast<std::uint64_t>(product >> 64);
}

std::uint64_t Prng::between(std::uint64_t low, std::uint64_t high) {
  VERITY_ASSERT(low <= high);
  if (low == 0 && high == UINT64_MAX) return next();
  return low + below(high - low + 1);
}

bool Prng::chance(std::uint64_t numerator, std::uint64_t denominator) {
  return below(denominator) < numerator;
}

Duration Prng::exponential(Duration mean) {
  // -ln(u) as ln(2) × (leading zeros + linear part of the next bits): integer arithmetic only, because the
  // last bit of log() differs between C libraries.
  const std::uint64_t zeros =
      std::min<std::uint64_t>(static_cast<std::uint64_t>(std::countl_zero(next())), 22);
  const std::uint64_t fraction = next() >> 44;  // 20 bits
  const std::uint64_t log2_fixed = (zeros << 20) + fraction;
  constexpr std::uint64_t ln2_millionths = 693147;
  const Uint128 scaled = Uint128(static_cast<std::uint64_t>(mean.count())) * log2_fixed * ln2_millionths;
  return Duration(static_cast<std::int64_t>((scaled / 1'000'000) >> 20));
}

void Prng::fill(MutableByteView out) {
  while (!out.empty()) {
    const std::uint64_t word = next();
    const std::size_t count = std::min(out.size(), sizeof(word));
    std::memcpy(out.data(), &word, count);
    out = out.subspan(count);
  }
}

}  // namespace verity
