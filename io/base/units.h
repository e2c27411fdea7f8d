// Time and size. Durations are std::chrono::nanoseconds, so that 5ms can be written; instants are types of
// their own, so that the two clocks cannot be mixed.
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <string>

namespace verity {

using namespace std::chrono_literals;  // NOLINT: the literals are the point

using Duration = std::chrono::nanoseconds;

// A reading of the monotonic clock; comparable only within one boot of one node.
struct Instant {
  std::int64_t ns = 0;

  auto operator<=>(const Instant&) const = default;
  friend Instant operator+(Instant i, Duration d) { return {i.ns + d.count()}; }
  friend Duration operator-(Instant a, Instant b) { return Duration(a.ns - b.ns); }

  // Later than everything: "no deadline".
  static constexpr Instant never() { return {INT64_MAX}; }
};

// Nanoseconds since 1970-01-01T00:00:00Z, as the node's wall clock sees it.
struct Timestamp {
  std::int64_t ns = 0;

  auto operator<=>(const Timestamp&) const = default;

  // "2024-01-15T10:30:00.000000Z": UTC, microseconds.
  std::string describe() const;
};

using ByteCount = std::uint64_t;

inline constexpr ByteCount KiB = 1024;
inline constexpr ByteCount MiB = 1024 * KiB;
inline constexpr ByteCount GiB = 1024 * MiB;

// "64 MB", "1.5 KB", "17 B": powers of 1024, as in the configuration file.
std::string describe_bytes(ByteCount count);

}  // namespace verity
