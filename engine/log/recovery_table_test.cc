#include "engine/log/recovery_table.h"

#include <gtest/gtest.h>

namespace verity::log {
namespace {

constexpr auto all_first = {FirstBlock::valid, FirstBlock::zero, FirstBlock::wrong, FirstBlock::misplaced};
constexpr auto all_other = {OtherBlocks::all_there, OtherBlocks::some_missing, OtherBlocks::nothing};
constexpr auto all_checksums = {Checksum::good, Checksum::bad};
constexpr auto all_proofs = {ProvenDurable::no, ProvenDurable::yes};

template <class Check>
void for_all(Check check) {
  for (const FirstBlock first : all_first) {
    for (const OtherBlocks other : all_other) {
      for (const Checksum checksum : all_checksums) {
        for (const ProvenDurable proven : all_proofs) {
          const Evidence evidence{first, other, checksum, proven};
          check(evidence, judge(evidence));
        }
      }
    }
  }
}

TEST(RecoveryTable, WhatIsProvenDurableIsNeverDropped) {
  for_all([](const Evidence& evidence, Verdict verdict) {
    if (evidence.proven_durable == ProvenDurable::yes) {
      EXPECT_NE(verdict, Verdict::torn);
      EXPECT_NE(verdict, Verdict::end_of_log);
    }
  });
}

TEST(RecoveryTable, OnlyMissingBlocksAreTorn) {
  for_all([](const Evidence& evidence, Verdict verdict) {
    if (verdict != Verdict::torn) return;
    EXPECT_TRUE(
        evidence.first_block == FirstBlock::zero ||
        (evidence.first_block == FirstBlock::valid && evidence.other_blocks == OtherBlocks::some_missing));
  });
}

TEST(RecoveryTable, IntactNeedsEverything) {
  for_all([](const Evidence& evidence, Verdict verdict) {
    const bool everything = evidence.first_block == FirstBlock::valid &&
                            evidence.other_blocks == OtherBlocks::all_there &&
                            evidence.checksum == Checksum::good;
    EXPECT_EQ(verdict == Verdict::intact, everything);
  });
}

TEST(RecoveryTable, BytesThatAreThereAndWrongAreDamage) {
  for_all([](const Evidence& evidence, Verdict verdict) {
    const bool there_and_wrong =
        evidence.first_block == FirstBlock::wrong || evidence.first_block == FirstBlock::misplaced ||
        (evidence.first_block == FirstBlock::valid && evidence.other_blocks == OtherBlocks::all_there &&
         evidence.checksum == Checksum::bad);
    if (there_and_wrong) {
      EXPECT_EQ(verdict, Verdict::damaged);
    }
  });
}

}  // namespace
}  // namespace verity::log
