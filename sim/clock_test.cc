#include "sim/clock.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace verity::sim {
namespace {

RC_GTEST_PROP(SimClock, WorldTimeIsTheFirstInstantAtWhichADeadlineHasPassed, ()) {
  Instant world{*rc::gen::inRange<std::int64_t>(0, 1'000'000'000'000)};
  const auto drift = *rc::gen::inRange<std::int64_t>(-400'000'000, 400'000'000);
  const SimClock clock(world, {.drift_ppb = drift, .skew = {}}, Instant{77});
  const Instant deadline{77 + *rc::gen::inRange<std::int64_t>(1, 100'000'000'000)};
  world = clock.world_time_of(deadline);
  RC_ASSERT(clock.monotonic() >= deadline);
  world.ns -= 1;
  RC_ASSERT(clock.monotonic() < deadline);
}

TEST(SimClock, DriftAndJumpsMoveTheTimeOfDayButMonotonicTimeNeverGoesBack) {
  Instant world{};
  SimClock clock(world, {.drift_ppb = 500'000, .skew = 3s}, Instant{1000});
  EXPECT_EQ(clock.realtime().ns, epoch_of_world.ns + 3'000'000'000);
  world.ns = 10'000'000'000;
  EXPECT_EQ(clock.monotonic().ns, 1000 + 10'005'000'000);
  clock.jump_realtime(-1h);
  EXPECT_LT(clock.realtime().ns, epoch_of_world.ns);
  const Instant before = clock.monotonic();
  clock.set_drift(-500'000);
  EXPECT_EQ(clock.monotonic(), before);
}

}  // namespace
}  // namespace verity::sim
