// Changes of the membership: a newcomer follows as a learner, one joint entry gives it a vote, and once that is committed and
// has arrived, a second entry settles it, so that whoever holds that one need not ask the old majority any more.
//
//   learner ──AskStartView..PrepareOk──► keeps up ──joint entry J──► votes ──J committed──► settled entry ──committed──► finished
//
// A learner whose primary is gone before J reached it gets J from any node whose log has it: the whole log, outside any view.
#include "engine/consensus/replica.h"

#include "io/base/assert.h"
#include "io/base/probe.h"

#include <algorithm>

namespace verity::consensus {
namespace {

constexpr std::uint64_t rounds_to_answer = 3;  // so many heartbeats may be on their way

}  // namespace

// ---- a primary

void Replica::admit(const Admit& input) {
  if (status_ != Status::primary || input.learner == options_.self) return;
  leading_.gone.remove(input.learner);
  leading_.backups.try_emplace(input.learner, Progress{.acked = {}, .next = journal_.head().next()});
}

void Replica::forget(const Forget& input) {
  if (status_ != Status::primary || input.member == options_.self) return;
  const Membership& membership = journal_.membership();
  if (membership.unsettled && membership.unsettled->newcomers.contains(input.member)) {
    VERITY_PROBE("members: a newcomer is gone before its change is settled");
    leading_.gone.add(input.member);
    return settle_change();
  }
  if (!membership.is_voter(input.member)) leading_.backups.erase(input.member);
}

std::string_view Replica::why_not_change(const MemberSet& voters) const {
  if (status_ != Status::primary) return "this node does not lead";
  const Membership& membership = journal_.membership();
  if (membership.unsettled) return "another change of the members is under way";
  if (journal_.committed() < leading_.serve_from) return "this node has just begun to lead";
  if (voters.size() % 2 == 0) return "the number of members has to be odd";
  if (voters == membership.voters) return "these are the members already";
  for (const Member& member : voters) {
    if (voters.find(member.id) != &member) return "two members cannot have one id";
    if (membership.voters.contains(member)) continue;
    const auto learner = leading_.backups.find(member);
    if (learner == leading_.backups.end()) return "a new member is not connected";
    // What came since the last heartbeat is on its way to it as to everybody.
    if (learner->second.acked < leading_.head_at_beat || leading_.round == 0)
      return "a new member is still catching up";
  }
  // Without them the change would never be committed, nor anything after it.
  return is_heard_lately_by_majority(voters) ? std::string_view()
                                             : "a majority of the new members does not answer";
}

bool Replica::is_heard_lately_by_majority(const MemberSet& voters) const {
  const auto answers = [&](const Member& member) {
    const auto backup = leading_.backups.find(member);
    if (backup == leading_.backups.end()) return member == options_.self;
    return backup->second.round != 0 && backup->second.round + rounds_to_answer >= leading_.round;
  };
  return static_cast<std::size_t>(std::count_if(voters.begin(), voters.end(), answers)) >= voters.majority();
}

// Whoever has the settled entry knows that the change is committed. It waits for the newcomers: until they hold the change, they
// cannot stand in for another that is lost.
void Replica::settle_change() {
  if (status_ != Status::primary) return;
  const Membership& membership = journal_.membership();
  if (!membership.unsettled || membership.change) return;
  for (const Member& newcomer : membership.unsettled->newcomers) {
    if (newcomer == options_.self || leading_.gone.contains(newcomer)) continue;
    const auto known = leading_.backups.find(newcomer);
    if (known == leading_.backups.end() || known->second.acked < membership.unsettled->at) return;
  }
  effects_.push_back(ProposeSettled{});
}

// ---- a learner

void Replica::ask_for_log(const Member& from) {
  if (filling_ || !is_saved()) return;
  const Position committed = journal_.committed();
  send(from, AskLog{promises_.view, committed, *journal_.hash_at(committed)});
}

void Replica::on(const Member& from, const AskLog& m) {
  learn_committed(m.committed, m.committed_hash);
  if (status_ == Status::primary) {
    // One that nobody answered is silent itself, and learners answer nothing else of what it says.
    if (leading_.backups.contains(from)) return hear(from);
    return ignore_message(from, m, "not from a backup of mine");
  }
  const bool holds = (status_ == Status::changing || status_ == Status::backup) && is_saved();
  if (!holds || !journal_.membership().is_voter(from)) return ignore_message(from, m, "no vote for it here");
  if (promises_.unknown_from) return ignore_message(from, m, "a log that may lack something");
  WholeLog log{.view = promises_.view,
               .log_view = promises_.log_view,
               .committed = journal_.committed(),
               .committed_hash = *journal_.hash_at(journal_.committed()),
               .tail = journal_.range(journal_.committed().next(), journal_.durable())};
  for (EntryInfo& entry : log.tail) entry.entry.reset();
  send(from, std::move(log));
}

void Replica::on(const Member& from, const WholeLog& m) {
  if (!is_learner() || status_ == Status::primary) return ignore_message(from, m, "has a vote already");
  if (filling_) return ignore_message(from, m, "being filled already");
  // The log of an earlier view may lack what is committed; of the same view, a shorter one may.
  const bool is_older =
      m.log_view < promises_.log_view || (m.log_view == promises_.log_view && m.head() < journal_.head());
  if (is_older) return ignore_message(from, m, "an older log");
  const StartView target{
      .view = m.view, .committed = m.committed, .committed_hash = m.committed_hash, .tail = m.tail};
  if (lacks_committed(target)) return ignore_message(from, m, "without what is committed");
  VERITY_PROBE("members: a learner takes a log outside any view");
  begin_filling(
      {.source = from, .target = target, .committed = m.committed, .log_view = m.log_view, .adopts = true});
}

// Whoever knows it and whatever became of him: with that hash everything up to there is the same here. A node that is being
// filled learns it from the log it gets.
void Replica::learn_committed(Position committed, const Sha256Digest& hash) {
  if (filling_ || committed > journal_.durable() || journal_.hash_at(committed) != hash) return;
  if (committed > journal_.committed()) VERITY_PROBE("members: a learner tells what is committed");
  commit(committed);
  if (status_ == Status::primary) advance_commit();
}

// ---- a member no longer

// Not before the change is settled: until then the others may need its vote, or what it knows.
void Replica::leave_if_removed() {
  const Membership& membership = journal_.membership();
  if (!is_learner() || membership.unsettled || !membership.before.contains(options_.self)) return;
  if (membership.settled_at <= membership.changed_at || membership.settled_at > journal_.committed()) return;
  if (status_ == Status::primary) stop_leading();
  VERITY_PROBE("members: a node learns that it is none any more");
  status_ = Status::removed;
  suspicion_ = {};
  electing_ = {};
  filling_.reset();
  effects_.push_back(Removed{membership.settled_at});
}

}  // namespace verity::consensus
