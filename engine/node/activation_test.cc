#include "engine/node/activation.h"

#include "engine/log/body.h"
#include "engine/node/message_codec.h"
#include "engine/node/testing/links.h"

#include <gtest/gtest.h>

namespace verity::node {
namespace {

using consensus::Member;
using testing::Links;

Member member(std::uint64_t id) {
  Member some{NodeId{id}, {}};
  some.incarnation.bytes[0] = 0xa0;
  return some;
}

log::EntryPtr entry_at(std::uint64_t position, std::uint32_t release,
                       log::EntryKind kind = log::EntryKind::settled, std::uint32_t activates = 0) {
  log::EntryHeader header;
  header.kind = kind;
  header.position = Position{position};
  header.release = release;
  header.proposer = release >= log::named_since ? 1 : 0;
  Bytes body;
  activates == 0 ? log::encode(log::SettledBody{Position{1}}, body)
                 : log::encode(log::ReleaseBody{activates}, body);
  return log::Entry::make(header, body);
}

log::EntryPtr activating(std::uint64_t position) {
  return entry_at(position, 1, log::EntryKind::release, 2);
}

consensus::Message prepare(const std::vector<log::EntryPtr>& entries) {
  consensus::Prepare prepare{.view = View{1}, .committed = {}, .range = {}};
  prepare.range.first = entries.front()->position();
  prepare.range.last = entries.back()->position();
  for (const log::EntryPtr& entry : entries) prepare.range.entries.push_back(*describe_entry(entry));
  return prepare;
}

// Node 1 of three, the primary of view 0, whose program knows the releases 1 and 2.
class ActivationTest : public ::testing::Test {
 protected:
  ActivationTest() {
    state_.cluster_name = "production";
    state_.node_id = NodeId{1};
    state_.incarnation = member(1).incarnation;
    links_.connected = {member(2), member(3)};
    replica_.start();
  }

  static consensus::JournalStart journal() {
    consensus::JournalStart start{
        .committed = Position{5}, .committed_hash = {}, .membership = {}, .tail = {}};
    for (const std::uint64_t id : {1, 2, 3}) start.membership.voters.add(member(id));
    return start;
  }
  Activation activation(std::optional<Duration> patience = {}) {
    return Activation({.replica = replica_,
                       .state = state_,
                       .transport = &links_,
                       .known = {1, 2},
                       .patience = patience,
                       .propose = [this](log::EntryKind kind, ByteView) {
                         EXPECT_EQ(kind, log::EntryKind::release);
                         return ++proposed_, true;
                       }});
  }

  DurableState state_;
  Links links_;
  consensus::Replica replica_{{.self = member(1)}, journal(), {}};
  int proposed_ = 0;
};

TEST_F(ActivationTest, AReleaseIsCommonWhenEveryMemberKnowsIt) {
  Activation activation = this->activation();
  EXPECT_EQ(activation.common(), 1u);
  EXPECT_EQ(activation.obstacle(), "node 2 is not connected");
  activation.connected(member(2), {2, {}});
  activation.connected(member(3), {1, {}});
  EXPECT_EQ(activation.common(), 1u);
  EXPECT_EQ(activation.obstacle(), "node 3 knows no release after 1");
  activation.connected(member(3), {2, {}});
  EXPECT_EQ(activation.common(), 2u);
  EXPECT_EQ(activation.obstacle(), "");
  links_.connected = {member(2)};
  EXPECT_EQ(activation.common(), 1u) << "who is away may come back with the release before";
  EXPECT_EQ(activation.obstacle(), "node 3 is not connected");
}

TEST_F(ActivationTest, LearnersCount) {
  Activation activation = this->activation();
  links_.connected.push_back(member(4));
  for (const std::uint64_t id : {2, 3}) activation.connected(member(id), {2, {}});
  activation.connected(member(4), {1, {}});
  EXPECT_EQ(activation.common(), 1u);
  EXPECT_EQ(activation.obstacle(), "node 4 knows no release after 1");
  links_.connected.pop_back();
  EXPECT_EQ(activation.common(), 2u) << "one that has gone is no obstacle";
}

TEST_F(ActivationTest, CommittedIsNotYetWritten) {
  Activation activation = this->activation();
  activation.committed(*activating(6));
  EXPECT_TRUE(activation.is_behind());
  EXPECT_EQ(activation.active().number, 1u);
  activation.write_down();
  EXPECT_EQ(activation.active().number, 1u) << "it is not durable";
  EXPECT_TRUE(activation.saved());
  EXPECT_EQ(activation.active(), (ActiveRelease{2, Position{6}}));
  EXPECT_FALSE(activation.is_behind());
  EXPECT_FALSE(activation.saved());
}

TEST_F(ActivationTest, EntriesOfAReleaseWaitForTheState) {
  Activation activation = this->activation();
  EXPECT_TRUE(activation.admits(prepare({activating(6), entry_at(7, 1)})));
  EXPECT_FALSE(activation.is_behind()) << "it may never be committed";
  const consensus::Message late = prepare({activating(6), entry_at(7, 1), entry_at(8, 2)});
  EXPECT_FALSE(activation.admits(late));
  EXPECT_TRUE(activation.is_behind()) << "whoever wrote the last one knew";
  EXPECT_FALSE(activation.admits(late));
  activation.write_down();
  activation.saved();
  EXPECT_EQ(activation.active(), (ActiveRelease{2, Position{6}}));
  EXPECT_TRUE(activation.admits(late));
}

TEST_F(ActivationTest, WhatOthersHaveActivatedIsActive) {
  Activation activation = this->activation();
  activation.connected(member(2), {2, {2, Position{3}}});
  EXPECT_TRUE(activation.is_behind());
  activation.write_down();
  activation.saved();
  EXPECT_EQ(activation.active(), (ActiveRelease{2, Position{3}}));
  EXPECT_TRUE(activation.admits(prepare({entry_at(7, 2)}))) << "the entry is long committed";
}

TEST_F(ActivationTest, WhatNobodyActivatedIsNotAdmitted) {
  Activation activation = this->activation();
  EXPECT_FALSE(activation.admits(prepare({entry_at(7, 2), activating(8)})));
  EXPECT_FALSE(activation.is_behind());
}

TEST_F(ActivationTest, AProgramRefusesWhatItDoesNotKnow) {
  EXPECT_TRUE(check_release(state_, {1, 1}));
  EXPECT_EQ(
      check_release(state_, {2, 3}).error().message,
      "the cluster 'production' uses release 1, and this program knows the releases 2 to 3; start a program "
      "that knows both first");
  state_.release = {2, Position{42}};
  EXPECT_TRUE(check_release(state_, {1, 2}));
  EXPECT_EQ(
      check_release(state_, {1, 1}).error().message,
      "entry 42 of the cluster 'production' activated release 2, and this program knows release 1; start a "
      "program that knows release 2: there is no way back");
  EXPECT_TRUE(check_release(*entry_at(7, 1), {1, 1}));
  EXPECT_FALSE(check_release(*entry_at(7, 2), {1, 1}));
}

TEST(MessageRelease, TheReleaseBeforeDoesNotReadTheNext) {
  const consensus::Message message = consensus::Heartbeat{
      .view = View{3}, .committed = Position{4}, .head = Position{5}, .round = 6, .start = 7};
  const auto reread = [&](std::uint32_t written, std::uint32_t known, NodeId from) {
    const PeerMessage encoded = encode(message, written, NodeId{2});
    const auto decoded = decode(encoded.type, encoded.head, known, from);
    return decoded ? consensus::describe(*decoded) : decoded.error().message;
  };
  const std::string same = consensus::describe(message);
  EXPECT_EQ(reread(1, 1, NodeId{2}), same);
  EXPECT_EQ(reread(1, 2, NodeId{2}), same);
  EXPECT_EQ(reread(2, 2, NodeId{2}), same);
  EXPECT_EQ(reread(2, 1, NodeId{2}), "a message of release 2; this program knows release 1");
  EXPECT_NE(reread(2, 2, NodeId{3}).find("a message of node 2 comes from node 3"), std::string::npos);
  EXPECT_EQ(encode(message, 2, NodeId{2}).head.size(), encode(message, 1, NodeId{2}).head.size() + 1);
}

TEST(MessageRelease, AnEntryOfTheNextIsNotTakenByTheOneBefore) {
  const PeerMessage encoded = encode(prepare({entry_at(7, 2)}), 1, NodeId{2});
  Bytes bytes = encoded.head;
  for (const log::EntryPtr& entry : encoded.entries) put_bytes(bytes, entry->bytes());
  EXPECT_TRUE(decode(encoded.type, bytes, 2, NodeId{2}));
  const auto refused = decode(encoded.type, bytes, 1, NodeId{2});
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("an entry of release 2"), std::string::npos)
      << refused.error().message;
}

}  // namespace
}  // namespace verity::node
