#include "engine/consensus/send_window.h"

#include <gtest/gtest.h>

namespace verity::consensus {
namespace {

TEST(SendWindow, CountsWhatIsUnderWay) {
  SendWindow window;
  window.sent({Position{10}, 100, false});
  window.sent({Position{20}, 1000, true});
  window.sent({Position{21}, 0, true});
  EXPECT_EQ(window.bytes(), 1100u);
  EXPECT_EQ(window.bulk_batches(), 2u);
  window.acknowledged(Position{19});
  EXPECT_EQ(window.bytes(), 1000u) << "a batch counts until all of it is durable";
  window.acknowledged(Position{20});
  EXPECT_EQ(window.bytes(), 0u);
  EXPECT_EQ(window.bulk_batches(), 1u);
  window.acknowledged(Position{30});
  EXPECT_EQ(window.bulk_batches(), 0u);
}

TEST(SendWindow, WhatIsLostIsNotUnderWay) {
  SendWindow window;
  window.sent({Position{10}, 100, true});
  window.sent({Position{20}, 200, false});
  window.sent({Position{30}, 300, true});
  window.lost_after(Position{15});
  EXPECT_EQ(window.bytes(), 100u);
  EXPECT_EQ(window.bulk_batches(), 1u);
  window.sent({Position{20}, 200, true});
  EXPECT_EQ(window.bulk_batches(), 2u);
  window.lost_after(Position{});
  EXPECT_EQ(window.bytes(), 0u);
  EXPECT_EQ(window.bulk_batches(), 0u);
}

}  // namespace
}  // namespace verity::consensus
