#include "io/linux/durable_way.h"

#include <gtest/gtest.h>

namespace verity::io {
namespace {

// How many of `count` writes go by thread where each way takes as long as given.
int by_thread(DurableWayChooser& chooser, int count, Duration ring, Duration thread) {
  int chosen = 0;
  for (int i = 0; i < count; ++i) {
    const DurableWay way = chooser.choose();
    chosen += way == DurableWay::thread ? 1 : 0;
    chooser.record(way, way == DurableWay::thread ? thread : ring);
  }
  return chosen;
}

TEST(DurableWay, TakesTheQuickerOne) {
  DurableWayChooser chooser;
  EXPECT_LT(by_thread(chooser, 10'000, 100us, 150us), 100);
  DurableWayChooser other;
  EXPECT_GT(by_thread(other, 10'000, 4ms, 150us), 9'900);
}

TEST(DurableWay, ChangesItsMindWhenTheMachineDoes) {
  DurableWayChooser chooser;
  by_thread(chooser, 1000, 100us, 150us);
  EXPECT_EQ(chooser.quicker(), DurableWay::ring);
  by_thread(chooser, 100, 4ms, 200us);
  EXPECT_EQ(chooser.quicker(), DurableWay::thread);
  by_thread(chooser, 10'000, 100us, 150us);
  EXPECT_EQ(chooser.quicker(), DurableWay::ring);
}

TEST(DurableWay, IsNotImpressedByOneStall) {
  DurableWayChooser chooser;
  by_thread(chooser, 1000, 100us, 150us);
  chooser.record(DurableWay::ring, 1s);
  EXPECT_EQ(chooser.quicker(), DurableWay::ring);
}

}  // namespace
}  // namespace verity::io
