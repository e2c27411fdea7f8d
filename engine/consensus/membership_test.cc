#include "engine/consensus/membership.h"

#include <gtest/gtest.h>

namespace verity::consensus {
namespace {

Member member(std::uint64_t id, std::uint8_t incarnation = 0xa0) {
  Member some{NodeId{id}, {}};
  some.incarnation.bytes[0] = incarnation;
  return some;
}

EntryInfo change_to(std::uint64_t position, std::initializer_list<Member> members) {
  return {.position = Position{position},
          .voters = std::make_shared<const MemberSet>(std::span(members.begin(), members.size()))};
}

EntryInfo settled(std::uint64_t position) {
  return {.position = Position{position}, .settles = true};
}

Membership founded() {
  Membership membership;
  membership.take(change_to(1, {member(1), member(2), member(3)}), false);
  return membership;
}

TEST(Membership, TheFoundingIsNoChange) {
  EXPECT_EQ(founded().describe(), "voters={1:a0000000 2:a0000000 3:a0000000}");
  EXPECT_FALSE(founded().unsettled);
}

TEST(Membership, AChangeIsJointUntilItIsCommitted) {
  Membership membership = founded();
  membership.take(change_to(5, {member(1), member(2, 0xb0), member(3)}), false);
  const std::array old_majority{member(1), member(2)};
  const std::array both{member(1), member(3)};
  EXPECT_FALSE(membership.elects(MemberSet(old_majority)));
  EXPECT_TRUE(membership.elects(MemberSet(both)));
  EXPECT_TRUE(membership.commits(Position{4}, MemberSet(old_majority)));
  EXPECT_FALSE(membership.commits(Position{5}, MemberSet(old_majority)));
  EXPECT_TRUE(membership.commits(Position{5}, MemberSet(both)));
  // At the change, whoever keeps one of the two majorities from it is enough.
  EXPECT_TRUE(membership.blocks(Position{5}, MemberSet(old_majority)));
  EXPECT_FALSE(membership.blocks(Position{6}, MemberSet(old_majority)));
}

TEST(Membership, WhoHasTheSettledEntryKnowsThatTheChangeIsCommitted) {
  Membership membership = founded();
  membership.take(change_to(5, {member(1), member(2, 0xb0), member(3)}), false);
  membership.take(settled(7), false);
  EXPECT_EQ(membership.describe(), "voters={1:a0000000 2:b0000000 3:a0000000}");
  EXPECT_EQ(membership.changed_at, Position{5});
  EXPECT_EQ(membership.settled_at, Position{7});
  EXPECT_TRUE(membership.before.contains(member(2)));
}

TEST(Membership, OneChangeAtATime) {
  Membership membership = founded();
  membership.take(change_to(5, {member(1)}), false);
  membership.take(change_to(6, {member(2)}), false);
  EXPECT_EQ(membership.change->at, Position{5});
}

TEST(Membership, AFoundingEndsWhateverWasUnderWay) {
  Membership membership = founded();
  membership.take(change_to(5, {member(1), member(2, 0xb0), member(3)}), false);
  EntryInfo anew = change_to(7, {member(2)});
  anew.founds = true;
  membership.take(anew, false);
  EXPECT_EQ(membership.describe(), "voters={2:a0000000}");
  const std::array alone{member(2)};
  EXPECT_TRUE(membership.commits(Position{5}, MemberSet(alone)));
  EXPECT_TRUE(membership.elects(MemberSet(alone)));
  EXPECT_EQ(membership.changed_at, Position{7});
  EXPECT_EQ(membership.settled_at, Position{7});
  EXPECT_EQ(membership.before_at, Position{5});
}

}  // namespace
}  // namespace verity::consensus
