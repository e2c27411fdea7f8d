// How long things took: every sample is kept, so that percentiles are exact.
#pragma once

#include "io/base/units.h"

#include <algorithm>
#include <cstdint>
#include <vector>

namespace verity::bench {

class Samples {
 public:
  void add(Duration took) {
    ns_.push_back(static_cast<std::uint32_t>(std::clamp<std::int64_t>(took.count(), 0, UINT32_MAX)));
  }
  std::size_t count() const { return ns_.size(); }
  // Microseconds; `per_mille` 500 is the median. Zero without samples.
  double percentile_us(std::size_t per_mille) {
    if (ns_.empty()) return 0;
    const auto at = std::min(ns_.size() - 1, ns_.size() * per_mille / 1000);
    std::nth_element(ns_.begin(), ns_.begin() + static_cast<std::ptrdiff_t>(at), ns_.end());
    return static_cast<double>(ns_[at]) / 1e3;
  }

 private:
  std::vector<std::uint32_t> ns_;
};

}  // namespace verity::bench
