// The founding under loss, repetition, crashes and wiped disks: there is never more than one cluster, and blank nodes that can
// talk become one.
#include "engine/consensus/founding.h"

#include "io/base/prng.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <map>
#include <memory>

namespace verity::consensus {
namespace {

class World {
 public:
  // `founders`: so many nodes, the first ones, are told of one another; all others are told of everybody. 0: all.
  World(std::size_t size, std::uint64_t seed, std::size_t founders = 0)
      : prng_(seed), wipe_one_in_(1 + seed % 5 * 3), founders_(founders == 0 ? size : founders) {
    for (std::uint64_t id = 1; id <= size; ++id)
      nodes_[id] = {.self = fresh(id), .disk = {}, .founding = {}, .saves = {}};
    for (auto& [id, node] : nodes_) start(node);
  }

  void disturb() {
    Node& node = nodes_.at(prng_.between(1, nodes_.size()));
    switch (prng_.below(20)) {
      case 0:
        start(node);
        break;
      case 1:
        if (prng_.chance(1, wipe_one_in_)) wipe(node);
        break;
      case 2:
        carry_out(node, node.founding->remind());
        break;
      case 3:
        connect(node, nodes_.at(prng_.between(1, nodes_.size())));
        break;
      case 4:
      case 5:
      case 6:
        complete_save(node);
        break;
      default:
        if (messages_.empty()) break;
        const bool stays = prng_.chance(1, 4);
        deliver(prng_.below(messages_.size()), stays);
    }
    check();
  }

  // Everybody talks; nothing is lost any more.
  void heal() {
    for (int round = 0; round < 30; ++round) {
      for (auto& [id, node] : nodes_) {
        for (auto& [other_id, other] : nodes_) connect(node, other);
        carry_out(node, node.founding->remind());
      }
      while (!messages_.empty() || std::any_of(nodes_.begin(), nodes_.end(), has_saves)) {
        for (auto& [id, node] : nodes_) complete_save(node);
        if (!messages_.empty()) deliver(0, false);
        check();
      }
    }
  }

  std::size_t members() const {
    return static_cast<std::size_t>(std::count_if(
        nodes_.begin(), nodes_.end(), [](const auto& node) { return node.second.disk.is_member; }));
  }
  std::size_t strangers() const {
    return static_cast<std::size_t>(std::count_if(nodes_.begin(), nodes_.end(), [&](const auto& node) {
      return !node.second.disk.is_member && strangers_.contains(node.second.self);
    }));
  }
  void wipe_node(std::uint64_t id) { wipe(nodes_.at(id)); }

 private:
  struct Node {
    Member self;
    FoundingPromises disk;
    std::unique_ptr<Founding> founding;
    std::vector<FoundingPromises> saves;
  };
  struct Envelope {
    Member from;
    Member to;
    FoundingMessage message;
  };

  static bool has_saves(const std::pair<const std::uint64_t, Node>& node) {
    return !node.second.saves.empty();
  }
  Member fresh(std::uint64_t id) {
    Member member{NodeId{id}, {}};
    prng_.fill(std::as_writable_bytes(std::span(member.incarnation.bytes)));
    return member;
  }
  FoundingDraw draw() {
    FoundingDraw draw;
    for (Id128* const value : {&draw.round, &draw.cluster_id, &draw.epoch})
      prng_.fill(std::as_writable_bytes(std::span(value->bytes)));
    for (std::uint64_t id = 2; id <= founders_; ++id) draw.named.push_back(NodeId{id});
    return draw;
  }
  void start(Node& node) {
    node.saves.clear();
    const std::size_t known = node.self.id.value <= founders_ ? founders_ : nodes_.size();
    node.founding = std::make_unique<Founding>(node.self, known, node.disk);
    carry_out(node, node.founding->start(draw()));
  }
  void wipe(Node& node) {
    strangers_.erase(node.self);
    node.self = fresh(node.self.id.value);
    node.disk = {};
    start(node);
  }
  void connect(Node& node, const Node& other) {
    if (node.self.id != other.self.id) carry_out(node, node.founding->connected(other.self, draw()));
  }
  void complete_save(Node& node) {
    if (node.saves.empty()) return;
    node.disk = node.saves.back();
    node.saves.clear();
    carry_out(node, node.founding->saved());
  }
  void deliver(std::size_t at, bool again) {
    const Envelope envelope = messages_[at];
    if (!again) messages_.erase(messages_.begin() + static_cast<std::ptrdiff_t>(at));
    Node& node = nodes_.at(envelope.to.id.value);
    if (node.self == envelope.to)
      carry_out(node, node.founding->receive(envelope.from, envelope.message, draw()));
  }
  void carry_out(Node& node, const FoundingEffects& effects) {
    for (const FoundingEffect& effect : effects) {
      if (const auto* const send = std::get_if<FoundingSend>(&effect)) {
        if (messages_.size() < 200) messages_.push_back({node.self, send->to, send->message});
      } else if (const auto* const save = std::get_if<FoundingSave>(&effect)) {
        node.saves.push_back(save->promises);
      } else if (std::holds_alternative<FoundingStranger>(effect)) {
        strangers_.insert(node.self);
      }
    }
  }
  void check() {
    const FoundingRecord* record = nullptr;
    for (const auto& [id, node] : nodes_) {
      if (!node.disk.is_member) continue;
      ASSERT_TRUE(node.disk.accepted->members.contains(node.self)) << node.founding->describe();
      if (record == nullptr) record = &*node.disk.accepted;
      ASSERT_EQ(*record, *node.disk.accepted) << "two clusters: " << node.founding->describe();
    }
  }

  Prng prng_;
  const std::uint64_t wipe_one_in_;
  const std::size_t founders_;
  std::map<std::uint64_t, Node> nodes_;
  std::vector<Envelope> messages_;
  std::set<Member> strangers_;
};

TEST(Founding, BlankNodesThatCanTalkBecomeOneCluster) {
  for (const std::size_t size : {3U, 5U, 7U}) {
    World world(size, size);
    world.heal();
    EXPECT_EQ(world.members(), size);
  }
}

// Nodes that are to come in later are started too early: they are nobody's founders, and stand in nobody's way.
TEST(Founding, WhoComesLaterMayDialFirst) {
  for (std::uint64_t seed = 1; seed <= 50 && !testing::Test::HasFatalFailure(); ++seed) {
    World world(5, seed, 3);
    for (std::uint64_t i = 0; i < seed * 5 && !testing::Test::HasFatalFailure(); ++i) world.disturb();
    world.heal();
    EXPECT_GE(world.members(), 1u);
    EXPECT_EQ(world.members() + world.strangers(), 5u) << "seed " << seed;
  }
  World world(5, 1, 3);
  world.heal();
  EXPECT_EQ(world.members(), 3u);
  EXPECT_EQ(world.strangers(), 2u);
}

TEST(Founding, AWipedMemberIsAStrangerToItsCluster) {
  for (std::uint64_t id = 1; id <= 3; ++id) {
    World world(3, 10 + id);
    world.heal();
    ASSERT_EQ(world.members(), 3u);
    world.wipe_node(id);
    world.heal();
    EXPECT_EQ(world.members(), 2u);
    EXPECT_EQ(world.strangers(), 1u);
  }
}

// Node 3 on its own, in the second round of a founding: the record of the first named a disk of node 2 that is gone.
class SecondRound : public testing::Test {
 protected:
  static Id128 id(std::uint8_t first) {
    Id128 id;
    id.bytes[0] = first;
    return id;
  }
  static bool saves(const FoundingEffects& effects) {
    return std::any_of(effects.begin(), effects.end(),
                       [](const auto& effect) { return std::holds_alternative<FoundingSave>(effect); });
  }
  Founding node3(std::optional<FoundingRecord> accepted) const {
    return {three, 3, {.round = round2, .accepted = accepted, .is_member = false}};
  }

  const Member one{NodeId{1}, id(1)};
  const Member two_before{NodeId{2}, id(2)};
  const Member two{NodeId{2}, id(22)};
  const Member three{NodeId{3}, id(3)};
  const Id128 round1 = id(101);
  const Id128 round2 = id(102);
  const FoundingRecord first{id(51), id(52), MemberSet(std::array{one, two_before, three}), Timestamp{1}};
  const FoundingRecord second{id(61), id(62), MemberSet(std::array{one, two, three}), Timestamp{2}};
};

// Else it would be a member of the first while the others become members of the second, which it has accepted.
TEST_F(SecondRound, AMemberWhoseDiskIsGoneIsNotBelievedAfterARecordWithoutIt) {
  EXPECT_FALSE(saves(node3(second).receive(two_before, FoundingMember{first}, {})));
  EXPECT_TRUE(saves(node3(second).receive(two, FoundingMember{second}, {})));
  // It is named by the record that was accepted and did not accept it: nobody will ever be a member of that one.
  EXPECT_TRUE(saves(node3(second).receive(one, FoundingMember{first}, {})));
}

// Else late acceptances of the others, given up since, would make it a member of the first.
TEST_F(SecondRound, AnOfferOfTheFirstRoundIsTooLate) {
  EXPECT_FALSE(saves(node3({}).receive(one, FoundingOffer{round1, first}, {})));
  EXPECT_TRUE(saves(node3({}).receive(one, FoundingOffer{round2, second}, {})));
}

TEST(Founding, ThereIsNeverMoreThanOneCluster) {
  std::uint64_t founded_early = 0;
  for (std::uint64_t seed = 1; seed <= 600 && !HasFatalFailure(); ++seed) {
    World world(seed % 2 == 0 ? 3 : 5, seed);
    const std::uint64_t steps = seed % 7 * 120;
    for (std::uint64_t i = 0; i < steps && !HasFatalFailure(); ++i) world.disturb();
    founded_early += world.members() > 0 ? 1 : 0;
    if (!HasFatalFailure()) world.heal();
    // Whoever was wiped after somebody had become a member is not let in here; all others are in.
    EXPECT_EQ(world.members() + world.strangers(), seed % 2 == 0 ? 3u : 5u) << "seed " << seed;
  }
  EXPECT_GT(founded_early, 0u);
}

}  // namespace
}  // namespace verity::consensus
