// The judge of what entries are dated: never back from one position to a later one, and, while the clocks of a majority show
// the time of day, never far from it.
#pragma once

#include "io/base/units.h"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace verity::sim {

// "2024-01-15T10:30:00.854525Z"; nothing if it is no such text.
std::optional<Timestamp> parse_date(std::string_view text);

class Dates {
 public:
  // `clocks_are_kept`: of a majority, all the time.
  explicit Dates(bool clocks_are_kept) : clocks_are_kept_(clocks_are_kept) {}

  // The entry at `position` was carried out between `sent` and `now` of the world's time, and says that it was at `date`. What
  // is wrong with that, or nothing.
  std::optional<std::string> judge(std::uint64_t position, Timestamp date, Instant sent, Instant now);

  // What came after `position` is lost.
  void forget_after(std::uint64_t position) { dates_.erase(dates_.upper_bound(position), dates_.end()); }

 private:
  const bool clocks_are_kept_;
  std::map<std::uint64_t, Timestamp> dates_;  // by position
};

}  // namespace verity::sim
