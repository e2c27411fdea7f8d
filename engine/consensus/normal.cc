// Normal operation: the primary of a view sends entries, backups make them durable and say so, a majority commits.
#include "engine/consensus/replica.h"

#include "io/base/assert.h"
#include "io/base/probe.h"

#include <algorithm>

namespace verity::consensus {
namespace {

constexpr std::uint64_t fetch_patience_max = 64;
constexpr std::uint64_t stalled_max = 8 * fetch_patience_max;
constexpr std::uint64_t bulk_doublings_max = 6;
constexpr std::uint64_t small_batches_max = 16;

}  // namespace

void Replica::lead() {
  status_ = Status::primary;
  in_vain_ = 0;
  electing_ = {};
  suspicion_ = {};
  leading_ = {.serve_from = journal_.head()};
  for (const Member& member : journal_.membership().everyone()) {
    if (member != options_.self) leading_.backups[member].next = journal_.head().next();
  }
  effects_.push_back(BecamePrimary{promises_.view, leading_.serve_from});
  heard_primary();
  broadcast(start_view());
  advance_commit();
}

void Replica::follow() {
  status_ = Status::backup;
  in_vain_ = 0;
  electing_ = {};
  suspicion_ = {};
  following_ = {};
  if (const auto leader = primary()) {
    effects_.push_back(BecameBackup{promises_.view, *leader});
    acknowledge();
  }
  heard_primary();
}

void Replica::stop_leading() {
  for (const Leading::Question& question : leading_.questions)
    effects_.push_back(Unconfirmed{question.token});
  leading_ = {};
}

// ---- the primary

void Replica::propose(const Propose& input) {
  VERITY_ASSERT_NOTE(status_ == Status::primary, "only a primary proposes");
  for (const EntryInfo& entry : input.entries) {
    VERITY_ASSERT_NOTE(!entry.voters || !journal_.membership().unsettled,
                       "one change of the membership at a time");
    journal_.append(entry);
    if (!entry.voters) continue;
    for (const Member& member : journal_.membership().everyone()) {
      if (member != options_.self)
        leading_.backups.try_emplace(member, Progress{.acked = {}, .next = entry.position});
    }
  }
  effects_.push_back(AppendLog{journal_.generation(), input.entries});
  replicate();
}

void Replica::replicate() {
  for (auto& [member, progress] : leading_.backups) replicate_to(member, progress);
}

bool Replica::may_send(const Progress& progress) const {
  if (progress.next > journal_.head() || progress.under_way.bulk_batches() >= progress.bulk_window)
    return false;
  if (progress.next <= journal_.base()) return true;
  // It would overtake what is read from the disk, and be dropped.
  if (progress.read_until > progress.acked) return false;
  return progress.next.value - std::min(progress.next, progress.acked.next()).value <
         options_.window_entries_max;
}

// What follows a batch in bulk goes with it, or would arrive before it.
bool Replica::goes_in_bulk(const Progress& progress, const SendWindow::Batch& batch) const {
  return progress.under_way.bulk_batches() > 0 || batch.bytes > options_.small_bytes_max ||
         progress.under_way.bytes() + batch.bytes > small_batches_max * options_.small_bytes_max;
}

void Replica::replicate_to(const Member& member, Progress& progress) {
  while (may_send(progress)) {
    EntryRange range = range_from(progress.next, journal_.head());
    SendWindow::Batch batch{.last = range.last};
    for (const EntryInfo& entry : range.entries) batch.bytes += entry.bytes;
    const bool is_read = range.entries.empty();
    batch.is_bulk = is_read || goes_in_bulk(progress, batch);
    progress.next = range.last.next();
    progress.under_way.sent(batch);
    if (is_read) progress.read_until = range.last;
    if (batch.is_bulk) {
      progress.bulk_until = range.last;
      progress.bulk_since = leading_.round;
    }
    progress.sent_round = leading_.round;
    send(member, Prepare{promises_.view, journal_.committed(), std::move(range)}, batch.is_bulk);
  }
}

void Replica::beat() {
  if (suspicion_.own) suspect_aloud();
  if (status_ == Status::changing && is_saved()) vote();
  if (filling_ && filling_->fetching) ++filling_->stalled;
  if (filling_ && filling_->fetching && ++filling_->waited >= filling_->patience) {
    // The question or its answer may be lost; or the link is slow, and answers to questions repeated would fill it.
    filling_->patience = std::min(2 * filling_->patience, fetch_patience_max);
    filling_->waited = 0;
    filling_->fetching = false;
    fill();
  }
  // A primary that a majority does not answer would keep those who hear it from electing another.
  if (status_ != Status::primary || suspicion_.own) return;
  ++leading_.round;
  leading_.head_at_beat = journal_.head();
  for (const auto& [member, progress] : leading_.backups) {
    send(member,
         Heartbeat{promises_.view, journal_.committed(), journal_.head(), leading_.round, progress.start});
  }
  settle_change();
}

// A backup has answered; a majority of them shows that this node can be heard.
void Replica::hear(const Member& backup) {
  if (!journal_.membership().is_voter(backup)) return;
  leading_.heard.add(backup);
  MemberSet heard = leading_.heard;
  heard.add(options_.self);
  if (!journal_.membership().elects(heard)) return;
  leading_.heard.clear();
  heard_primary();
}

// It has just begun to follow, or has heard a heartbeat that was sent after the entries, and does not have them. It may have
// lost what it acknowledged before it was started again. What is sent in bulk is overtaken by heartbeats.
bool Replica::has_to_rewind(Progress& progress, const PrepareOk& m) const {
  const bool is_lost = progress.bulk_until.value != 0 && has_lost_bulk(progress, m.head);
  if (progress.bulk_until > m.head) return is_lost;
  return (m.round == 0 || m.round > progress.sent_round) && m.head < progress.next;
}

// A link that is slower than patience lasts would be filled with the same again and again: so the window begins anew, and
// patience grows.
bool Replica::has_lost_bulk(Progress& progress, Position head) const {
  if (head != progress.bulk_head) {
    const bool arrived = head > progress.bulk_head && head <= progress.bulk_until;
    if (arrived) progress.bulk_window = std::min(progress.bulk_window + 1, options_.bulk_batches_max);
    progress.bulk_head = head;
    progress.bulk_since = leading_.round;
    return false;
  }
  if (head >= progress.bulk_until) return false;
  if (leading_.round - progress.bulk_since < options_.bulk_patience << progress.bulk_doublings) return false;
  VERITY_PROBE("catching up: bulk that takes too long counts as lost");
  progress.bulk_since = leading_.round;
  progress.bulk_window = 1;
  progress.bulk_doublings = std::min(progress.bulk_doublings + 1, bulk_doublings_max);
  return head < progress.next;
}

void Replica::on(const Member& from, const PrepareOk& m) {
  const auto known = leading_.backups.find(from);
  if (status_ != Status::primary || known == leading_.backups.end())
    return ignore_message(from, m, "not from a backup of mine");
  if (m.durable > journal_.head()) return ignore_message(from, m, "beyond the log");
  const std::optional<Sha256Digest> hash = journal_.hash_at(m.durable);
  if (hash && *hash != m.hash) return ignore_message(from, m, "another entry");
  Progress& progress = known->second;
  // Started again without what it may have acknowledged before: that counts no longer.
  if (m.start != 0 && m.start != progress.start) {
    VERITY_PROBE("unknown: what a backup acknowledged before counts no longer");
    progress.acked = m.durable;
  }
  progress.acked = std::max(progress.acked, m.durable);
  progress.next = std::max(progress.next, m.durable.next());
  progress.round = std::max(progress.round, m.round);
  progress.start = m.start;
  progress.under_way.acknowledged(progress.acked);
  if (has_to_rewind(progress, m)) {
    progress.next = m.head.next();
    progress.read_until = std::min(progress.read_until, m.head);
    progress.bulk_until = std::min(progress.bulk_until, m.head);
    progress.under_way.lost_after(m.head);
  }
  hear(from);
  advance_commit();
  if (status_ != Status::primary) return;
  replicate_to(from, progress);
  answer_questions();
  settle_change();
}

// Member by member up to the change of the membership, if there is one, then the change, then the rest.
void Replica::advance_commit() {
  while (true) {
    Position limit = journal_.head();
    if (const auto& change = journal_.membership().change) {
      const Position before{change->at.value - 1};
      limit = journal_.committed() < before ? before : change->at;
    }
    const auto holders = [&](Position position) {
      MemberSet members;
      if (journal_.durable() >= position) members.add(options_.self);
      for (const auto& [member, progress] : leading_.backups) {
        if (progress.acked >= position && journal_.membership().is_voter(member)) members.add(member);
      }
      return members;
    };
    Position best = journal_.committed();
    const auto consider = [&](Position acked) {
      const Position position = std::min(acked, limit);
      if (position > best && journal_.membership().commits(position, holders(position))) best = position;
    };
    consider(journal_.durable());
    for (const auto& [member, progress] : leading_.backups) consider(progress.acked);
    if (best == journal_.committed()) return;
    commit(best);
    if (status_ != Status::primary) return;
    answer_questions();
    settle_change();
  }
}

void Replica::commit(Position position) {
  if (position <= journal_.committed()) return;
  journal_.commit(position);
  effects_.push_back(Committed{position});
  journal_.forget_committed(options_.keep_committed, options_.keep_committed_bytes);
  leave_if_removed();
}

void Replica::confirm(const Confirm& input) {
  // One that is silent begins no round that could answer.
  if (status_ != Status::primary || suspicion_.own) {
    effects_.push_back(Unconfirmed{input.token});
    return;
  }
  // What was answered before the question counts for nothing, so a round that has begun is none for it: while one is under
  // way, questions gather for the next.
  const bool is_alone = leading_.questions.empty();
  if (is_alone) beat();
  leading_.questions.push_back({input.token, leading_.round + (is_alone ? 0 : 1)});
  answer_questions();
}

void Replica::answer_questions() {
  while (!leading_.questions.empty() && journal_.committed() >= leading_.serve_from) {
    const Leading::Question question = leading_.questions.front();
    if (question.round > leading_.round) beat();  // for all that have gathered
    MemberSet agree;
    agree.add(options_.self);
    for (const auto& [member, progress] : leading_.backups) {
      if (progress.round >= question.round && journal_.membership().is_voter(member)) agree.add(member);
    }
    if (!journal_.membership().elects(agree)) return;
    effects_.push_back(Confirmed{question.token});
    leading_.questions.pop_front();
  }
}

// ---- a backup

void Replica::on(const Member& from, const Prepare& m) {
  if (!is_primary_of_view(from)) return ignore_message(from, m, "not from the primary");
  if (status_ == Status::changing) return send(from, AskStartView{m.view});
  if (status_ != Status::backup) return ignore_message(from, m, "the log of the view is not here yet");
  following_.leader = from;
  std::vector<EntryInfo> fresh;
  for (const EntryInfo& entry : m.range.entries) {
    if (entry.position <= journal_.head()) {
      const std::optional<Sha256Digest> held = journal_.hash_at(entry.position);
      if (held && *held != entry.hash) return ignore_message(from, m, "another entry than the one before");
      continue;
    }
    if (!journal_.continues(entry)) break;  // something is missing; the next heartbeat tells the primary
    journal_.append(entry);
    fresh.push_back(entry);
  }
  heard_primary();
  if (!fresh.empty()) effects_.push_back(AppendLog{journal_.generation(), std::move(fresh)});
  commit(std::min(m.committed, journal_.head()));
}

void Replica::on(const Member& from, const Heartbeat& m) {
  // This node has named a disk of that id that is gone, and may name no other in this view: only a later one has room for it.
  // Nothing rests on why a view is raised.
  if (status_ == Status::changing && from.id == primary_id(m.view) && !is_primary_of_view(from)) {
    VERITY_PROBE("election: a node stands aside, having named a disk that is gone");
    return raise_view(next_view(promises_.view, journal_.membership().everyone()));
  }
  if (!is_primary_of_view(from)) return ignore_message(from, m, "not from the primary");
  // It has whatever a learner may need. Whoever else was asked may be silent, and a node that hears its primary gives up nothing.
  if (filling_ && filling_->adopts) give_up_filling();
  if (status_ == Status::changing) return send(from, AskStartView{m.view});
  if (status_ != Status::backup) {
    // On a slow link its log takes longer to arrive than a primary waits for a sign. But one that cannot give it does not lead.
    if (filling_ && filling_->stalled >= stalled_max) return ignore_message(from, m, "its log does not come");
    heard_primary();
    if (is_saved()) send(from, Heard{m.view});
    return;
  }
  heard_primary();
  following_.leader = from;
  following_.round = std::max(following_.round, m.round);
  // One that was under way before this start may say less than this node acknowledged then.
  const bool is_answer = m.start == options_.start;
  if (promises_.unknown_from && is_answer && !following_.owed) following_.owed = m.head;
  commit(std::min(m.committed, journal_.head()));
  acknowledge();
  settle_unknown();
}

void Replica::acknowledge() {
  const std::optional<Member> leader = primary();
  if (!leader || !is_saved()) return;
  const Position durable = journal_.durable();
  const std::optional<Sha256Digest> hash = journal_.hash_at(durable);
  if (!hash) return;
  const std::uint64_t start = promises_.unknown_from ? options_.start : 0;
  send(*leader, PrepareOk{promises_.view, durable, *hash, journal_.head(), following_.round, start});
}

// What this node may have acknowledged before its log was damaged, the primary of the same view has; with all that the
// primary had when it answered this start, nothing is missing.
void Replica::settle_unknown() {
  if (!promises_.unknown_from || !following_.owed || journal_.durable() < *following_.owed) return;
  VERITY_PROBE("unknown: an answer to this start settles it");
  Promises promises = promises_;
  promises.unknown_from.reset();
  save(promises);
}

}  // namespace verity::consensus
