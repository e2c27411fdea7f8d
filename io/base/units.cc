#include "io/base/units.h"

#include <array>
#include <cstdio>

namespace verity {

std::string Timestamp::describe() const {
  using namespace std::chrono;
  const sys_time<nanoseconds> at{nanoseconds(ns)};
  const auto day = floor<days>(at);
  const year_month_day date{day};
  const hh_mm_ss<microseconds> time{floor<microseconds>(at - day)};
  std::array<char, 64> text{};
  const int length =
      std::snprintf(text.data(), text.size(), "%04d-%02u-%02uT%02d:%02d:%02d.%06dZ", int(date.year()),
                    unsigned(date.month()), unsigned(date.day()), int(time.hours().count()),
                    int(time.minutes().count()), int(time.seconds().count()), int(time.subseconds().count()));
  return std::string(text.data(), static_cast<std::size_t>(length));
}

std::string describe_bytes(ByteCount count) {
  constexpr std::array<const char*, 5> names = {"B", "KB", "MB", "GB", "TB"};
  auto value = static_cast<double>(count);
  std::size_t unit = 0;
  while (value >= 1024 && unit + 1 < names.size()) {
    value /= 1024;
    ++unit;
  }
  std::array<char, 32> text{};
  const char* format =
      value == static_cast<double>(static_cast<std::uint64_t>(value)) ? "%.0f %s" : "%.1f %s";
  const int length = std::snprintf(text.data(), text.size(), format, value, names[unit]);
  return std::string(text.data(), static_cast<std::size_t>(length));
}

}  // namespace verity
