#include "engine/consensus/journal.h"

#include "io/base/assert.h"

#include <algorithm>

namespace verity::consensus {

std::string EntryInfo::describe() const {
  return position.describe() + "/" + view.describe() + " " + hash.describe().substr(0, 8) +
         (voters ? " voters=" + voters->describe() : "") + (settles ? " settled" : "");
}

Journal::Journal(JournalStart start)
    : base_(start.committed),
      base_hash_(start.committed_hash),
      base_membership_(start.membership),
      committed_(start.committed),
      durable_(start.committed) {
  derive_membership();
  for (EntryInfo& entry : start.tail) append(std::move(entry));
  durable_ = head();
}

std::optional<Sha256Digest> Journal::hash_at(Position position) const {
  if (position == base_) return base_hash_;
  if (position < base_ || position > head()) return std::nullopt;
  return at(position).hash;
}

const EntryInfo& Journal::at(Position position) const {
  VERITY_ASSERT(position > base_ && position <= head());
  return entries_[position.value - base_.value - 1];
}

std::vector<EntryInfo> Journal::range(Position first, Position last) const {
  std::vector<EntryInfo> some;
  first = std::max(first, base_.next());
  last = std::min(last, head());
  for (Position at_position = first; at_position <= last; at_position = at_position.next())
    some.push_back(at(at_position));
  return some;
}

bool Journal::continues(const EntryInfo& entry) const {
  return entry.position == head().next() && entry.parent == head_hash();
}

void Journal::append(EntryInfo entry) {
  VERITY_ASSERT(continues(entry));
  const bool changes_voters = entry.voters != nullptr || entry.settles;
  entries_.push_back(std::move(entry));
  if (changes_voters) derive_membership();
}

void Journal::cut(Position first) {
  VERITY_ASSERT(first > committed_);
  ++generation_;
  cutting_ = true;
  if (first > head()) return;
  entries_.resize(first.value - base_.value - 1);
  durable_ = std::min(durable_, head());
  derive_membership();
}

void Journal::made_durable(std::uint64_t generation, Position position) {
  if (generation != generation_) return;
  cutting_ = false;
  VERITY_ASSERT(position <= head());
  durable_ = std::max(durable_, position);
}

void Journal::commit(Position position) {
  VERITY_ASSERT(position >= committed_ && position <= head());
  while (committed_ < position) {
    committed_ = committed_.next();
    committed_bytes_ += at(committed_).bytes;
  }
  if (membership_.change && membership_.change->at <= committed_) derive_membership();
}

void Journal::forget_committed(std::size_t count, ByteCount bytes) {
  const auto is_too_much = [&] { return committed_.value - base_.value > count || committed_bytes_ > bytes; };
  while (base_ < committed_ && base_ < durable_ && is_too_much()) {
    EntryInfo& first = entries_.front();
    committed_bytes_ -= first.bytes;
    base_ = first.position;
    base_hash_ = first.hash;
    base_membership_.take(first, true);
    entries_.pop_front();
  }
}

void Journal::derive_membership() {
  ++membership_changes_;
  membership_ = base_membership_;
  for (const EntryInfo& entry : entries_) membership_.take(entry, entry.position <= committed_);
}

std::string Journal::describe() const {
  std::string text = "base=" + base_.describe() + " committed=" + committed_.describe() +
                     " durable=" + durable_.describe() + " head=" + head().describe() +
                     (cutting_ ? " cutting" : "") + " [";
  for (const EntryInfo& entry : entries_) {
    if (entry.position > committed_) text += (text.back() == '[' ? "" : ", ") + entry.describe();
  }
  return text + "]";
}

}  // namespace verity::consensus
