#include "engine/consensus/membership.h"

namespace verity::consensus {
namespace {

bool is_majority(const MemberSet& some, const MemberSet& voters) {
  return voters.count_in(some) >= voters.majority();
}

// So many that the others are no majority.
bool is_blocking(const MemberSet& some, const MemberSet& voters) {
  return voters.count_in(some) >= voters.size() - voters.majority() + 1;
}

}  // namespace

bool Membership::is_voter(const Member& member) const {
  return voters.contains(member) || (change && change->voters.contains(member));
}

MemberSet Membership::everyone() const {
  MemberSet all = voters;
  if (change) {
    for (const Member& member : change->voters) all.add(member);
  }
  return all;
}

bool Membership::commits(Position position, const MemberSet& holders) const {
  if (!change || position < change->at) return is_majority(holders, voters);
  if (position > change->at) return is_majority(holders, change->voters);
  return is_majority(holders, voters) && is_majority(holders, change->voters);
}

bool Membership::elects(const MemberSet& members) const {
  return is_majority(members, voters) && (!change || is_majority(members, change->voters));
}

bool Membership::blocks(Position position, const MemberSet& negatives) const {
  if (!change || position < change->at) return is_blocking(negatives, voters);
  if (position > change->at) return is_blocking(negatives, change->voters);
  return is_blocking(negatives, voters) || is_blocking(negatives, change->voters);
}

void Membership::take(const EntryInfo& entry, bool is_committed) {
  if (entry.settles) {
    // It was proposed because the change is committed, whether this node has heard of that or not.
    if (change) voters = change->voters;
    settled_at = entry.position;
    change.reset();
    unsettled.reset();
  } else if (entry.voters && voters.empty()) {
    voters = *entry.voters;  // the founding
  } else if (entry.voters && entry.founds) {
    // Everything before it is committed by decree (docs/operations/force-recover.md); nobody else is asked.
    before = voters;
    before_at = changed_at;
    voters = *entry.voters;
    changed_at = settled_at = entry.position;
    change.reset();
    unsettled.reset();
  } else if (entry.voters && !change) {
    before = voters;
    before_at = changed_at;
    changed_at = entry.position;
    unsettled = UnsettledChange{entry.position, entry.voters->without(voters)};
    if (is_committed) {
      voters = *entry.voters;
    } else {
      change = JointChange{entry.position, *entry.voters};
    }
  }
}

std::string Membership::describe() const {
  std::string text = "voters=" + voters.describe();
  if (change) {
    text += " change=" + change->at.describe() + " to " + change->voters.describe();
  } else if (unsettled) {
    text += " unsettled=" + unsettled->at.describe();
  }
  return text;
}

}  // namespace verity::consensus
