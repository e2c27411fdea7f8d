#include "engine/node/cluster_clock.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace verity::node {
namespace {

constexpr Timestamp noon{1'700'000'000'000'000'000};
constexpr Instant start{5'000'000'000};

Timestamp shows(Duration off, Instant at = start) {
  return Timestamp{noon.ns + (at.ns - start.ns) + off.count()};
}

TEST(ClusterClock, AloneItsOwnClockIsBelieved) {
  ClusterClock clock;
  const auto time = clock.read(start, shows(0s), 1, {});
  EXPECT_EQ(time.now, noon);
  EXPECT_TRUE(time.is_agreed);
}

TEST(ClusterClock, AClockNearTheOthersIsBelievedAsItIs) {
  ClusterClock clock;
  clock.take(NodeId{2}, start, start + 2ms, shows(120ms));
  clock.take(NodeId{3}, start, start + 2ms, shows(-90ms));
  const auto time = clock.read(start + 2ms, shows(0s, start + 2ms), 3, {});
  EXPECT_EQ(time.offset, 0s);
  EXPECT_TRUE(time.is_agreed);
  EXPECT_EQ(time.read, 3u);
}

TEST(ClusterClock, AClockThatIsFarOffIsNotBelieved) {
  for (const Duration off : {Duration(1h), Duration(-1h)}) {
    ClusterClock clock;
    clock.take(NodeId{2}, start, start + 2ms, shows(0s));
    clock.take(NodeId{3}, start, start + 2ms, shows(0s));
    const Instant now = start + 2ms;
    const auto time = clock.read(now, shows(off, now), 3, {});
    EXPECT_TRUE(time.is_agreed);
    EXPECT_LE(std::abs((time.offset + off).count()), Duration(ClusterClock::tolerance).count());
  }
}

TEST(ClusterClock, AnotherClockThatIsFarOffChangesNothing) {
  ClusterClock clock;
  clock.take(NodeId{2}, start, start + 2ms, shows(1h));
  clock.take(NodeId{3}, start, start + 2ms, shows(0s));
  EXPECT_EQ(clock.read(start + 2ms, shows(0s, start + 2ms), 3, {}).offset, 0s);
}

TEST(ClusterClock, WhatWasAgreedGoesOnWhileNobodyIsThere) {
  ClusterClock clock;
  clock.take(NodeId{2}, start, start + 2ms, shows(0s));
  EXPECT_TRUE(clock.read(start + 2ms, shows(0s, start + 2ms), 3, {}).is_agreed);
  const Instant later = start + 60s;  // the reading is too old, and the own clock has been set
  const auto time = clock.read(later, shows(1h, later), 3, {});
  EXPECT_FALSE(time.is_agreed);
  EXPECT_EQ(time.offset, -1h);
  EXPECT_EQ(time.read, 1u);
}

TEST(ClusterClock, OfTwoThatDisagreeTheOneThatFitsTheLogIsTaken) {
  for (const Duration off : {Duration(1h), Duration(-1h)}) {
    ClusterClock clock;
    clock.take(NodeId{2}, start, start + 2ms, shows(off));
    const Instant now = start + 2ms;
    const auto time = clock.read(now, shows(0s, now), 3, shows(-1s));
    EXPECT_FALSE(time.is_agreed);
    EXPECT_EQ(time.offset, 0s) << off.count();
  }
}

// However the clocks of a minority are set: with a majority within 100 ms of the true time, so is what is believed, up to what
// clocks may differ by and a question takes.
RC_GTEST_PROP(ClusterClock, AMajorityOfGoodClocksIsEnough, ()) {
  const auto nodes = *rc::gen::element<std::size_t>(3, 5, 7);
  const auto bad = *rc::gen::inRange<std::size_t>(0, nodes / 2 + 1);
  const auto own_is_bad = *rc::gen::arbitrary<bool>();
  ClusterClock clock;
  const Instant now = start + 1s;
  Duration own{};
  for (std::size_t node = 0; node < nodes; ++node) {
    const bool is_bad = own_is_bad ? node < bad : node >= nodes - bad;
    const Duration off = is_bad ? std::chrono::milliseconds(*rc::gen::inRange(-7'200'000, 7'200'000))
                                : std::chrono::milliseconds(*rc::gen::inRange(-100, 101));
    if (node == 0) {
      own = off;
      continue;
    }
    const auto way = std::chrono::milliseconds(*rc::gen::inRange(0, 100));
    const auto back = std::chrono::milliseconds(*rc::gen::inRange(0, 100));
    clock.take(NodeId{node + 1}, now + -(way + back), now, shows(off, now + -back));
  }
  const auto time = clock.read(now, shows(own, now), nodes, {});
  RC_ASSERT(time.is_agreed);
  RC_ASSERT(std::abs(time.now.ns - shows(0s, now).ns) <= Duration(800ms).count());
}

}  // namespace
}  // namespace verity::node
