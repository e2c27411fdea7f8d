// What appends cost as their clients see it. A client sends at times of its own, whatever became of the append before, and
// what is late counts from when it was due: a cluster that stands still for a second is seen by every append that was due in
// that second, not by one.
#pragma once

#include "io/base/units.h"
#include "sim/client.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace verity::sim {

struct TimedAppend {
  std::uint64_t client = 0;
  std::uint64_t node = 0;  // that was asked
  Instant due;
  std::optional<Duration> took;  // from then until it was acknowledged; nothing: it is not yet, or never
};

// Of durations, as they came.
struct Latencies {
  std::size_t count = 0;
  Duration p50{};
  Duration p99{};
  Duration max{};

  static Latencies of(std::vector<Duration> taken);
  std::string describe() const;
};

// Appends to one node, and to no other, every `interval` until the clients wind down; tries again what was not acknowledged. Each
// append stands in `log` from when it is due.
void append_on_time(io::Wait& wait, Client& client, std::uint64_t node, Duration interval,
                    std::vector<TimedAppend>& log);

}  // namespace verity::sim
