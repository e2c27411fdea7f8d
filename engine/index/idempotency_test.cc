#include "engine/index/idempotency.h"

#include "engine/index/records_in_memory.h"
#include "io/base/prng.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <map>
#include <string>
#include <vector>

namespace verity::index {
namespace {

constexpr TenantId tenant{1};

Sha256Digest digest_of(std::string_view text) {
  return sha256({as_bytes(text)});
}

log::BodyKey key(std::string_view name, std::string_view request = "body") {
  return {.key = name, .request_digest = digest_of(request)};
}

TEST(IdempotencyIndex, RemembersWhoUsedAKey) {
  IdempotencyIndex index({}, 1);
  EXPECT_FALSE(index.find(tenant, key("a")));
  index.apply({7}, {100}, tenant, key("a"));
  EXPECT_EQ(index.find(tenant, key("a")), (SeenKey{{7}, {100}, true}));
  EXPECT_EQ(index.find(tenant, key("a", "another body")), (SeenKey{{7}, {100}, false}));
  EXPECT_FALSE(index.find({2}, key("a")));
  index.remove_tenant(tenant);
  EXPECT_FALSE(index.find(tenant, key("a")));
}

TEST(IdempotencyIndex, KeepsTheWindowAndTheLastKeys) {
  IdempotencyIndex index({.keys_kept = 3, .window = Duration(100), .keys_max = 5}, 1);
  for (int i = 0; i < 5; ++i) {
    index.apply({10 + static_cast<std::uint64_t>(i)}, {i * 10}, tenant, key(std::to_string(i)));
  }
  EXPECT_EQ(index.count(tenant), 5u);  // more than keys_kept, but all young
  EXPECT_FALSE(index.has_room(tenant, {40}, 0));
  EXPECT_FALSE(index.has_room(tenant, {99}, 0));
  EXPECT_TRUE(index.has_room(tenant, {100}, 0));   // the key of time 0 may go
  EXPECT_FALSE(index.has_room(tenant, {100}, 1));  // the one of time 10 not yet
  EXPECT_TRUE(index.has_room(tenant, {110}, 1));
  EXPECT_FALSE(index.has_room(tenant, {1'000'000}, 5));  // more pending than there is to let go
  EXPECT_TRUE(index.find(tenant, key("0")));
  index.apply({20}, {1000}, tenant, key("new"));
  EXPECT_EQ(index.count(tenant), 3u);  // all old, the last three stay
  EXPECT_FALSE(index.find(tenant, key("0")));
  EXPECT_FALSE(index.find(tenant, key("2")));
  EXPECT_TRUE(index.find(tenant, key("3")));
  EXPECT_TRUE(index.find(tenant, key("new")));
}

TEST(IdempotencyIndex, ALaterUseOfAKeyCountsAndOutlivesTheEarlier) {
  IdempotencyIndex index({.keys_kept = 1, .window = Duration(100), .keys_max = 5}, 1);
  index.apply({1}, {0}, tenant, key("a"));
  index.apply({2}, {50}, tenant, key("a"));
  index.apply({3}, {110}, tenant, key("b"));  // lets the first use go
  EXPECT_EQ(index.count(tenant), 2u);
  EXPECT_EQ(index.find(tenant, key("a"))->position, Position{2});
}

RC_GTEST_PROP(IdempotencyIndex, NeverForgetsEarlyAndNeverGrowsPastItsMaximum, (std::uint64_t seed)) {
  Prng prng(seed);
  const IdempotencyLimits limits{
      .keys_kept = prng.below(20), .window = Duration(prng.below(200)), .keys_max = 20 + prng.below(20)};
  IdempotencyIndex index(limits, seed);
  struct Use {
    std::string key;
    std::uint64_t position;
    std::int64_t at;
  };
  std::vector<Use> uses;
  std::int64_t now = 0;
  for (std::uint64_t position = 1; position < 400; ++position) {
    now += static_cast<std::int64_t>(prng.below(20));
    if (!index.has_room(tenant, {now}, 0)) continue;
    const auto name = std::to_string(prng.below(200));
    if (index.find(tenant, key(name))) continue;
    index.apply({position}, {now}, tenant, key(name));
    uses.push_back({name, position, now});
    RC_ASSERT(index.count(tenant) <= limits.keys_max);
    for (std::size_t i = 0; i < uses.size(); ++i) {
      const bool young = uses[i].at + limits.window.count() > now;
      const bool recent = uses.size() - i <= limits.keys_kept;
      if (young || recent)
        RC_ASSERT(index.find(tenant, key(uses[i].key))->position.value == uses[i].position);
    }
  }
  // Survives its checkpoint, with other hash seeds.
  RecordsInMemory records;
  RC_ASSERT(index.encode(records).has_value());
  auto decoded = IdempotencyIndex::decode(records, {400}, limits, seed + 1);
  RC_ASSERT(decoded.has_value());
  for (const auto& use : uses)
    RC_ASSERT(decoded->find(tenant, key(use.key)) == index.find(tenant, key(use.key)));
  decoded->apply({500}, {now + 1000}, tenant, key("after"));
  index.apply({500}, {now + 1000}, tenant, key("after"));
  RC_ASSERT(decoded->count(tenant) == index.count(tenant));
}

TEST(IdempotencyIndex, WhoPromisesNothingKeepsNothing) {
  const IdempotencyLimits limits{.keys_kept = 0, .window = {}, .keys_max = 20};
  IdempotencyIndex index(limits, 1);
  index.apply({1}, {0}, tenant, key("a"));
  EXPECT_EQ(index.count(tenant), 0u);
  RecordsInMemory records;
  ASSERT_TRUE(index.encode(records));
  EXPECT_TRUE(IdempotencyIndex::decode(records, {1}, limits, 1));
}

TEST(IdempotencyIndex, BelievesNoByteOfASection) {
  IdempotencyIndex index({}, 1);
  for (std::uint64_t i = 1; i <= 3000; ++i) {
    index.apply({i * 2}, {static_cast<std::int64_t>(i)}, {1 + i % 2}, key(std::to_string(i)));
  }
  RecordsInMemory records;
  ASSERT_TRUE(index.encode(records));
  Prng prng(4);
  for (int round = 0; round < 500; ++round) {
    auto flipped = records;
    auto& record = flipped.records[prng.below(flipped.records.size())];
    record[prng.below(record.size())] ^= std::byte(1 << prng.below(8));
    if (const auto decoded = IdempotencyIndex::decode(flipped, {6000}, {}, 1)) {
      RecordsInMemory again;
      ASSERT_TRUE(decoded->encode(again));
      EXPECT_EQ(again.records, flipped.records);
    }
  }
  EXPECT_FALSE(IdempotencyIndex::decode(records, {5999}, {}, 1));
  records.at = 0;
  records.records.pop_back();
  EXPECT_FALSE(IdempotencyIndex::decode(records, {6000}, {}, 1));
}

TEST(IdempotencyIndex, IsSmall) {
  IdempotencyIndex index({}, 1);
  for (std::uint64_t i = 1; i <= 100'000; ++i) index.apply({i}, {0}, tenant, key("key " + std::to_string(i)));
  EXPECT_LT(index.memory_bytes(), 7'000'000u);
}

}  // namespace
}  // namespace verity::index
