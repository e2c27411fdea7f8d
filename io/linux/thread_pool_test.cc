#include "io/linux/thread_pool.h"

#include "io/fiber/sync.h"
#include "io/linux/runtime.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>

namespace verity::io {
namespace {

struct ThreadPoolTest : testing::Test {
  std::unique_ptr<Runtime> runtime = std::move(*Runtime::create({}));
  ThreadPool pool{runtime->mailbox(), 3};
};

TEST_F(ThreadPoolTest, RunsJobsOnItsThreadsAndNoMoreThanThose) {
  std::atomic<int> running = 0;
  std::atomic<int> running_max = 0;
  std::atomic<int> on_the_loop = 0;
  int finished = 0;
  const auto loop_thread = std::this_thread::get_id();
  runtime->run([&](Wait&) {
    for (int i = 0; i < 30; ++i) {
      runtime->loop().spawn("fiber", [&, i] {
        Wait mine(runtime->loop());
        const int answer = pool.run(mine, [&] {
          const int now = ++running;
          for (int seen = running_max; seen < now && !running_max.compare_exchange_weak(seen, now);) {
          }
          if (std::this_thread::get_id() == loop_thread) ++on_the_loop;
          std::this_thread::sleep_for(1ms);
          --running;
          return i * 2;
        });
        EXPECT_EQ(answer, i * 2);
        ++finished;
      });
    }
  });
  EXPECT_EQ(finished, 30);
  EXPECT_EQ(on_the_loop, 0);
  EXPECT_LE(running_max, 3);
  EXPECT_GE(running_max, 2);
}

TEST_F(ThreadPoolTest, ADetachableJobMayBeAbandoned) {
  runtime->run([&](Wait& wait) {
    std::atomic<bool> release = false;
    auto finished = std::make_shared<std::atomic<bool>>(false);
    Wait soon = wait.within(2ms);
    const Result<int> abandoned = pool.run_detachable(soon, [&release, finished]() -> Result<int> {
      while (!release) std::this_thread::sleep_for(1ms);
      *finished = true;
      return 1;
    });
    EXPECT_EQ(abandoned.error().code, ErrorCode::timed_out);
    EXPECT_FALSE(*finished);
    release = true;
    while (!*finished) ASSERT_TRUE(wait.sleep(1ms));
    const Result<int> kept = pool.run_detachable(wait, []() -> Result<int> { return 2; });
    EXPECT_EQ(*kept, 2);
  });
}

}  // namespace
}  // namespace verity::io
