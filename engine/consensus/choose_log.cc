#include "engine/consensus/choose_log.h"

#include "io/base/probe.h"

#include <algorithm>
#include <tuple>

namespace verity::consensus {
namespace {

// As the chosen log says it, if everything up to `committed` is.
Membership membership_of(const Vote& vote, Position committed) {
  Membership membership{.voters = vote.voters, .change = {}, .unsettled = {}};
  for (const EntryInfo& entry : vote.tail) membership.take(entry, entry.position <= committed);
  return membership;
}

}  // namespace

std::variant<ChosenLog, NotYet> choose_log(const Member& candidate, const std::map<Member, Vote>& votes) {
  if (votes.empty()) return NotYet{"no votes"};
  const auto rank = [&](const auto& vote) {  // of equal logs, one's own needs no fetching
    return std::tuple(vote.second.log_view, vote.second.head(), vote.first == candidate);
  };
  auto best = std::max_element(votes.begin(), votes.end(),
                               [&](const auto& a, const auto& b) { return rank(a) < rank(b); });
  Position committed;
  for (const auto& [voter, vote] : votes) committed = std::max(committed, vote.committed);
  if (committed > best->second.head()) return NotYet{"the best log ends before what is committed"};

  const auto elects = [&](const Membership& membership) {
    MemberSet voters;
    for (const auto& [voter, vote] : votes) {
      if (membership.is_voter(voter)) voters.add(voter);
    }
    return membership.elects(voters);
  };
  Membership membership = membership_of(best->second, committed);
  if (!membership.is_voter(best->first)) {
    VERITY_PROBE("election: the best log is of a node that has left");
    // A node that has left has the best log. The change is committed, and nobody needs what it alone has: the best log of a
    // majority of those who vote now holds the rest.
    if (!elects(membership)) return NotYet{"no majority"};
    const auto rank_of_voter = [&](const auto& vote) {
      return std::pair(membership.is_voter(vote.first), rank(vote));
    };
    best = std::max_element(votes.begin(), votes.end(), [&](const auto& a, const auto& b) {
      return rank_of_voter(a) < rank_of_voter(b);
    });
    if (committed > best->second.head()) return NotYet{"the best log ends before what is committed"};
    membership = membership_of(best->second, committed);
    if (!membership.is_voter(best->first)) return NotYet{"the best log is of somebody without a vote in it"};
  }
  const Position head = best->second.head();
  if (!membership.is_voter(candidate)) return NotYet{"the candidate has no vote in the best log"};
  if (!elects(membership)) return NotYet{"no majority"};

  const bool may_have_lost = std::any_of(votes.begin(), votes.end(), [&](const auto& vote) {
    return vote.second.log_view == best->second.log_view && vote.second.unknown_from;
  });
  if (may_have_lost) {
    MemberSet never_had;
    for (const auto& [voter, vote] : votes) {
      if (vote.head() <= head && !vote.unknown_from && membership.is_voter(voter)) never_had.add(voter);
    }
    if (!membership.blocks(head.next(), never_had)) {
      VERITY_PROBE("election: it waits for who never had what may be lost");
      return NotYet{"somebody may have lost entries beyond the best log"};
    }
  }
  return ChosenLog{best->first, committed};
}

}  // namespace verity::consensus
