#include "engine/node/refounding.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace verity::node {
namespace {

// Kept: 1 to 1042; known to be committed: up to 1040.
Refounding sample() {
  Refounding refounding;
  refounding.at = Position{1043};
  refounding.committed = refounding.confirmed = Position{1040};
  return refounding;
}

bool says(const Refounding& refounding, std::string_view sentence) {
  const auto all = refounding.sentences();
  return std::ranges::any_of(all, [&](const std::string& one) { return one.starts_with(sentence); });
}

constexpr std::string_view unconfirmed =
    "UNCONFIRMED, kept: positions 1041 to 1042; whether this was acknowledged";

TEST(Refounding, WhatNobodyKnowsToBeCommittedIsUnconfirmed) {
  const Refounding refounding = sample();
  EXPECT_TRUE(says(refounding, "kept: positions 1 to 1042; up to 1040 that is what was committed"));
  EXPECT_TRUE(says(refounding, unconfirmed));
  EXPECT_TRUE(says(refounding, "MAYBE LOST: whatever was acknowledged beyond position 1040"));
  EXPECT_EQ(refounding.sentences().size(), 4u);
}

TEST(Refounding, ANodeThatKnowsMoreAndHasTheSameConfirms) {
  Refounding refounding = sample();
  refounding.heard = refounding.confirmed = Position{1041};
  refounding.heard_from = NodeId{3};
  EXPECT_TRUE(says(refounding, "node 3 knew everything up to 1041 to be committed; this node holds that"));
  EXPECT_TRUE(says(refounding, "UNCONFIRMED, kept: position 1042"));
  EXPECT_TRUE(says(refounding, "MAYBE LOST: whatever was acknowledged beyond position 1041"));
}

// It led, was cut off, and others committed something else where it had appended.
TEST(Refounding, ADeposedLeaderHoldsNotWhatWasCommitted) {
  Refounding refounding = sample();
  refounding.heard = Position{1041};
  refounding.heard_from = NodeId{3};
  refounding.contradicted = true;
  EXPECT_TRUE(
      says(refounding, "LOST: of position 1041 what was committed; node 3 knew everything up to 1041"));
  EXPECT_TRUE(says(refounding, unconfirmed));
  EXPECT_FALSE(says(refounding, "node 3 knew"));
}

TEST(Refounding, WhatWasHeardAndNotComparedMayBeLost) {
  Refounding refounding = sample();
  refounding.heard = Position{1042};
  refounding.heard_from = NodeId{3};
  EXPECT_TRUE(says(refounding, "MAYBE LOST: of positions 1041 to 1042 what was committed; node 3 knew"));
  refounding.heard = Position{1050};
  EXPECT_TRUE(says(refounding, "LOST: positions 1043 to 1050; node 3 knew everything up to 1050"));
  refounding.heard = Position{1040};
  EXPECT_TRUE(says(refounding, "node 3 knew everything up to 1040 to be committed; this node holds that"));
}

TEST(Refounding, WhatWasDamagedIsNamed) {
  Refounding refounding = sample();
  refounding.unknown_from = Position{1030};
  EXPECT_TRUE(says(refounding, "MAYBE LOST: what this node acknowledged from position 1030 on"));
}

}  // namespace
}  // namespace verity::node
