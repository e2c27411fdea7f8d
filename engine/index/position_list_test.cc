#include "engine/index/position_list.h"

#include "io/base/prng.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

namespace verity::index {
namespace {

// Gaps of every size, runs of every length, enough for several blocks.
std::vector<std::uint64_t> some_positions(std::uint64_t seed, std::size_t runs_max) {
  Prng prng(seed);
  std::vector<std::uint64_t> positions;
  std::uint64_t at = 0;
  const auto runs = prng.below(runs_max + 1);
  for (std::uint64_t i = 0; i < runs; ++i) {
    at += 1 + prng.below(std::uint64_t{1} << prng.below(24));
    const auto length = prng.chance(1, 2) ? 1 : 1 + prng.below(200);
    for (std::uint64_t j = 0; j < length; ++j) positions.push_back(at++);
    --at;
  }
  return positions;
}

PositionList list_of(const std::vector<std::uint64_t>& positions) {
  PositionList list;
  for (const auto position : positions) list.add({position});
  return list;
}

Bytes encoded(const PositionList& list) {
  Bytes bytes;
  list.encode(bytes);
  return bytes;
}

RC_GTEST_PROP(PositionList, AnswersLikeASortedVector, (std::uint64_t seed)) {
  const auto model = some_positions(seed, 700);
  const auto list = list_of(model);
  RC_ASSERT(list.count() == model.size());
  RC_ASSERT(list.last().value == (model.empty() ? 0 : model.back()));
  Prng prng(seed + 1);
  auto probe = [&](std::uint64_t position) {
    const auto after = std::ranges::lower_bound(model, position);
    const auto next = list.next({position});
    RC_ASSERT(next.has_value() == (after != model.end()));
    if (next) RC_ASSERT(next->value == *after);
    RC_ASSERT(list.rank({position}) == static_cast<std::uint64_t>(after - model.begin()));
    const auto beyond = std::ranges::upper_bound(model, position);
    const auto previous = list.previous({position});
    RC_ASSERT(previous.has_value() == (beyond != model.begin()));
    if (previous) RC_ASSERT(previous->value == *std::prev(beyond));
  };
  probe(0);
  probe(UINT64_MAX);
  for (int i = 0; i < 200 && !model.empty(); ++i) {
    probe(prng.below(model.back() + 3));
    const auto rank = prng.below(model.size());
    probe(model[rank] - 1);
    probe(model[rank]);
    probe(model[rank] + 1);
    RC_ASSERT(list.select(rank).value == model[rank]);
  }
}

RC_GTEST_PROP(PositionList, SurvivesEncodingAndGrowsOnLikeTheOriginal, (std::uint64_t seed)) {
  auto model = some_positions(seed, 400);
  auto list = list_of(model);
  const auto bytes = encoded(list);
  log::FieldReader reader(bytes, "positions");
  auto decoded = PositionList::decode(reader, {UINT64_MAX});
  RC_ASSERT(reader.finish().has_value());
  RC_ASSERT(decoded == list);
  for (std::uint64_t more = list.last().value + 1, i = 0; i < 300; ++i, more += 1 + i % 3) {
    list.add({more});
    decoded.add({more});
    model.push_back(more);
  }
  RC_ASSERT(decoded == list);
  RC_ASSERT(encoded(decoded) == encoded(list));
  for (std::size_t i = 0; i < model.size(); i += 7) {
    RC_ASSERT(decoded.select(i).value == model[i]);
    RC_ASSERT(decoded.rank({model[i]}) == i);
  }
}

RC_GTEST_PROP(PositionList, AcceptsOneFormOnly, (std::uint64_t seed)) {
  auto bytes = encoded(list_of(some_positions(seed, 20)));
  const auto bit = *rc::gen::inRange<std::size_t>(0, bytes.size() * 8);
  bytes[bit / 8] ^= std::byte(1 << (bit % 8));
  log::FieldReader reader(bytes, "positions");
  const auto decoded = PositionList::decode(reader, {UINT64_MAX});
  if (reader.finish()) {
    RC_ASSERT(encoded(decoded) == bytes);
  }
}

TEST(PositionList, RefusesPositionsAboveTheMaximum) {
  const auto bytes = encoded(list_of({1, 2, 9}));
  log::FieldReader fine(bytes, "positions");
  EXPECT_EQ(PositionList::decode(fine, {9}).count(), 3u);
  EXPECT_TRUE(fine.finish());
  log::FieldReader reader(bytes, "positions");
  EXPECT_TRUE(PositionList::decode(reader, {8}).empty());
  EXPECT_FALSE(reader.finish());
}

TEST(PositionList, AStreamThatHasTheLogToItselfCostsNothing) {
  PositionList list;
  for (std::uint64_t i = 1; i <= 1'000'000; ++i) list.add({i});
  EXPECT_EQ(list.heap_bytes(), 0u);
  EXPECT_EQ(list.select(999'999).value, 1'000'000u);
}

TEST(PositionList, CostsAFewBytesAPosition) {
  Prng prng(1);
  PositionList sparse;
  PositionList half;
  std::uint64_t at = 0;
  for (int i = 0; i < 100'000; ++i) {
    at += 1 + prng.below(2000);
    sparse.add({at});
    half.add({static_cast<std::uint64_t>(i) * 2 + 1});
  }
  EXPECT_LE(encoded(sparse).size(), 200'000u);
  EXPECT_LE(sparse.heap_bytes(), 300'000u);
  EXPECT_LE(encoded(half).size(), 100'010u);
}

}  // namespace
}  // namespace verity::index
