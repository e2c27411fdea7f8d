// Named rare places in the code, counted: a simulated swarm that never comes to one has a gap (verity-sim --probes).
//
//   if (hash != expected) {
//     VERITY_PROBE("an old acknowledgement counts for nothing");
//     return;
//   }
//
// Every probe that is linked in is known from the start of the program, reached or not. Reaching one adds one to a number that
// nothing in the program reads; so they are for places that are rarely come to. From any thread. A name is one sentence, and
// stands at one place alone.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace verity {

class Probe {
 public:
  // `name` lives as long as the program.
  explicit Probe(std::string_view name);
  Probe(const Probe&) = delete;
  Probe& operator=(const Probe&) = delete;

  void reached() { count_.fetch_add(1, std::memory_order_relaxed); }
  std::string_view name() const { return name_; }
  std::uint64_t count() const { return count_.load(std::memory_order_relaxed); }

  // By name.
  static std::vector<const Probe*> all();

 private:
  const std::string_view name_;
  std::atomic<std::uint64_t> count_{0};
  Probe* const next_;
};

namespace detail {

template <std::size_t size>
struct ProbeName {
  // NOLINTNEXTLINE(google-explicit-constructor): a literal becomes an argument of a template
  constexpr ProbeName(const char (&literal)[size]) { std::copy_n(literal, size, text); }
  char text[size];
};

// Made before main() wherever code uses it, whether that code runs or not.
template <ProbeName name>
inline Probe probe{name.text};

}  // namespace detail
}  // namespace verity

#define VERITY_PROBE(name) ::verity::detail::probe<name>.reached()
