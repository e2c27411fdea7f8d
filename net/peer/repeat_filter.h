// Keeps a log readable while something fails again and again: the first line of a kind passes at once, its
// repetitions at most once per interval, with the number of those that were left out.
#pragma once

#include "io/base/units.h"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>

namespace verity::peer {

class RepeatFilter {
 public:
  explicit RepeatFilter(Duration interval) : interval_(interval) {}

  // How many lines of this kind were left out since the last that passed; nothing if this one is left out, too.
  std::optional<std::uint64_t> pass(const std::string& kind, Instant now) {
    const auto found = kinds_.find(kind);
    if (found != kinds_.end()) {
      Kind& known = found->second;
      if (now - known.passed < interval_) {
        ++known.left_out;
        return std::nullopt;
      }
      known.passed = now;
      return std::exchange(known.left_out, 0);
    }
    if (kinds_.size() == kinds_max) forget_oldest();
    kinds_[kind] = {now, 0};
    return 0;
  }

 private:
  struct Kind {
    Instant passed;
    std::uint64_t left_out = 0;
  };
  // Strangers from many places must not fill the memory.
  static constexpr std::size_t kinds_max = 256;

  void forget_oldest() {
    auto oldest = kinds_.begin();
    for (auto each = kinds_.begin(); each != kinds_.end(); ++each) {
      if (each->second.passed < oldest->second.passed) oldest = each;
    }
    kinds_.erase(oldest);
  }

  const Duration interval_;
  std::map<std::string, Kind> kinds_;
};

}  // namespace verity::peer
