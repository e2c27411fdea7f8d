// By which of two ways durable writes go: through the ring, or on a thread. Neither is better everywhere.
//
// Where the device's cache must be flushed, the kernel finishes the ring's durable write on a work queue bound
// to the processor that took the interrupt: no processor has to be woken, which in a virtual machine costs tens
// of microseconds, but behind a busy neighbour it waits for milliseconds. A thread goes where there is room, at
// the price of being woken. So both are timed while they are used, and the quicker one is taken; now and then
// the other gets a try, seldom enough to stay out of the 99th percentile.
#pragma once

#include "io/base/units.h"

#include <array>
#include <cstdint>

namespace verity::io {

enum class DurableWay : std::uint8_t { ring, thread };

class DurableWayChooser {
 public:
  // Which way the next write goes.
  DurableWay choose() {
    const std::uint64_t number = count_++;
    if (number < 2 * tries_first) return number % 2 == 0 ? DurableWay::ring : DurableWay::thread;
    const DurableWay best = quicker();
    if (number % tries_apart != 0) return best;
    return best == DurableWay::ring ? DurableWay::thread : DurableWay::ring;
  }

  // How long a write took that went this way. Keeps an estimate of the median, which one stalled write does
  // not move far: a step up or down for each observation.
  void record(DurableWay way, Duration took) {
    Duration& median = median_[static_cast<std::size_t>(way)];
    if (median == Duration(0)) {
      median = took;
    } else {
      median += took > median ? median / 16 : -median / 16;
    }
  }

  DurableWay quicker() const {
    return median_[static_cast<std::size_t>(DurableWay::thread)] <
                   median_[static_cast<std::size_t>(DurableWay::ring)]
               ? DurableWay::thread
               : DurableWay::ring;
  }

 private:
  static constexpr std::uint64_t tries_first = 8;    // of each
  static constexpr std::uint64_t tries_apart = 128;  // of the slower one

  std::uint64_t count_ = 0;
  std::array<Duration, 2> median_{};
};

}  // namespace verity::io
