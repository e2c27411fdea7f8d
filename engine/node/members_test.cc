#include "engine/node/members.h"

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

}  // namespace
}  // namespace verity::node
