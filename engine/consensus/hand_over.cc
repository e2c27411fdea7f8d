// Hand-over: a primary that is to leave asks a backup that has everything to begin a view of its own. That view begins as any
// other does, with the votes of a majority, so nothing rests on the question: it may be lost, repeated, or answered long
// after its sender has given up.
#include "engine/consensus/replica.h"

#include "io/base/probe.h"

namespace verity::consensus {

void Replica::hand_over(const HandOver& input) {
  if (status_ != Status::primary || journal_.committed() < journal_.head()) return;
  for (const auto& [member, progress] : leading_.backups) {
    const bool has_everything = progress.acked >= journal_.head();
    if (member.id == input.to && has_everything && journal_.membership().is_voter(member))
      send(member, TakeOver{promises_.view});
  }
}

void Replica::on(const Member& from, const TakeOver& m) {
  if (!is_primary_of_view(from)) return ignore_message(from, m, "not from the primary");
  if (status_ != Status::backup || !is_saved())
    return ignore_message(from, m, "the log of the view is not here yet");
  if (!journal_.membership().is_voter(options_.self)) return ignore_message(from, m, "without a vote");
  VERITY_PROBE("hand-over: a backup takes over");
  MemberSet self;
  self.add(options_.self);
  raise_view(next_view(promises_.view, self));
  electing_.is_called_for = true;
}

}  // namespace verity::consensus
