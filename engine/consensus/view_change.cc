// View change: a majority finds that nothing goes on, each names the candidate of the next view in a durable vote that
// carries its log, the candidate begins the view with the best of a majority's logs.
#include "engine/consensus/choose_log.h"
#include "engine/consensus/replica.h"
#include "io/base/probe.h"

#include <algorithm>

namespace verity::consensus {
namespace {

// Views that do not begin before patience grows: in a row that many candidates may be down.
constexpr std::uint32_t in_vain_at_once = 3;
constexpr std::uint32_t doublings_max = 3;

}  // namespace

// Does the log say something else than what is committed here?
bool Replica::contradicts(Position committed, const Sha256Digest& committed_hash,
                          const std::vector<EntryInfo>& tail) const {
  const Position at = journal_.committed();
  if (at < committed || at.value > committed.value + tail.size()) return false;
  const Sha256Digest& hash = at == committed ? committed_hash : tail[at.value - committed.value - 1].hash;
  return journal_.hash_at(at) != hash;
}

// Every later view begins with all that is committed.
bool Replica::lacks_committed(const StartView& log) const {
  return log.head() < journal_.committed() || contradicts(log.committed, log.committed_hash, log.tail);
}

bool Replica::is_primary_of_view(const Member& member) const {
  if (member.id != primary_id(promises_.view)) return false;
  return !promises_.primary || *promises_.primary == member;
}

void Replica::heard_primary() {
  suspicion_ = {};
  effects_.push_back(HeardPrimary{patience()});
}

std::uint32_t Replica::patience() const {
  return 1U << (std::clamp(in_vain_, in_vain_at_once, in_vain_at_once + doublings_max) - in_vain_at_once);
}

// ---- that a view is needed

void Replica::silence() {
  if (status_ == Status::removed) return;
  give_up_filling();
  if (is_learner() && status_ != Status::primary) return;
  // Alone, it hears itself.
  MemberSet itself;
  itself.add(options_.self);
  if (status_ == Status::primary && journal_.membership().elects(itself)) return heard_primary();
  suspicion_.own = true;
  suspect_aloud();
  raise_if_agreed();
}

void Replica::suspect_aloud() {
  if (!is_saved()) return;
  broadcast(Suspect{promises_.view});
  for (const Member& stranger : suspicion_.strangers) send(stranger, Suspect{promises_.view});
}

void Replica::on(const Member& from, const Suspect& m) {
  if (is_learner() && status_ != Status::primary) return ask_for_log(from);
  if (!journal_.membership().is_voter(from)) {
    VERITY_PROBE("election: a stranger suspects");
    // This node may be the one that has not heard of a change; told that it suspects as well, the other can go on.
    if (!suspicion_.strangers.add(from)) ignore_message(from, m, "not from a voter");
    return;
  }
  suspicion_.others.add(from);
  raise_if_agreed();
}

void Replica::raise_if_agreed() {
  if (!suspicion_.own) return;
  MemberSet suspects = suspicion_.others;
  suspects.add(options_.self);
  if (journal_.membership().elects(suspects))
    raise_view(next_view(promises_.view, journal_.membership().everyone()));
}

void Replica::raise_view(View view) {
  if (status_ == Status::primary) stop_leading();
  status_ = Status::changing;
  suspicion_ = {};
  electing_ = {};
  filling_.reset();
  Promises promises = promises_;
  promises.view = view;
  promises.primary = candidate_of(view);
  save(promises);
  effects_.push_back(LostPrimary{view});
  if (++in_vain_ > in_vain_at_once) VERITY_PROBE("election: patience grows");
  effects_.push_back(HeardPrimary{patience()});  // the election gets its time
}

// ---- votes

Vote Replica::own_vote() const {
  Vote vote{.view = promises_.view,
            .candidate = *promises_.primary,
            .log_view = promises_.log_view,
            .committed = journal_.committed(),
            .committed_hash = *journal_.hash_at(journal_.committed()),
            .voters = journal_.committed_voters(),
            .tail = journal_.range(journal_.committed().next(), journal_.durable()),
            .unknown_from = promises_.unknown_from};
  for (EntryInfo& entry : vote.tail) entry.entry.reset();
  return vote;
}

// Only whom one's own log knows as a voter can be voted for; after a change that is not committed, the new one. A learner
// names nobody.
std::optional<Member> Replica::candidate_of(View view) const {
  if (is_learner()) return std::nullopt;
  const Membership& membership = journal_.membership();
  const Member* candidate = membership.change ? membership.change->voters.find(primary_id(view)) : nullptr;
  if (candidate == nullptr) candidate = membership.voters.find(primary_id(view));
  return candidate == nullptr ? std::nullopt : std::optional(*candidate);
}

// Whatever the promises say, an empty log is that of no view.
bool Replica::holds_log_of_view() const {
  return promises_.log_view == promises_.view && journal_.head().value > 0;
}

void Replica::vote() {
  if (!promises_.primary || is_learner()) return;
  if (promises_.log_view == promises_.view) return;  // this view has had its beginning
  if (*promises_.primary == options_.self) {
    if (electing_.is_called_for) broadcast(NewerView{promises_.view});
    return try_choose();
  }
  send(*promises_.primary, own_vote());
}

void Replica::on(const Member& from, const Vote& m) {
  if (m.candidate != options_.self) return ignore_message(from, m, "a vote for somebody else");
  if (is_learner() && status_ != Status::primary) return ask_for_log(from);
  if (status_ == Status::primary) return send(from, start_view());
  if (status_ != Status::changing || promises_.primary != options_.self)
    return ignore_message(from, m, "not a candidate");
  if (promises_.log_view == promises_.view)
    return ignore_message(from, m, "a primary never leads its view again");
  // What follows may say something else: it was replaced, and the voter does not know it yet.
  if (contradicts(m.committed, m.committed_hash, {}))
    return ignore_message(from, m, "something else is committed");
  electing_.votes.insert_or_assign(from, m);
  try_choose();
}

void Replica::try_choose() {
  if (!is_saved()) return;  // one's own vote is a promise too
  electing_.votes.insert_or_assign(options_.self, own_vote());
  const auto choice = choose_log(options_.self, electing_.votes);
  const auto* const chosen = std::get_if<ChosenLog>(&choice);
  if (chosen == nullptr) return;
  const Vote& best = electing_.votes.at(chosen->owner);
  const StartView log{.view = promises_.view,
                      .committed = best.committed,
                      .committed_hash = best.committed_hash,
                      .tail = best.tail};
  if (lacks_committed(log)) return;  // nobody who keeps to the protocol has such a log
  begin_filling({.source = chosen->owner,
                 .target = log,
                 .committed = chosen->committed,
                 .log_view = promises_.view,
                 .leads = true});
}

// ---- that a view begins

StartView Replica::start_view() const {
  StartView start{.view = promises_.view,
                  .committed = journal_.committed(),
                  .committed_hash = *journal_.hash_at(journal_.committed()),
                  .tail = journal_.range(journal_.committed().next(), journal_.head())};
  for (EntryInfo& entry : start.tail) entry.entry.reset();
  return start;
}

void Replica::on(const Member& from, const AskStartView& m) {
  if (status_ != Status::primary) return ignore_message(from, m, "not the primary");
  if (leading_.backups.contains(from)) hear(from);
  send(from, start_view());
}

void Replica::on(const Member& from, const NewerView& m) {
  ignore_message(from, m, "of this very view");  // newer ones were learned before
}

void Replica::on(const Member& from, const StartView& m) {
  if (from.id != primary_id(m.view)) return ignore_message(from, m, "not from the primary");
  if (m.view == promises_.view) {
    if (promises_.primary && *promises_.primary != from)
      return ignore_message(from, m, "not from the primary");
    // Laid over the log a second time, it would take back what was acknowledged since.
    if (holds_log_of_view()) return ignore_message(from, m, "the view has begun already");
    if (filling_ && !filling_->adopts) return ignore_message(from, m, "being filled already");
  }
  if (lacks_committed(m)) return ignore_message(from, m, "without what is committed");
  if (status_ == Status::primary) {
    VERITY_PROBE("election: a leader learns from the next one that it is deposed");
    stop_leading();
  }
  suspicion_ = {};
  electing_ = {};
  Promises promises = promises_;
  promises.view = m.view;
  promises.primary = from;
  if (promises != promises_) save(promises);
  begin_filling({.source = from, .target = m, .committed = m.committed, .log_view = m.view});
  heard_primary();
}

}  // namespace verity::consensus
