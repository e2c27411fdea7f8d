// Filling: a node makes its log that of a view. What both logs have in common is not touched; the rest is fetched from the
// log's owner and takes the place of what was there, durably, before the node says that it holds the log of the view.
#include "engine/consensus/replica.h"

#include "io/base/assert.h"
#include "io/base/probe.h"

#include <algorithm>

namespace verity::consensus {
namespace {

std::optional<Sha256Digest> hash_at(const StartView& target, Position position) {
  if (position == target.committed) return target.committed_hash;
  if (position < target.committed || position > target.head()) return std::nullopt;
  return target.tail[position.value - target.committed.value - 1].hash;
}

// The last position up to which `journal` is the target, as far as can be told without fetching.
Position common_end(const Journal& journal, const StartView& target) {
  Position last = journal.committed();  // committed is committed everywhere
  const Position first_known = std::max(target.committed, journal.base());
  if (journal.hash_at(first_known) != hash_at(target, first_known)) return last;
  last = std::max(last, first_known);
  while (last < std::min(journal.head(), target.head()) &&
         journal.hash_at(last.next()) == hash_at(target, last.next()))
    last = last.next();
  return last;
}

}  // namespace

void Replica::begin_filling(Filling filling) {
  status_ = Status::filling;
  filling_ = std::move(filling);
  filling_->common = common_end(journal_, filling_->target);
  commit(std::min(filling_->committed, filling_->common));  // stays true if the rest never comes
  fill();
}

void Replica::replace(Position first, std::deque<EntryInfo> entries) {
  const std::vector<EntryInfo> list(entries.begin(), entries.end());
  const bool appends = first > journal_.head();
  if (!appends) journal_.cut(first);
  for (const EntryInfo& entry : list) journal_.append(entry);
  if (appends && list.empty()) return;
  if (appends) {
    effects_.push_back(AppendLog{journal_.generation(), list});
  } else {
    VERITY_PROBE("filling: a suffix of the log is replaced");
    effects_.push_back(ReplaceLog{journal_.generation(), first, list});
  }
}

// Goes on: fetches what is missing, then writes it.
void Replica::fill() {
  if (!filling_) return;  // what was committed on the way removed this node
  Filling& filling = *filling_;
  if (!is_saved() || filling.fetching || filling.written) return finish_filling();
  const Position have{filling.common.value + filling.got.size()};
  const Position head = filling.target.head();
  if (have < head) {
    filling.fetching = true;
    return send(filling.source, Fetch{promises_.view, have.next(),
                                      std::min(head, Position{have.value + options_.batch_entries_max})});
  }
  filling.written = true;
  if (!filling.got.empty() || journal_.head() > head) replace(filling.common.next(), std::move(filling.got));
  filling.got.clear();
  finish_filling();
}

void Replica::on(const Member& from, const Fetch& m) {
  const bool frozen = status_ == Status::changing && is_saved();  // as it was voted for
  const bool holds = (status_ == Status::primary || status_ == Status::backup) && is_saved();
  const Position end = frozen ? std::max(journal_.durable(), journal_.committed()) : journal_.head();
  if ((!frozen && !holds) || m.first.value == 0 || m.first > m.last || m.first > end)
    return ignore_message(from, m, "not here");
  if (status_ == Status::primary && leading_.backups.contains(from)) hear(from);
  send(from, Fetched{promises_.view, journal_.committed(), range_from(m.first, std::min(m.last, end))}, true);
}

void Replica::on(const Member& from, const Fetched& m) {
  if (status_ != Status::filling || !filling_ || !filling_->fetching)
    return ignore_message(from, m, "nobody asked");
  Filling& filling = *filling_;
  // On a slow link answers come in later views than the questions; most of what they bring is the same in all.
  const bool is_answer = filling.source == from && m.view == promises_.view;
  if (!is_answer) VERITY_PROBE("filling: what was asked for in an earlier view arrives");
  const StartView& target = filling.target;
  bool grew = false;
  for (const EntryInfo& entry : m.range.entries) {
    const Position have{filling.common.value + filling.got.size()};
    if (entry.position <= have) continue;
    const std::optional<Sha256Digest> wanted = hash_at(target, entry.position);
    if (!is_answer && !wanted && entry.position > m.committed) break;
    if (entry.position > target.head() || (wanted && *wanted != entry.hash))
      return ignore_message(from, m, "not the log of the view");
    if (filling.got.empty() && journal_.hash_at(entry.position) == entry.hash) {
      filling.common =
          entry.position;  // never rewritten: until the rest is durable, this node vouches for it
      grew = true;
      continue;
    }
    const Sha256Digest parent =
        filling.got.empty() ? *journal_.hash_at(filling.common) : filling.got.back().hash;
    if (entry.position != have.next() || entry.parent != parent)
      return ignore_message(from, m, "not the log of the view");
    filling.got.push_back(entry);
    grew = true;
  }
  if (!grew) return ignore_message(from, m, "nothing new");
  filling.fetching = false;
  filling.waited = 0;
  filling.stalled = 0;
  heard_primary();
  take_committed();
  fill();
}

void Replica::on(const Member& from, const Heard& m) {
  if (status_ != Status::primary || !leading_.backups.contains(from))
    return ignore_message(from, m, "not from a backup of mine");
  hear(from);
}

// What is committed need not wait for the rest: memory stays bounded however far behind the node is.
void Replica::take_committed() {
  Filling& filling = *filling_;
  if (filling.got.empty() || filling.got.size() < options_.batch_entries_max ||
      filling.got.back().position > filling.target.committed)
    return;
  VERITY_PROBE("filling: what is committed does not wait for the rest");
  const Position first = filling.common.next();
  filling.common = filling.got.back().position;
  replace(first, std::move(filling.got));
  filling.got.clear();
  commit(filling.common);
}

// Whoever it comes from is silent; another may have the log as well, and others may need this one. What was written is
// finished.
void Replica::give_up_filling() {
  if (!filling_ || filling_->written) return;
  VERITY_PROBE("filling: a silent source is given up");
  filling_.reset();
  ++in_vain_;
  electing_.votes.clear();  // who is still there votes again
  status_ = Status::changing;
  effects_.push_back(LostPrimary{promises_.view});
  if (holds_log_of_view()) follow();
}

void Replica::finish_filling() {
  if (!filling_ || !filling_->written || !is_saved()) return;
  const StartView& target = filling_->target;
  VERITY_ASSERT(journal_.head() == target.head() && journal_.head_hash() == target.head_hash());
  commit(std::min(filling_->committed, journal_.head()));
  if (status_ != Status::filling) return;
  if (journal_.is_cutting()) return;  // what was cut off must not come back as the log of this view
  if (journal_.durable() < target.head() || filling_->finishing) return;
  filling_->finishing = true;
  Promises promises = promises_;
  promises.log_view = filling_->log_view;
  if (filling_->log_view > promises_.log_view) {
    if (promises.unknown_from) VERITY_PROBE("unknown: a later view settles it");
    promises.unknown_from.reset();  // what a later view did not begin with was never committed
  } else if (promises.unknown_from) {
    VERITY_PROBE("unknown: it stays so in a view that was held before");
    // The log of a view that it held before, as it was then: of what came since it may have acknowledged some.
    promises.unknown_from = std::max(*promises.unknown_from, target.head().next());
  }
  if (!promises.primary && promises.log_view < promises.view) promises.primary = candidate_of(promises.view);
  save(promises);
}

}  // namespace verity::consensus
