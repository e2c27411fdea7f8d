#include "engine/index/stream_index.h"

#include "engine/index/records_in_memory.h"
#include "io/base/prng.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

namespace verity::index {
namespace {

using log::EventsBody;

using Records = RecordsInMemory;
using Read = Result<std::optional<RevisionRange>>;

// What the index should know, kept the naive way.
struct Model {
  struct Series {
    std::vector<std::uint64_t> positions;
    std::uint64_t events = 0;
    std::vector<std::uint64_t> position_of;  // of each revision

    Read revisions_in(Position at) const {
      const auto [begin, end] = std::ranges::equal_range(position_of, at.value);
      if (begin == end) return fail(ErrorCode::not_found, "no such entry");
      const auto first = static_cast<std::uint64_t>(begin - position_of.begin());
      return RevisionRange{{first}, static_cast<std::uint64_t>(end - begin)};
    }
  };
  std::map<std::tuple<std::uint64_t, std::string, std::string>, Series> series;  // tenant, stream, subject

  void add(Series& series, std::uint64_t position) {
    const bool is_new = series.positions.empty() || series.positions.back() != position;
    if (is_new) series.positions.push_back(position);
    series.position_of.push_back(position);
    ++series.events;
  }
};

struct World {
  explicit World(std::uint64_t seed) : prng(seed) {}

  void append() {
    const auto tenant = 1 + prng.below(2);
    body.clear();
    std::set<std::string> used;
    const auto streams = 1 + prng.below(2);
    for (std::uint64_t s = 0; s < streams; ++s) {
      const auto name = "s" + std::to_string(prng.below(3));
      if (!used.insert(name).second) continue;
      auto& stream = model.series[{tenant, name, ""}];
      body.add_stream(*names.insert(name).first, {stream.events});
      const auto events = prng.chance(7, 8) ? 1 : 1 + prng.below(20);
      for (std::uint64_t e = 0; e < events; ++e) {
        log::BodyEvent event{.type = "t", .data = "1"};
        if (prng.chance(1, 2)) {
          const auto subject = "p" + std::to_string(prng.below(5));
          auto& series = model.series[{tenant, name, subject}];
          event.subject = *names.insert(subject).first;
          event.subject_revision = {series.events};
          model.add(series, position);
        }
        model.add(stream, position);
        body.add_event(event);
      }
      if (used.size() == 1) {
        auto& all = model.series[{tenant, "", ""}];
        model.add(all, position);
      }
    }
    RC_ASSERT(index.apply({position}, {tenant}, body).has_value());
    position += 1 + prng.below(4);
  }

  Prng prng;
  std::uint64_t position = 1;
  std::set<std::string> names;
  Model model;
  EventsBody body;
  StreamIndex index{99};
};

void expect_same(const StreamIndex& index, const Model& model) {
  for (const auto& [key, series] : model.series) {
    const auto& [tenant, stream, subject] = key;
    const auto* positions = stream.empty()    ? index.positions({tenant})
                            : subject.empty() ? index.positions({tenant}, stream)
                                              : index.positions({tenant}, stream, subject);
    RC_ASSERT(positions != nullptr);
    RC_ASSERT(positions->count() == series.positions.size());
    for (std::size_t i = 0; i < series.positions.size(); ++i) {
      RC_ASSERT(positions->select(i).value == series.positions[i]);
    }
    if (stream.empty()) continue;
    const auto last = subject.empty() ? index.last_revision({tenant}, stream)
                                      : index.subject_last_revision({tenant}, stream, subject);
    RC_ASSERT(last == Revision{series.events - 1});
    if (!subject.empty()) continue;
    for (std::uint64_t revision = 0; revision < series.events; ++revision) {
      int reads = 0;
      const auto located = index.locate({tenant}, stream, {revision}, [&](Position at) {
        ++reads;
        return series.revisions_in(at);
      });
      RC_ASSERT(located.has_value() && located->has_value());
      RC_ASSERT((*located)->first.value == series.position_of[revision]);
      RC_ASSERT((*located)->last.value == series.position_of[revision]);
      RC_ASSERT(reads <= 7);
    }
    const auto beyond = index.locate({tenant}, stream, {series.events}, [](Position) -> Read {
      return fail(ErrorCode::not_found, "not to be asked");
    });
    RC_ASSERT(beyond.has_value() && !beyond->has_value());
  }
}

RC_GTEST_PROP(StreamIndex, KnowsWhatANaiveModelKnows, (std::uint64_t seed)) {
  World world(seed);
  const auto entries = world.prng.below(500);
  for (std::uint64_t i = 0; i < entries; ++i) world.append();
  expect_same(world.index, world.model);
}

RC_GTEST_PROP(StreamIndex, LocatesWhatIsIntactAmongDamagedEntries, (std::uint64_t seed)) {
  World world(seed);
  const auto entries = 1 + world.prng.below(400);
  for (std::uint64_t i = 0; i < entries; ++i) world.append();
  const std::uint64_t one_in = 1 + world.prng.below(20);
  std::set<std::uint64_t> damaged;
  for (std::uint64_t at = 0; at < world.position; ++at) {
    if (world.prng.chance(1, one_in)) damaged.insert(at);
  }
  for (const auto& [key, series] : world.model.series) {
    const auto& [tenant, stream, subject] = key;
    if (stream.empty() || !subject.empty()) continue;
    for (std::uint64_t revision = 0; revision < series.events; ++revision) {
      const auto located = world.index.locate({tenant}, stream, {revision}, [&](Position at) -> Read {
        if (damaged.contains(at.value)) return std::nullopt;
        return series.revisions_in(at);
      });
      RC_ASSERT(located.has_value() && located->has_value());
      const std::uint64_t holder = series.position_of[revision];
      const auto [first, last] = **located;
      RC_ASSERT(first.value <= holder && holder <= last.value);
      if (!damaged.contains(holder)) RC_ASSERT(first == last);
      for (const std::uint64_t at : series.positions) {
        if (first != last && first.value <= at && at <= last.value) RC_ASSERT(damaged.contains(at));
      }
    }
  }
}

RC_GTEST_PROP(StreamIndex, SurvivesItsCheckpointAndGrowsOn, (std::uint64_t seed)) {
  World world(seed);
  const auto entries = world.prng.below(300);
  for (std::uint64_t i = 0; i < entries; ++i) world.append();
  Records records;
  RC_ASSERT(world.index.encode(records).has_value());
  // Another hash seed changes nothing that can be seen.
  auto decoded = StreamIndex::decode(records, {world.position}, 7);
  RC_ASSERT(decoded.has_value());
  world.index = std::move(*decoded);
  expect_same(world.index, world.model);
  for (int i = 0; i < 50; ++i) world.append();
  expect_same(world.index, world.model);

  Records again;
  Records from_decoded;
  RC_ASSERT(world.index.encode(again).has_value());
  auto decoded_again = StreamIndex::decode(again, {world.position}, 8);
  RC_ASSERT(decoded_again.has_value());
  RC_ASSERT(decoded_again->encode(from_decoded).has_value());
  RC_ASSERT(again.records == from_decoded.records);
}

RC_GTEST_PROP(StreamIndex, BelievesNoByteOfASection, (std::uint64_t seed)) {
  World world(seed);
  const auto entries = 1 + world.prng.below(200);
  for (std::uint64_t i = 0; i < entries; ++i) world.append();
  Records records;
  RC_ASSERT(world.index.encode(records).has_value());
  auto flipped = records;
  auto& record = flipped.records[world.prng.below(flipped.records.size())];
  record[world.prng.below(record.size())] ^= std::byte(1 << world.prng.below(8));
  if (const auto decoded = StreamIndex::decode(flipped, {world.position}, 1)) {
    // It is a section somebody could have written: the same bytes again.
    Records again;
    RC_ASSERT(decoded->encode(again).has_value());
    RC_ASSERT(again.records == flipped.records);
  }
  auto shorter = records;
  shorter.at = 0;
  shorter.records.pop_back();
  RC_ASSERT(!StreamIndex::decode(shorter, {world.position}, 1).has_value());
  records.at = 0;
  RC_ASSERT(!StreamIndex::decode(records, {world.model.series.begin()->second.positions.back() - 1}, 1)
                 .has_value());
}

TEST(StreamIndex, RefusesEntriesThatDoNotContinue) {
  EventsBody body;
  body.add_stream("orders", {1});
  body.add_event({.type = "t", .data = "1"});
  StreamIndex index(1);
  EXPECT_EQ(index.apply({5}, {1}, body).error().message,
            "entry 5: stream 'orders' goes on at revision 1, after 0 events");
  body.clear();
  body.add_stream("orders", {0});
  body.add_event({.subject_revision = {3}, .type = "t", .subject = "p", .data = "1"});
  StreamIndex other(1);
  EXPECT_EQ(other.apply({5}, {1}, body).error().message,
            "entry 5: subject 'p' of stream 'orders' goes on at revision 3, after 0 events");
}

TEST(StreamIndex, ForgetsARemovedTenantAndKeepsTheOthers) {
  StreamIndex index(1);
  EventsBody body;
  body.add_stream("orders", {0});
  body.add_event({.type = "t", .data = "1"});
  ASSERT_TRUE(index.apply({2}, {1}, body));
  ASSERT_TRUE(index.apply({3}, {2}, body));
  EXPECT_EQ(index.stream_count({1}), 1u);
  EXPECT_EQ(index.stream_name({1}, 0), "orders");
  index.remove_tenant({1});
  EXPECT_EQ(index.stream_count({1}), 0u);
  EXPECT_EQ(index.positions({1}, "orders"), nullptr);
  EXPECT_FALSE(index.has_stream({1}, "orders"));
  EXPECT_EQ(index.event_count({2}), 1u);
  EXPECT_FALSE(index.has_stream({2}, "other"));
  EXPECT_EQ(index.positions({2}, "orders", "nobody"), nullptr);
}

TEST(StreamIndex, LocateNoticesALogThatContradictsIt) {
  StreamIndex index(1);
  EventsBody body;
  for (std::uint64_t i = 0; i < 4; ++i) {
    body.clear();
    body.add_stream("s", {i * 2});
    body.add_event({.type = "t", .data = "1"});
    body.add_event({.type = "t", .data = "1"});
    ASSERT_TRUE(index.apply({10 + i}, {1}, body));
  }
  const auto wrong = index.locate({1}, "s", {5}, [](Position) -> Read { return RevisionRange{{77}, 2}; });
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().message,
            "entry 12 begins stream 's' at revision 77, which contradicts the stream index");
  // A tenant removed while the log was read: nothing, not a crash.
  const auto gone = index.locate({1}, "s", {5}, [&](Position) -> Read {
    index.remove_tenant({1});
    return RevisionRange{{4}, 2};
  });
  ASSERT_TRUE(gone);
  EXPECT_FALSE(gone->has_value());
}

TEST(StreamIndex, IsSmall) {
  // A hundred thousand subjects with four entries each, spread over the log: what a million would need,
  // divided by ten.
  StreamIndex index(1);
  EventsBody body;
  std::vector<std::uint64_t> revisions(100'000);
  std::uint64_t revision = 0;
  Prng prng(3);
  for (std::uint64_t position = 1; position <= 400'000; ++position) {
    const auto patient = prng.below(revisions.size());
    const auto name = "patient-" + std::to_string(patient);
    body.clear();
    body.add_stream("admissions", {revision++});
    body.add_event({.subject_revision = {revisions[patient]++}, .type = "t", .subject = name, .data = "1"});
    ASSERT_TRUE(index.apply({position}, {1}, body));
  }
  EXPECT_LT(index.memory_bytes(), 20'000'000u);
}

}  // namespace
}  // namespace verity::index
