// The clocks of one simulated process, read off the world's time: the monotonic one runs a little fast or
// slow (drift), the time of day is off by a skew as well and may jump. Monotonic time never goes back.
#pragma once

#include "io/clock.h"

namespace verity::sim {

struct ClockOptions {
  std::int64_t drift_ppb = 0;  // parts per billion the node's seconds are too short; |drift| < 1e9
  Duration skew{};             // of the time of day
};

class SimClock final : public io::Clock {
 public:
  // `world_now` is the world's time and outlives the clock. `started` is what monotonic() says now.
  SimClock(const Instant& world_now, ClockOptions options, Instant started);

  Instant monotonic() const override;
  Timestamp realtime() const override;

  // The earliest world time at which monotonic() has reached `local`.
  Instant world_time_of(Instant local) const;
  void jump_realtime(Duration by) { realtime_offset_ = realtime_offset_ + by; }
  void set_drift(std::int64_t drift_ppb);
  // Moves monotonic() (and the time of day with it) forward without the world: only a process that has
  // crashed and is running out does that.
  void skip_to(Instant local);

 private:
  const Instant& world_now_;
  std::int64_t drift_ppb_;
  // Readings are anchored here; the anchor moves when the drift changes.
  Instant anchor_world_;
  Instant anchor_local_;
  Duration realtime_offset_;
};

// World time zero in the time of day: 2024-01-15T10:30:00Z.
inline constexpr Timestamp epoch_of_world{1'705'314'600LL * 1'000'000'000LL};

}  // namespace verity::sim
