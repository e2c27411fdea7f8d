#include "sim/dates.h"

#include "sim/clock.h"

#include <gtest/gtest.h>

namespace verity::sim {
namespace {

constexpr Instant at(Duration since_begin) {
  return Instant{since_begin.count()};
}
constexpr Timestamp date_at(Duration since_begin) {
  return Timestamp{epoch_of_world.ns + since_begin.count()};
}

TEST(Dates, AreReadAsTheyAreWritten) {
  EXPECT_EQ(parse_date("2024-01-15T10:30:00.000000Z"), epoch_of_world);
  const Timestamp some{1'709'210'096'123'456'000};
  EXPECT_EQ(parse_date(some.describe()), some);
  EXPECT_FALSE(parse_date("2024-02-30T10:30:00.000000Z"));
  EXPECT_FALSE(parse_date("yesterday"));
}

TEST(Dates, NeverGoBack) {
  Dates dates(false);
  EXPECT_FALSE(dates.judge(5, date_at(2s), at(2s), at(2s)));
  EXPECT_FALSE(dates.judge(9, date_at(3h), at(4s), at(4s)));
  EXPECT_FALSE(dates.judge(7, date_at(2s), at(4s), at(4s)));
  EXPECT_TRUE(dates.judge(8, date_at(1s), at(4s), at(4s)));
  EXPECT_TRUE(dates.judge(5, date_at(3s), at(4s), at(4s)));
}

TEST(Dates, ArePossibleWhileClocksAreKept) {
  Dates dates(true);
  EXPECT_FALSE(dates.judge(5, date_at(20s), at(20s), at(21s)));
  EXPECT_TRUE(dates.judge(6, date_at(40s), at(21s), at(22s)));
  Dates others(true);
  EXPECT_TRUE(others.judge(5, date_at(1s), at(20s), at(21s)));
}

}  // namespace
}  // namespace verity::sim
