#include "sim/dates.h"

#include "sim/clock.h"

#include <charconv>
#include <chrono>
#include <iterator>

namespace verity::sim {
namespace {

// What clocks that are kept differ by, and half of the slowest question for the time that is believed.
constexpr Duration error_max = 4s;

}  // namespace

std::optional<Timestamp> parse_date(std::string_view text) {
  constexpr std::string_view form = "dddd-dd-ddTdd:dd:dd.ddddddZ";
  if (text.size() != form.size()) return std::nullopt;
  for (std::size_t i = 0; i < form.size(); ++i) {
    const bool is_digit = text[i] >= '0' && text[i] <= '9';
    if (form[i] == 'd' ? !is_digit : text[i] != form[i]) return std::nullopt;
  }
  const auto number = [&](std::size_t at, std::size_t digits) {
    std::int64_t value = 0;
    std::from_chars(text.data() + at, text.data() + at + digits, value);
    return value;
  };
  const std::chrono::year_month_day day{std::chrono::year(static_cast<int>(number(0, 4))),
                                        std::chrono::month(static_cast<unsigned>(number(5, 2))),
                                        std::chrono::day(static_cast<unsigned>(number(8, 2)))};
  if (!day.ok()) return std::nullopt;
  const std::int64_t days = std::chrono::sys_days(day).time_since_epoch().count();
  const std::int64_t seconds = ((days * 24 + number(11, 2)) * 60 + number(14, 2)) * 60 + number(17, 2);
  return Timestamp{(seconds * 1'000'000 + number(20, 6)) * 1000};
}

std::optional<std::string> Dates::judge(std::uint64_t position, Timestamp date, Instant sent, Instant now) {
  const std::string what = "position " + std::to_string(position) + " is dated " + date.describe();
  const auto [at, is_new] = dates_.emplace(position, date);
  if (at->second != date) return what + ", and " + at->second.describe() + " before";
  if (at != dates_.begin() && std::prev(at)->second > date)
    return what + ", earlier than a position before it: " + std::prev(at)->second.describe();
  if (std::next(at) != dates_.end() && std::next(at)->second < date)
    return what + ", later than a position behind it: " + std::next(at)->second.describe();
  if (!clocks_are_kept_) return std::nullopt;
  if (date.ns < epoch_of_world.ns + sent.ns - error_max.count())
    return what + ", long before it was asked for, although the clocks of a majority are kept";
  if (date.ns > epoch_of_world.ns + now.ns + error_max.count())
    return what + ", which is still to come, although the clocks of a majority are kept";
  return std::nullopt;
}

}  // namespace verity::sim
