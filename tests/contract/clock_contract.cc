// What io/clock.h and the timers of io/fiber promise.
#include "io/clock.h"

#include "io/fiber/loop.h"
#include "tests/contract/contract.h"
#include "tests/contract/helpers.h"

namespace verity::io::contract {
namespace {

TEST_P(IoContract, ClockNeverGoesBackAndMovesWhileFibersSleep) {
  run([&](Wait& wait, World& world) {
    Instant last = world.clock.monotonic();
    for (int i = 0; i < 5; ++i) {
      VERITY_REQUIRE(wait.sleep(2ms));
      const Instant now = world.clock.monotonic();
      EXPECT_GE(now - last, Duration(2ms));
      last = now;
    }
  });
}

TEST_P(IoContract, ClockStandsStillBetweenSuspensions) {
  run([&](Wait& wait, World& world) {
    VERITY_REQUIRE(wait.sleep(1ms));
    const Instant monotonic = world.clock.monotonic();
    const Timestamp realtime = world.clock.realtime();
    volatile std::uint64_t work = 0;
    for (int i = 0; i < 100'000; ++i) work = work + 1;
    EXPECT_EQ(world.clock.monotonic(), monotonic);
    EXPECT_EQ(world.clock.realtime(), realtime);
  });
}

TEST_P(IoContract, TimersWakeSleepersInOrder) {
  run([&](Wait&, World& world) {
    std::string trace;
    Crew crew(world.loop);
    for (const int ms : {15, 5, 10}) {
      crew.start("sleeper", [&, ms] {
        Wait mine(world.loop);
        EXPECT_TRUE(is_fine(mine.sleep(std::chrono::milliseconds(ms))));
        trace += std::to_string(ms) + " ";
      });
    }
    crew.join();
    EXPECT_EQ(trace, "5 10 15 ");
  });
}

TEST_P(IoContract, TimersEndAWaitAtItsDeadlineAndNotBefore) {
  run([&](Wait& wait, World& world) {
    const Instant begin = world.clock.monotonic();
    Wait soon = wait.within(5ms);
    Event never;
    EXPECT_EQ(code_of(never.wait(soon)), ErrorCode::timed_out);
    EXPECT_GE(world.clock.monotonic() - begin, Duration(5ms));
    EXPECT_EQ(code_of(soon.sleep(1ms)), ErrorCode::timed_out);
  });
}

TEST_P(IoContract, TimersAreShorterThanAMillisecond) {
  run([&](Wait& wait, World& world) {
    const Instant begin = world.clock.monotonic();
    VERITY_REQUIRE(wait.sleep(100us));
    EXPECT_GE(world.clock.monotonic() - begin, Duration(100us));
  });
}

TEST_P(IoContract, CancelEndsASleep) {
  run([&](Wait& wait, World& world) {
    CancelSource cancel;
    Crew crew(world.loop);
    crew.start("canceller", [&] {
      Wait mine(world.loop);
      EXPECT_TRUE(is_fine(mine.sleep(2ms)));
      cancel.cancel();
    });
    Wait cancellable = wait.under(cancel);
    EXPECT_EQ(code_of(cancellable.sleep(20s)), ErrorCode::cancelled);
  });
}

}  // namespace
}  // namespace verity::io::contract
