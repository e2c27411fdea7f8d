#include "io/fiber/mailbox.h"

#include "io/clock.h"
#include "io/fiber/loop.h"
#include "io/fiber/wait.h"

#include <gtest/gtest.h>

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace verity::io {
namespace {

TEST(Mailbox, OpensLettersInOrderAndWakesOncePerFilling) {
  int wakes = 0;
  Mailbox mailbox([&] { ++wakes; });
  std::string trace;
  EXPECT_FALSE(mailbox.drain());
  mailbox.post([&] { trace += 'a'; });
  mailbox.post([&] { trace += 'b'; });
  EXPECT_EQ(wakes, 1);
  EXPECT_TRUE(mailbox.drain());
  EXPECT_EQ(trace, "ab");
  mailbox.post([&] { trace += 'c'; });
  EXPECT_EQ(wakes, 2);
  EXPECT_TRUE(mailbox.drain());
  EXPECT_EQ(trace, "abc");
}

TEST(Mailbox, ALetterMayPostAnother) {
  Mailbox mailbox;
  int opened = 0;
  mailbox.post([&] {
    ++opened;
    mailbox.post([&] { ++opened; });
  });
  EXPECT_TRUE(mailbox.drain());
  EXPECT_EQ(opened, 1);
  EXPECT_TRUE(mailbox.drain());
  EXPECT_EQ(opened, 2);
}

class StoppedClock final : public Clock {
 public:
  Instant monotonic() const override { return {}; }
  Timestamp realtime() const override { return {}; }
};

// Threads hand values to a sleeping driver, whose fiber adds them up. The sum is plain memory: a thread
// sanitizer build shows whether the mailbox orders it.
TEST(Mailbox, CarriesLettersOfManyThreadsToAFiber) {
  constexpr std::uint64_t thread_count = 4;
  constexpr std::uint64_t letter_count = 5000;

  std::mutex mutex;
  std::condition_variable awake;
  bool rung = false;
  Mailbox mailbox([&] {
    const std::lock_guard lock(mutex);
    rung = true;
    awake.notify_one();
  });

  StoppedClock clock;
  Loop loop(clock);
  std::uint64_t received = 0;
  std::uint64_t sum = 0;
  Waiter waiter;
  loop.spawn("adder", [&] {
    Wait wait(loop);
    while (received < thread_count * letter_count) waiter.park_until_woken(wait);
  });

  std::vector<std::thread> threads;
  for (std::uint64_t t = 0; t < thread_count; ++t) {
    threads.emplace_back([&, t] {
      for (std::uint64_t i = 0; i < letter_count; ++i) {
        auto value = std::make_unique<std::uint64_t>(t * letter_count + i);
        mailbox.post([&, value = std::move(value)] {
          ++received;
          sum += *value;
          waiter.wake();
        });
      }
    });
  }
  loop.run_ready();
  while (loop.fiber_count() > 0) {
    {
      std::unique_lock lock(mutex);
      awake.wait(lock, [&] { return rung; });
      rung = false;
    }
    mailbox.drain();
    loop.run_ready();
  }
  for (std::thread& thread : threads) thread.join();
  constexpr std::uint64_t n = thread_count * letter_count;
  EXPECT_EQ(sum, n * (n - 1) / 2);
}

}  // namespace
}  // namespace verity::io
