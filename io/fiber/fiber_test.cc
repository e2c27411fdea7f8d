#include "io/clock.h"
#include "io/fiber/loop.h"
#include "io/fiber/sync.h"
#include "io/fiber/wait.h"

#include <gtest/gtest.h>

#include <string>

namespace verity::io {
namespace {

class ManualClock final : public Clock {
 public:
  Instant monotonic() const override { return now; }
  Timestamp realtime() const override { return {now.ns}; }
  Instant now{1000};
};

struct FiberTest : testing::Test {
  ManualClock clock;
  Loop loop{clock};
  Wait wait{loop};
  std::string trace;

  // Runs everything, moving the clock from deadline to deadline.
  void run_all() {
    while (true) {
      loop.run_ready();
      if (loop.next_deadline() == Instant::never()) return;
      clock.now = loop.next_deadline();
      loop.fire_timers();
    }
  }
};

TEST_F(FiberTest, RunInOrderAndYieldToOneAnother) {
  for (const char name : {'a', 'b'}) {
    loop.spawn(std::string(1, name), [this, name] {
      for (int i = 0; i < 3; ++i) {
        trace += name;
        EXPECT_TRUE(wait.yield());
      }
    });
  }
  run_all();
  EXPECT_EQ(trace, "ababab");
  EXPECT_EQ(loop.fiber_count(), 0u);
}

TEST_F(FiberTest, SleepersWakeInOrderOfTime) {
  for (const int ms : {30, 10, 20}) {
    loop.spawn("sleeper", [this, ms] {
      EXPECT_TRUE(wait.sleep(std::chrono::milliseconds(ms)));
      trace += std::to_string(ms) + " ";
    });
  }
  run_all();
  EXPECT_EQ(trace, "10 20 30 ");
}

TEST_F(FiberTest, AnEarlierDeadlineEndsASleep) {
  loop.spawn("sleeper", [this] {
    Wait soon = wait.within(5ms);
    const Status slept = soon.sleep(1s);
    EXPECT_EQ(slept.error().code, ErrorCode::timed_out);
    EXPECT_EQ(clock.now.ns, 1000 + 5'000'000);
  });
  run_all();
}

TEST_F(FiberTest, CancelWakesWhoWaitsAndWhoWillWait) {
  CancelSource cancel;
  Event never;
  loop.spawn("waiter", [&] {
    Wait mine = wait.under(cancel);
    EXPECT_EQ(never.wait(mine).error().code, ErrorCode::cancelled);
    EXPECT_EQ(never.wait(mine).error().code, ErrorCode::cancelled);
    trace += "x";
  });
  loop.run_ready();
  EXPECT_EQ(trace, "");
  cancel.cancel();
  run_all();
  EXPECT_EQ(trace, "x");
}

TEST_F(FiberTest, MutexIsHandedOverInOrder) {
  Mutex mutex;
  for (const char name : {'a', 'b', 'c'}) {
    loop.spawn("locker", [&, name] {
      auto guard = mutex.lock(wait);
      ASSERT_TRUE(guard);
      trace += name;
      EXPECT_TRUE(wait.sleep(1ms));
      trace += name;
    });
  }
  run_all();
  EXPECT_EQ(trace, "aabbcc");
}

TEST_F(FiberTest, ATimedOutLockIsNotHandedToTheDead) {
  Mutex mutex;
  loop.spawn("holder", [&] {
    auto guard = mutex.lock(wait);
    EXPECT_TRUE(wait.sleep(10ms));
  });
  loop.spawn("impatient", [&] {
    Wait soon = wait.within(1ms);
    EXPECT_EQ(mutex.lock(soon).error().code, ErrorCode::timed_out);
  });
  loop.spawn("patient", [&] {
    EXPECT_TRUE(mutex.lock(wait));
    trace += "p";
  });
  run_all();
  EXPECT_EQ(trace, "p");
}

TEST_F(FiberTest, BoundedQueueHoldsItsWritersBack) {
  BoundedQueue<int> queue(2);
  loop.spawn("writer", [&] {
    for (int i = 0; i < 5; ++i) {
      EXPECT_TRUE(queue.push(wait, i));
      EXPECT_LE(queue.size(), 2u);
    }
    queue.close();
  });
  loop.spawn("reader", [&] {
    while (true) {
      const Result<int> item = queue.pop(wait);
      if (!item) {
        EXPECT_EQ(item.error().code, ErrorCode::closed);
        return;
      }
      trace += std::to_string(*item);
    }
  });
  run_all();
  EXPECT_EQ(trace, "01234");
}

TEST_F(FiberTest, WaitGroupWaitsForAll) {
  WaitGroup group;
  for (int i = 0; i < 3; ++i) {
    group.add();
    loop.spawn("worker", [&, i] {
      EXPECT_TRUE(wait.sleep(std::chrono::milliseconds(i)));
      trace += "w";
      group.done();
    });
  }
  loop.spawn("waiter", [&] {
    EXPECT_TRUE(group.wait(wait));
    trace += ".";
  });
  run_all();
  EXPECT_EQ(trace, "www.");
}

class LastFirst final : public ReadyOrder {
 public:
  std::size_t pick(std::size_t ready_count) override { return ready_count - 1; }
};

TEST_F(FiberTest, TheReadyQueueCanBePermuted) {
  LastFirst order;
  Loop backwards(clock, &order);
  for (const char name : {'a', 'b', 'c'}) backwards.spawn("f", [this, name] { trace += name; });
  backwards.run_ready();
  EXPECT_EQ(trace, "cba");
}

TEST_F(FiberTest, TenThousandFibersReuseTheirStacks) {
  int finished = 0;
  for (int i = 0; i < 10000; ++i) {
    loop.spawn("f", [&] {
      volatile char deep[16 * 1024];
      deep[0] = 1;
      finished += deep[0];
    });
    loop.run_ready();
  }
  EXPECT_EQ(finished, 10000);
}

}  // namespace
}  // namespace verity::io
