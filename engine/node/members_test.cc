#include "engine/node/members.h"

#include "engine/log/body.h"
#include "engine/node/testing/links.h"

#include <gtest/gtest.h>

namespace verity::node {
namespace {

consensus::Member member(std::uint64_t id, std::uint8_t incarnation = 0xa0) {
  consensus::Member some{NodeId{id}, {}};
  some.incarnation.bytes[0] = incarnation;
  return some;
}

// Three founders, of which the second lost its disk: entry 20, settled by 22.
DurableState after_a_lost_disk() {
  DurableState state;
  state.node_id = NodeId{1};
  state.incarnation = member(1).incarnation;
  state.cluster_name = "production";
  for (const std::uint64_t id : {1, 2, 3}) state.founders.add(member(id));
  state.members = {.at = Position{20},
                   .seats = {{member(1), ""}, {member(2, 0xb0), "node2:7001"}, {member(3), ""}},
                   .before = state.founders,
                   .before_at = {},
                   .settled_at = Position{22}};
  return state;
}

TEST(Members, AreTheFoundersBeforeTheFirstChange) {
  DurableState state = after_a_lost_disk();
  state.members = {};
  EXPECT_TRUE(membership_at(state, Position{0}).voters.empty());
  EXPECT_EQ(membership_at(state, Position{5}).voters, state.founders);
  EXPECT_EQ(members_of(state), state.founders);
}

TEST(Members, AreThoseOfTheLastChangeThatIsCommitted) {
  const DurableState state = after_a_lost_disk();
  EXPECT_EQ(membership_at(state, Position{19}).voters, state.founders);
  const consensus::Membership after = membership_at(state, Position{30});
  EXPECT_TRUE(after.voters.contains(member(2, 0xb0)));
  EXPECT_FALSE(after.voters.contains(member(2)));
  EXPECT_EQ(after.before, state.founders);
  EXPECT_FALSE(after.unsettled);
}

TEST(Members, AChangeThatIsNotSettledIsRemembered) {
  DurableState state = after_a_lost_disk();
  state.members.settled_at = {};
  const consensus::Membership membership = membership_at(state, Position{21});
  ASSERT_TRUE(membership.unsettled);
  EXPECT_EQ(membership.unsettled->at, Position{20});
  EXPECT_EQ(membership.unsettled->newcomers.describe(), "{2:b0000000}");
}

TEST(Members, WhoWasRemovedDoesNotStart) {
  DurableState state = after_a_lost_disk();
  EXPECT_TRUE(check_not_removed(state));
  state.node_id = NodeId{2};
  state.incarnation = member(2).incarnation;
  const Status refused = check_not_removed(state);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("was removed from the cluster 'production' by entry 20"),
            std::string::npos)
      << refused.error().message;
  state.members.settled_at = {};
  EXPECT_TRUE(check_not_removed(state)) << "its vote may still be needed";
}

// Node 1 of three, founded together, the primary of view 0.
class ChangingMembers : public ::testing::Test {
 protected:
  ChangingMembers() {
    for (const std::uint64_t id : {2, 3}) {
      links_.connected.push_back(member(id));
      links_.rows.push_back({.id = NodeId{id}, .address = address(id), .connected = true});
    }
    replica_.start();
  }

  static std::string address(std::uint64_t id) { return "node" + std::to_string(id) + ":7001"; }
  static DurableState of_node_1() {
    DurableState state;
    state.node_id = NodeId{1};
    state.incarnation = member(1).incarnation;
    return state;
  }
  static consensus::JournalStart journal() {
    consensus::JournalStart start{
        .committed = Position{5}, .committed_hash = {}, .membership = {}, .tail = {}};
    for (const std::uint64_t id : {1, 2, 3}) start.membership.voters.add(member(id));
    return start;
  }
  // The refusal, or what it waits for.
  std::string add(const std::vector<std::pair<NodeId, std::string>>& nodes) {
    const auto outcome = members_.change({.add = nodes, .remove = {}}, Instant{});
    return outcome ? outcome->waits_for : "refused: " + outcome.error().detail;
  }

  DurableState state_ = of_node_1();
  testing::Links links_;
  consensus::Replica replica_{{.self = member(1)}, journal(), {}};
  Members members_{{.replica = replica_,
                    .state = state_,
                    .transport = &links_,
                    .step = [](const consensus::Input&) {},
                    .propose = [](log::EntryKind, ByteView) { return true; }}};
};

TEST_F(ChangingMembers, AnotherAddressForAMemberIsRefused) {
  EXPECT_EQ(add({{NodeId{2}, "elsewhere:1"}}),
            "refused: node 2 is a member already, at node2:7001; one that has moved needs no change of the "
            "members: it reaches the others");
  EXPECT_EQ(add({{NodeId{2}, address(2)}, {NodeId{3}, address(3)}}), "") << "it is done";
  EXPECT_EQ(links_.reached, std::vector<std::string>{});
}

TEST_F(ChangingMembers, TwoNodesAtOneAddressAreRefused) {
  EXPECT_EQ(add({{NodeId{4}, address(4)}, {NodeId{5}, address(4)}}),
            "refused: the nodes 4 and 5 cannot both be at node4:7001");
  EXPECT_EQ(add({{NodeId{4}, address(4)}, {NodeId{5}, address(3)}}),
            "refused: node 5 cannot be at node3:7001: node 3 is, a member");
  EXPECT_EQ(add({{NodeId{4}, address(4)}, {NodeId{5}, address(1)}}),
            "refused: node 5 cannot be at node1:7001: node 1 is, a member");
  EXPECT_EQ(add({{NodeId{4}, address(4)}, {NodeId{4}, address(5)}}),
            "refused: node 4 is named twice, with node5:7001 and node4:7001");
}

TEST_F(ChangingMembers, WhoAnswersAtAnAddressIsNamed) {
  links_.rows.push_back({.id = NodeId{6}, .address = address(4), .connected = true});
  EXPECT_EQ(add({{NodeId{4}, address(4)}, {NodeId{5}, address(5)}}),
            "node 4 at node4:7001 is not connected: node 6 answers there");
  EXPECT_EQ(links_.reached, (std::vector<std::string>{address(4), address(5)}));
}

TEST_F(ChangingMembers, WhoStandsInTheStateIsDialledUntilTheLogSaysMore) {
  state_.members = {.at = Position{20},
                    .seats = {{member(1), ""}, {member(2), ""}, {member(4), address(4)}},
                    .before = {},
                    .before_at = {},
                    .settled_at = Position{21}};
  Members members({.replica = replica_,
                   .state = state_,
                   .transport = &links_,
                   .step = [](const consensus::Input&) {},
                   .propose = [](log::EntryKind, ByteView) { return true; }});
  members.look();
  EXPECT_EQ(links_.reached, std::vector<std::string>{address(4)});
  state_.members.at = Position{5};
  Members later({.replica = replica_,
                 .state = state_,
                 .transport = &links_,
                 .step = [](const consensus::Input&) {},
                 .propose = [](log::EntryKind, ByteView) { return true; }});
  later.look();
  EXPECT_EQ(links_.reached, std::vector<std::string>{}) << "node 4 is no member any more";
}

TEST_F(ChangingMembers, WhoIsToStayAwayIsDialledNoMore) {
  add({{NodeId{4}, address(4)}, {NodeId{5}, "wrong:1"}});
  const auto outcome = members_.change({.add = {}, .remove = {NodeId{4}, NodeId{5}}}, Instant{});
  ASSERT_TRUE(outcome);
  EXPECT_TRUE(outcome->done);
  EXPECT_EQ(links_.reached, std::vector<std::string>{});
}

}  // namespace
}  // namespace verity::node
