#include "engine/consensus/testing/canonical.h"

#include "io/base/assert.h"

#include <algorithm>

namespace verity::consensus::testing {

Renaming no_renaming() {
  Renaming names{};
  for (std::size_t id = 0; id < names.size(); ++id) names[id] = static_cast<std::uint8_t>(id);
  return names;
}

// ---- primitives

void Canonical::number(std::uint64_t value) {
  VERITY_ASSERT_NOTE(value < 256, "worlds are small");
  out_.push_back(static_cast<char>(value));
}

void Canonical::round(View view, std::uint64_t value) {
  if (value == 0) return number(0);  // "none yet" is a meaning of its own
  if (raw_) return number(value);
  const auto at = std::lower_bound(rounds_.begin(), rounds_.end(), std::pair(view, value));
  const auto first = std::lower_bound(rounds_.begin(), rounds_.end(), std::pair(view, std::uint64_t{0}));
  number(static_cast<std::uint64_t>(at - first) + 1);
}

// A model's hashes are drawn from 64 bits.
void Canonical::hash(const Sha256Digest& value) {
  out_.append(reinterpret_cast<const char*>(value.bytes.data()), 8);
}

std::uint8_t Canonical::name(const Member& value) const {
  const unsigned incarnation = value.incarnation.bytes[0] - 0xa0U;
  VERITY_ASSERT(value.id.value < names_.size() && incarnation < 8);
  return static_cast<std::uint8_t>(names_[value.id.value] + 8 * incarnation);
}

void Canonical::member(const Member& value) {
  number(name(value));
}

void Canonical::set(const MemberSet& value) {
  std::uint64_t bits = 0;
  for (const Member& some : value) bits |= std::uint64_t{1} << name(some);
  for (int shift = 0; shift < 64; shift += 8) out_.push_back(static_cast<char>(bits >> shift));
}

// What is told of members, in the order of their new names.
void Canonical::members(std::vector<std::pair<std::uint8_t, std::string>>& parts) {
  std::sort(parts.begin(), parts.end());
  number(parts.size());
  for (const auto& [key, bytes] : parts) {
    number(key);
    out_ += bytes;
  }
}

void Canonical::entry(const EntryInfo& value) {
  // The hash covers view and parent; voters are part of what was hashed.
  const auto& [position, view, digest, parent, bytes, voters, founds, settles, body] = value;
  number(position.value);
  hash(digest);
}

template <class Entries>
void Canonical::entries(const Entries& value) {
  number(value.size());
  for (const EntryInfo& some : value) entry(some);
}

void Canonical::range(const EntryRange& value) {
  const auto& [first, last, list] = value;
  number(first.value);
  number(last.value);
  entries(list);
}

template <class T, class Put>
void Canonical::optional(const std::optional<T>& value, Put put) {
  number(value ? 1 : 0);
  if (value) put(*value);
}

// ---- messages

void Canonical::content(const Prepare& m) {
  const auto& [view, committed, list] = m;
  number(committed.value);
  range(list);
}
void Canonical::content(const PrepareOk& m) {
  const auto& [view, durable, digest, head, answered, start] = m;
  number(durable.value);
  hash(digest);
  number(head.value);
  round(view, answered);
  number(start);
}
void Canonical::content(const Heartbeat& m) {
  const auto& [view, committed, head, asked, start] = m;
  number(committed.value);
  number(head.value);
  round(view, asked);
  number(start);
}
void Canonical::content(const Suspect& m) {
  [[maybe_unused]] const auto& [view] = m;
}
void Canonical::content(const Vote& m) {
  const auto& [view, candidate, log_view, committed, committed_hash, voters, tail, unknown_from] = m;
  member(candidate);
  number(log_view.value);
  number(committed.value);
  hash(committed_hash);
  set(voters);
  entries(tail);
  optional(unknown_from, [&](Position p) { number(p.value); });
}
void Canonical::content(const StartView& m) {
  const auto& [view, committed, committed_hash, tail] = m;
  number(committed.value);
  hash(committed_hash);
  entries(tail);
}
void Canonical::content(const AskStartView& m) {
  [[maybe_unused]] const auto& [view] = m;
}
void Canonical::content(const NewerView& m) {
  [[maybe_unused]] const auto& [view] = m;
}
void Canonical::content(const Fetch& m) {
  const auto& [view, first, last] = m;
  number(first.value);
  number(last.value);
}
void Canonical::content(const TakeOver& m) {
  [[maybe_unused]] const auto& [view] = m;
}
void Canonical::content(const Fetched& m) {
  const auto& [view, committed, list] = m;
  number(committed.value);
  range(list);
}

void Canonical::content(const AskLog& m) {
  const auto& [view, committed, committed_hash] = m;
  number(committed.value);
  hash(committed_hash);
}
void Canonical::content(const WholeLog& m) {
  const auto& [view, log_view, committed, committed_hash, tail] = m;
  number(log_view.value);
  number(committed.value);
  hash(committed_hash);
  entries(tail);
}
void Canonical::content(const Heard& m) {
  [[maybe_unused]] const auto& [view] = m;
}

void Canonical::envelope(const Envelope& value) {
  member(value.from);
  member(value.to);
  number(value.message.index());
  number(view_of(value.message).value);
  std::visit([&](const auto& m) { content(m); }, value.message);
}

// ---- a replica

void Canonical::promises(const Promises& value) {
  const auto& [view, primary, log_view, unknown_from] = value;
  number(view.value);
  optional(primary, [&](const Member& m) { member(m); });
  number(log_view.value);
  optional(unknown_from, [&](Position p) { number(p.value); });
}

void Canonical::journal(const Journal& value) {
  // The membership follows from the base's voters and the entries, and so do the bytes.
  const auto& [base, base_hash, base_membership, list, committed, durable, generation, cutting,
               committed_bytes, membership, membership_changes] = value;
  number(base.value);
  hash(base_hash);
  set(base_membership.voters);
  number(base_membership.unsettled ? base_membership.unsettled->at.value : 0);
  number(base_membership.settled_at.value);
  number(base_membership.changed_at.value);
  set(base_membership.before);
  entries(list);
  number(committed.value);
  number(durable.value);
  number(cutting ? 1 : 0);
}

void Canonical::replica(const Replica& value) {
  const auto& [options, log, status, promised, save_number, saved, leading, following, suspicion, electing,
               in_vain, filling, effects] =
      value;  // in_vain: how long timeouts last is for whoever lets time pass
  const View view = promised.view;
  number(static_cast<std::uint64_t>(status));
  promises(promised);
  number(options.start);
  number(save_number - saved);
  journal(log);
  const auto apart = [&](auto put) {  // what `put` writes, as a string of its own
    const std::size_t begin = out_.size();
    put();
    std::string bytes = out_.substr(begin);
    out_.resize(begin);
    return bytes;
  };

  const auto& [serve_from, newest_round, backups, heard, head_at_beat, gone, questions] = leading;
  if (status == Status::primary) {
    number(serve_from.value);
    round(view, newest_round);
    std::vector<std::pair<std::uint8_t, std::string>> parts;
    for (const auto& [backup, progress] : backups) {
      const auto& [acked, next, answered, sent_round, start, under_way, read_until, bulk_until, bulk_head,
                   bulk_since, bulk_window, bulk_doublings] = progress;
      parts.emplace_back(name(backup), apart([&] {
                           number(acked.value);
                           number(next.value);
                           round(view, answered);
                           round(view, sent_round);
                           number(start);
                           number(under_way.bytes());
                           number(under_way.bulk_batches());
                           number(read_until.value);
                           number(bulk_until.value);
                           number(bulk_head.value);
                           number(bulk_since);
                           number(bulk_window);
                           number(bulk_doublings);
                         }));
    }
    members(parts);
    set(heard);
    number(head_at_beat.value);
    set(gone);
    number(questions.size());
    for (const auto& [token, asked] : questions) {
      number(token);
      round(view, asked);
    }
  }
  if (status == Status::backup) {  // begun anew by whoever becomes one
    const auto& [heard_round, leader, owed] = following;
    round(view, heard_round);
    if (!promised.primary) optional(leader, [&](const Member& m) { member(m); });
    optional(owed, [&](Position p) { number(p.value); });
  }
  const auto& [own, others, strangers] = suspicion;
  number(own ? 1 : 0);
  set(others);
  set(strangers);
  {
    const auto& [votes, is_called_for] = electing;
    number(is_called_for ? 1 : 0);
    std::vector<std::pair<std::uint8_t, std::string>> parts;
    parts.reserve(votes.size());
    for (const auto& [voter, vote] : votes) {
      parts.emplace_back(name(voter), apart([&] {
                           number(vote.view.value);
                           content(vote);
                         }));
    }
    members(parts);
  }
  optional(filling, [&](const auto& some) {
    // No world lasts so long that it matters for how long nothing came.
    const auto& [source, target, committed, log_view, leads, adopts, got, common, fetching, waited, patience,
                 stalled, written, finishing] = some;
    member(source);
    number(target.view.value);
    content(target);
    number(committed.value);
    number(leads ? 1 : 0);
    entries(got);
    number(common.value);
    number(fetching ? 1 : 0);
    number(waited);
    number(patience);
    number(written ? 1 : 0);
    number(log_view.value);
    number(adopts ? 1 : 0);
    number(finishing ? 1 : 0);
  });
}

// ---- the cluster

void Canonical::begin(const ModelCluster& cluster) {
  out_.clear();
  rounds_.clear();
  for (const ModelCluster::Node& node : cluster.nodes_) {
    if (!node.replica) continue;
    const Replica& replica = *node.replica;
    const View view = replica.promises_.view;
    if (replica.status_ == Status::backup) rounds_.emplace_back(view, replica.following_.round);
    if (replica.status_ != Status::primary) continue;
    rounds_.emplace_back(view, replica.leading_.round);
    for (const auto& [backup, progress] : replica.leading_.backups) {
      rounds_.emplace_back(view, progress.round);
      rounds_.emplace_back(view, progress.sent_round);
    }
    for (const auto& question : replica.leading_.questions) rounds_.emplace_back(view, question.round);
  }
  for (const Envelope& envelope : cluster.messages_) {
    if (const auto* const ok = std::get_if<PrepareOk>(&envelope.message))
      rounds_.emplace_back(ok->view, ok->round);
    if (const auto* const beat = std::get_if<Heartbeat>(&envelope.message))
      rounds_.emplace_back(beat->view, beat->round);
  }
  std::erase_if(rounds_, [](const auto& some) { return some.second == 0; });
  std::sort(rounds_.begin(), rounds_.end());
  rounds_.erase(std::unique(rounds_.begin(), rounds_.end()), rounds_.end());
}

void Canonical::node_of(const ModelCluster& cluster, std::size_t index) {
  const auto& [self, replica_of, writes, promised, log, committed, damaged_starts, former, heard, patience] =
      cluster.nodes_[index];
  member(self);
  promises(promised);
  entries(log);
  number(committed.value);
  number(damaged_starts);
  optional(replica_of, [&](const Replica& some) { replica(some); });
  number(writes.size());
  for (const auto& write : writes) {
    number(write.index());
    if (const auto* const save = std::get_if<SavePromises>(&write)) {
      number(replica_of->save_number_ - save->number);
      promises(save->promises);
    } else if (const auto* const append = std::get_if<AppendLog>(&write)) {
      number(append->generation == replica_of->journal_.generation() ? 0 : 1);
      entries(append->entries);
    } else {
      const auto& replace = std::get<ReplaceLog>(write);
      number(replace.generation == replica_of->journal_.generation() ? 0 : 1);
      number(replace.first.value);
      entries(replace.entries);
    }
  }
}

const std::string& Canonical::node(const ModelCluster& cluster, NodeId id) {
  out_.clear();
  raw_ = true;
  node_of(cluster, id.value - 1);
  raw_ = false;
  return out_;
}

const std::string& Canonical::message(const Envelope& value) {
  out_.clear();
  envelope(value);
  return out_;
}

const std::string& Canonical::cluster(const ModelCluster& cluster) {
  begin(cluster);
  for (std::size_t name = 1; name <= cluster.nodes_.size(); ++name) {
    for (std::size_t index = 0; index < cluster.nodes_.size(); ++index) {
      if (names_[index + 1] == name) node_of(cluster, index);
    }
  }
  number(cluster.history_.size());
  for (const auto& [committed, view] : cluster.history_) {
    hash(committed.hash);
    number(view.value);
  }
  for (const auto& [question, position] : cluster.asked_) {  // of nodes that lead: those are not renamed
    number(question.first.value);
    number(question.second);
    number(position.value);
  }
  number(cluster.primaries_.size());
  for (const auto& [view, leader] : cluster.primaries_) {
    number(view.value);
    member(leader);
  }
  std::vector<std::string> parts;
  for (const Envelope& waiting : cluster.messages_) {
    const std::size_t start = out_.size();
    envelope(waiting);
    parts.push_back(out_.substr(start));
    out_.resize(start);
  }
  std::sort(parts.begin(), parts.end());
  for (const std::string& part : parts) {
    number(part.size());
    out_ += part;
  }
  return out_;
}

}  // namespace verity::consensus::testing
