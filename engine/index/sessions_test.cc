#include "engine/index/sessions.h"

#include "engine/index/records_in_memory.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <set>

namespace verity::index {
namespace {

using Fate = SettledRequest::Fate;

Id128 session(std::uint8_t number) {
  Id128 id;
  id.bytes[0] = number;
  return id;
}

Bytes bytes_of(const SessionIndex& index) {
  RecordsInMemory records;
  EXPECT_TRUE(index.encode(records));
  Bytes all;
  for (const Bytes& record : records.records) put_bytes(all, record);
  return all;
}

TEST(Sessions, WhatIsSettledIsKnown) {
  SessionIndex index({});
  index.add({5}, session(1));
  EXPECT_TRUE(index.contains(session(1)));
  EXPECT_FALSE(index.contains(session(2)));
  index.settle({6}, session(1), 1, Fate::carried_out);
  index.settle({7}, session(1), 3, Fate::given_up);
  EXPECT_EQ(index.find(session(1), 1), (SettledRequest{Fate::carried_out, {6}}));
  EXPECT_EQ(index.find(session(1), 2), std::nullopt);
  EXPECT_EQ(index.find(session(1), 3), (SettledRequest{Fate::given_up, {7}}));
}

TEST(Sessions, FarBehindTheHighestNumberNothingIsKnown) {
  SessionIndex index({.sessions_max = 10, .requests_kept = 4});
  index.add({1}, session(1));
  index.settle({2}, session(1), 2, Fate::carried_out);
  index.settle({3}, session(1), 6, Fate::carried_out);
  EXPECT_EQ(index.find(session(1), 2)->fate, Fate::forgotten);
  EXPECT_EQ(index.find(session(1), 3), std::nullopt);
  index.settle({4}, session(1), 7, Fate::carried_out);
  EXPECT_EQ(index.find(session(1), 3)->fate, Fate::forgotten);
}

TEST(Sessions, TheOneWhoseLastEntryIsOldestGoes) {
  SessionIndex index({.sessions_max = 2, .requests_kept = 4});
  index.add({1}, session(1));
  index.add({2}, session(2));
  index.settle({3}, session(1), 1, Fate::carried_out);
  index.add({4}, session(3));
  EXPECT_TRUE(index.contains(session(1)));
  EXPECT_FALSE(index.contains(session(2)));
  EXPECT_EQ(index.count(), 2u);
  index.settle({5}, session(2), 1, Fate::carried_out);  // it is not there any more
  EXPECT_FALSE(index.contains(session(2)));
}

TEST(Sessions, WhatCannotBeIsRefused) {
  SessionIndex index({});
  index.add({5}, session(1));
  RecordsInMemory records;
  ASSERT_TRUE(index.encode(records));
  EXPECT_FALSE(SessionIndex::decode(records, {4}, {}));  // after the checkpoint
  records.at = 0;
  records.records.push_back(records.records.back());
  EXPECT_FALSE(SessionIndex::decode(records, {5}, {}));
}

RC_GTEST_PROP(Sessions, ACheckpointGoesOnAsTheOriginalWould, ()) {
  const SessionLimits limits{.sessions_max = 3, .requests_kept = 5};
  SessionIndex original(limits);
  const auto step = [&](SessionIndex& index, Position position, std::pair<int, int> what) {
    const Id128 id = session(static_cast<std::uint8_t>(what.first));
    if (what.second == 0) {
      index.add(position, id);
    } else {
      index.settle(position, id, static_cast<std::uint64_t>(what.second),
                   what.second % 4 == 0 ? Fate::given_up : Fate::carried_out);
    }
  };
  const auto steps = *rc::gen::container<std::vector<std::pair<int, int>>>(
      rc::gen::pair(rc::gen::inRange(1, 6), rc::gen::inRange(0, 20)));
  const auto half = *rc::gen::inRange<std::size_t>(0, steps.size() + 1);
  for (std::size_t i = 0; i < half; ++i) step(original, {i + 1}, steps[i]);
  RecordsInMemory records;
  RC_ASSERT(original.encode(records).has_value());
  auto copy = SessionIndex::decode(records, {half}, limits);
  RC_ASSERT(copy.has_value());
  for (std::size_t i = half; i < steps.size(); ++i) {
    step(original, {i + 1}, steps[i]);
    step(*copy, {i + 1}, steps[i]);
  }
  RC_ASSERT(bytes_of(original) == bytes_of(*copy));
  RC_ASSERT(original.count() <= limits.sessions_max);
}

}  // namespace
}  // namespace verity::index
