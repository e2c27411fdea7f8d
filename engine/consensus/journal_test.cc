#include "engine/consensus/journal.h"

#include <gtest/gtest.h>

namespace verity::consensus {
namespace {

Sha256Digest hash_of(Position position) {
  Sha256Digest hash;
  hash.bytes[0] = static_cast<std::uint8_t>(position.value);
  return hash;
}

// 1..10, all committed, of 100 bytes each.
Journal ten_entries() {
  Journal journal({});
  for (Position at{1}; at <= Position{10}; at = at.next())
    journal.append({.position = at,
                    .view = {},
                    .hash = hash_of(at),
                    .parent = hash_of(Position{at.value - 1}),
                    .bytes = 100,
                    .voters = {},
                    .entry = {}});
  journal.made_durable(0, Position{10});
  journal.commit(Position{10});
  return journal;
}

TEST(Journal, KeepsSoManyCommittedEntries) {
  Journal journal = ten_entries();
  journal.forget_committed(4, 10'000);
  EXPECT_EQ(journal.base(), Position{6});
  EXPECT_EQ(journal.hash_at(Position{6}), hash_of(Position{6}));
}

TEST(Journal, KeepsSoManyBytesOfCommittedEntries) {
  Journal journal = ten_entries();
  journal.forget_committed(1000, 350);
  EXPECT_EQ(journal.base(), Position{7});
  journal.forget_committed(1000, 99);  // not even one fits
  EXPECT_EQ(journal.base(), Position{10});
  EXPECT_EQ(journal.head_hash(), hash_of(Position{10}));
}

}  // namespace
}  // namespace verity::consensus
