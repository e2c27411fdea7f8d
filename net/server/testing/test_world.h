// The rest of a world for tests of net/: a clock that somebody else moves, no randomness, a log nobody reads.
#pragma once

#include "io/base/bytes.h"
#include "io/clock.h"
#include "io/fiber/loop.h"
#include "io/logger.h"
#include "io/random.h"

#include <algorithm>
#include <string>

namespace verity::server::testing {

class JumpingClock final : public io::Clock {
 public:
  Instant monotonic() const override { return now; }
  Timestamp realtime() const override { return {1'705'314'600'000'000'000 + now.ns}; }
  Instant now{1'000'000'000};
};

class ZeroRandom final : public io::Random {
 public:
  void fill(MutableByteView out) override { std::ranges::fill(out, std::byte{0}); }
};

class QuietLogger final : public io::Logger {
 public:
  void log(io::LogLevel, std::string_view, std::string_view message,
           std::initializer_list<io::LogField>) override {
    last_message = message;
  }
  bool enabled(io::LogLevel) const override { return true; }
  std::string last_message;
};

// Runs every fiber to its end; when none is ready, time jumps to the next deadline. False if they wait for ever.
inline bool run_to_end(io::Loop& loop, JumpingClock& clock) {
  while (loop.fiber_count() > 0) {
    if (loop.run_ready()) continue;
    const Instant next = loop.next_deadline();
    if (next == Instant::never()) return false;
    clock.now = std::max(clock.now, next);
    loop.fire_timers();
  }
  return true;
}

}  // namespace verity::server::testing
