// Which log a new view begins with, decided from votes. Pure.
#pragma once

#include "engine/consensus/membership.h"
#include "engine/consensus/message.h"

#include <map>
#include <string_view>
#include <variant>

namespace verity::consensus {

struct ChosenLog {
  Member owner;
  Position committed;  // the most that any vote knows; a lower bound
};
// More votes are needed; why.
struct NotYet {
  std::string_view reason;
};

// The best log by (log_view, head) of a quorum. What a quorum is, the best log itself says: with a change of the membership
// in it that is not known to be committed, majorities of both sets. Whoever may have lost entries beyond the best log keeps
// it from ending there until so many say "I never had one" that none can have been committed.
std::variant<ChosenLog, NotYet> choose_log(const Member& candidate, const std::map<Member, Vote>& votes);

}  // namespace verity::consensus
