// The machine's clocks, read once per turn of the loop, so that time stands still between two suspensions
// and reading it costs nothing.
#pragma once

#include "io/clock.h"

#include <ctime>

namespace verity::io {

class LinuxClock final : public Clock {
 public:
  LinuxClock() { refresh(); }

  Instant monotonic() const override { return monotonic_; }
  Timestamp realtime() const override { return realtime_; }

  // By the driver of the loop, while no fiber runs.
  void refresh() {
    monotonic_ = {read(CLOCK_MONOTONIC)};
    realtime_ = {read(CLOCK_REALTIME)};
  }

 private:
  static std::int64_t read(clockid_t clock) {
    timespec now{};
    ::clock_gettime(clock, &now);
    return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
  }

  Instant monotonic_;
  Timestamp realtime_;
};

}  // namespace verity::io
