// What is refused before anybody looks at it: every reason, by every message that can give it.
#include "engine/consensus/message.h"

#include <gtest/gtest.h>

#include <array>
#include <memory>

namespace verity::consensus {
namespace {

constexpr std::uint64_t nobody_was_there = std::uint64_t{1} << 62;

Member member(std::uint64_t id, std::uint8_t incarnation = 0xa0) {
  Member some{NodeId{id}, {}};
  some.incarnation.bytes[0] = incarnation;
  return some;
}

MemberSet some_members(std::initializer_list<Member> members) {
  return MemberSet(std::span(members.begin(), members.size()));
}

Sha256Digest hash(std::uint8_t first) {
  Sha256Digest digest;
  digest.bytes[0] = first;
  return digest;
}

// Position p has the hash of p.
EntryInfo entry(std::uint8_t position) {
  return {.position = Position{position}, .hash = hash(position), .parent = hash(position - 1)};
}

EntryInfo change(std::uint8_t position, const MemberSet& voters) {
  EntryInfo joint = entry(position);
  joint.voters = std::make_shared<const MemberSet>(voters);
  return joint;
}

EntryRange range(std::uint64_t first, std::uint64_t last, std::vector<EntryInfo> entries) {
  return {Position{first}, Position{last}, std::move(entries)};
}

// For node 2, who leads view 1, from a node that holds 4 and 5 and knows of 3 that it is committed.
Vote vote() {
  return {.view = View{1},
          .candidate = member(2),
          .log_view = View{0},
          .committed = Position{3},
          .committed_hash = hash(3),
          .voters = some_members({member(1), member(2), member(3)}),
          .tail = {entry(4), entry(5)}};
}

template <class Change>
Vote vote_with(Change change) {
  Vote changed = vote();
  change(changed);
  return changed;
}

StartView start_view(std::vector<EntryInfo> tail) {
  return {.view = View{1}, .committed = Position{3}, .committed_hash = hash(3), .tail = std::move(tail)};
}

WholeLog whole_log(View log_view, std::vector<EntryInfo> tail) {
  return {.view = View{1},
          .log_view = log_view,
          .committed = Position{3},
          .committed_hash = hash(3),
          .tail = std::move(tail)};
}

struct Row {
  std::string_view verdict;
  std::string_view what;
  Message message;
};

const std::vector<Row>& rows() {
  static const MemberSet three = some_members({member(1), member(2), member(3)});
  static const MemberSet twice = some_members({member(1), member(2), member(2, 0xb0)});
  static const MemberSet beyond = some_members({member(1), member(node_ids_max + 1)});
  static const std::vector<Row> all = {
      {"", "entries that follow", Prepare{.range = range(4, 5, {entry(4), entry(5)})}},
      {"", "entries to be read from the disk", Prepare{.range = range(4, 9, {})}},
      {"", "the first entry", Fetched{.range = range(1, 1, {change(1, three)})}},
      {"", "a vote", vote()},
      {"", "a vote with nothing committed",
       vote_with([](Vote& v) { v = {.view = v.view, .candidate = v.candidate}; })},
      {"", "a beginning", start_view({entry(4)})},
      {"", "a log of its own view", whole_log(View{1}, {entry(4)})},
      {"", "a suspicion", Suspect{View{nobody_was_there - 1}}},

      {"a view that nobody reached", "a suspicion", Suspect{View{nobody_was_there}}},
      {"a view that nobody reached", "a heartbeat", Heartbeat{.view = View{~std::uint64_t{0}}}},
      {"a view that nobody reached", "a prepare of nothing", Prepare{.view = View{nobody_was_there}}},

      {"a range that is none", "from 0", Prepare{.range = range(0, 1, {})}},
      {"a range that is none", "backwards", Prepare{.range = range(5, 4, {})}},
      {"a range that is none", "without end", Fetched{.range = range(5, nobody_was_there, {})}},

      {"more entries than it says", "two for one", Prepare{.range = range(4, 4, {entry(4), entry(5)})}},
      {"more entries than it says", "likewise", Fetched{.range = range(4, 4, {entry(4), entry(5)})}},

      {"entries that do not follow", "from elsewhere", Prepare{.range = range(4, 5, {entry(5)})}},
      {"entries that do not follow", "with a gap", Prepare{.range = range(4, 6, {entry(4), entry(6)})}},
      {"entries that do not follow", "one twice", Fetched{.range = range(4, 5, {entry(4), entry(4)})}},
      {"entries that do not follow", "another parent",
       Prepare{.range = range(4, 5, {entry(4), {.position = Position{5}, .parent = hash(9)}})}},
      {"entries that do not follow", "a change to nobody", Prepare{.range = range(4, 4, {change(4, {})})}},
      {"entries that do not follow", "a change to two disks of one node",
       Prepare{.range = range(4, 4, {change(4, twice)})}},
      {"entries that do not follow", "a change to a node that cannot be",
       Prepare{.range = range(4, 4, {change(4, beyond)})}},
      {"entries that do not follow", "a log with a gap", start_view({entry(5)})},
      {"entries that do not follow", "a log behind another entry",
       start_view({{.position = Position{4}, .parent = hash(9)}})},
      {"entries that do not follow", "likewise",
       whole_log(View{0}, {{.position = Position{4}, .parent = hash(9)}})},
      {"entries that do not follow", "likewise", vote_with([](Vote& v) { v.committed_hash = hash(9); })},

      {"a candidate whose view it is not", "node 1 in view 1",
       vote_with([](Vote& v) { v.candidate = member(1); })},
      {"a candidate whose view it is not", "node 2 in view 2", vote_with([](Vote& v) { v.view = View{2}; })},

      {"a log of a later view", "a vote with the log of the view that it is for",
       vote_with([](Vote& v) { v.log_view = v.view; })},
      {"a log of a later view", "a whole log", whole_log(View{2}, {})},

      {"voters that are none", "nobody", vote_with([](Vote& v) { v.voters = {}; })},
      {"voters that are none", "two disks of one node", vote_with([](Vote& v) { v.voters = twice; })},
      {"voters that are none", "a node that cannot be", vote_with([](Vote& v) { v.voters = beyond; })},
      {"voters that are none", "node 0", vote_with([](Vote& v) { v.voters = some_members({member(0)}); })},

      {"a position that nobody reached", "a vote",
       vote_with([](Vote& v) { v.committed = Position{nobody_was_there}; })},
      {"a position that nobody reached", "a beginning",
       StartView{.view = View{1}, .committed = Position{nobody_was_there}}},
      {"a position that nobody reached", "a whole log",
       WholeLog{.view = View{1}, .log_view = View{1}, .committed = Position{nobody_was_there}}},
  };
  return all;
}

TEST(Message, WhatNobodyCanHaveSentIsRefused) {
  for (const Row& row : rows())
    EXPECT_EQ(what_is_wrong(row.message), row.verdict) << row.what << ": " << describe(row.message);
}

}  // namespace
}  // namespace verity::consensus
