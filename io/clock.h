// The two clocks of a node. Readings do not move between two suspensions of a fiber.
#pragma once

#include "io/base/units.h"

namespace verity::io {

class Clock {
 public:
  virtual ~Clock() = default;

  // Never goes back while the process lives; says nothing about the time of day.
  virtual Instant monotonic() const = 0;
  // The time of day as this machine believes it; may jump in either direction.
  virtual Timestamp realtime() const = 0;
};

}  // namespace verity::io
