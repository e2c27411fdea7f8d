#include "engine/consensus/message.h"

#include <algorithm>
#include <array>

namespace verity::consensus {
namespace {

std::string list(const std::vector<EntryInfo>& entries) {
  std::string text = "[";
  for (const EntryInfo& entry : entries) text += (text.size() > 1 ? ", " : "") + entry.describe();
  return text + "]";
}

std::string short_hash(const Sha256Digest& hash) {
  return hash.describe().substr(0, 8);
}

// Far beyond anything reached by counting; sums of two such do not overflow.
constexpr std::uint64_t number_max = std::uint64_t{1} << 62;

bool can_vote(const MemberSet& voters) {
  if (voters.empty()) return false;
  return std::all_of(voters.begin(), voters.end(), [&](const Member& member) {
    const bool once = voters.find(member.id) == &member;
    return once && member.id.value >= 1 && member.id.value <= node_ids_max;
  });
}

// Do the entries follow `position`, whose hash is given if it is known, and one another?
bool follow(Position position, const Sha256Digest* hash, const std::vector<EntryInfo>& entries) {
  for (const EntryInfo& entry : entries) {
    if (entry.position != position.next() || (hash != nullptr && entry.parent != *hash)) return false;
    if (entry.voters && !can_vote(*entry.voters)) return false;
    position = entry.position;
    hash = &entry.hash;
  }
  return true;
}

struct Check {
  std::string_view range(const EntryRange& range) const {
    if (range.first.value == 0 || range.last < range.first || range.last.value >= number_max)
      return "a range that is none";
    if (range.entries.size() > range.last.value - range.first.value + 1) return "more entries than it says";
    if (!follow(Position{range.first.value - 1}, nullptr, range.entries)) return "entries that do not follow";
    return {};
  }
  std::string_view log(Position committed, const Sha256Digest& hash,
                       const std::vector<EntryInfo>& tail) const {
    if (committed.value >= number_max) return "a position that nobody reached";
    return follow(committed, &hash, tail) ? std::string_view() : "entries that do not follow";
  }
  std::string_view operator()(const Prepare& m) const { return range(m.range); }
  std::string_view operator()(const Fetched& m) const { return range(m.range); }
  std::string_view operator()(const Vote& m) const {
    if (m.candidate.id != primary_id(m.view)) return "a candidate whose view it is not";
    if (m.log_view >= m.view) return "a log of a later view";
    if (m.committed.value != 0 && !can_vote(m.voters)) return "voters that are none";
    return log(m.committed, m.committed_hash, m.tail);
  }
  std::string_view operator()(const StartView& m) const { return log(m.committed, m.committed_hash, m.tail); }
  std::string_view operator()(const WholeLog& m) const {
    if (m.log_view > m.view) return "a log of a later view";
    return log(m.committed, m.committed_hash, m.tail);
  }
  template <class T>
  std::string_view operator()(const T&) const {
    return {};
  }
};

struct Describe {
  std::string operator()(const Prepare& m) const {
    return " committed=" + m.committed.describe() + " " + m.range.describe();
  }
  std::string operator()(const PrepareOk& m) const {
    return " durable=" + m.durable.describe() + " " + short_hash(m.hash) + " head=" + m.head.describe() +
           " round=" + std::to_string(m.round) + (m.start != 0 ? " start=" + std::to_string(m.start) : "");
  }
  std::string operator()(const Heartbeat& m) const {
    return " committed=" + m.committed.describe() + " head=" + m.head.describe() +
           " round=" + std::to_string(m.round) + (m.start != 0 ? " start=" + std::to_string(m.start) : "");
  }
  std::string operator()(const Suspect&) const { return ""; }
  std::string operator()(const Vote& m) const {
    return " for=" + m.candidate.describe() + " log_view=" + m.log_view.describe() +
           " committed=" + m.committed.describe() + " " + short_hash(m.committed_hash) +
           " voters=" + m.voters.describe() + " " + list(m.tail) +
           (m.unknown_from ? " unknown=" + m.unknown_from->describe() : "");
  }
  std::string operator()(const StartView& m) const {
    return " committed=" + m.committed.describe() + " " + short_hash(m.committed_hash) + " " + list(m.tail);
  }
  std::string operator()(const AskStartView&) const { return ""; }
  std::string operator()(const NewerView&) const { return ""; }
  std::string operator()(const Fetch& m) const {
    return " [" + m.first.describe() + ", " + m.last.describe() + "]";
  }
  std::string operator()(const Fetched& m) const {
    return " committed=" + m.committed.describe() + " " + m.range.describe();
  }
  std::string operator()(const TakeOver&) const { return ""; }
  std::string operator()(const AskLog& m) const {
    return " committed=" + m.committed.describe() + " " + short_hash(m.committed_hash);
  }
  std::string operator()(const WholeLog& m) const {
    return " log_view=" + m.log_view.describe() + " committed=" + m.committed.describe() + " " +
           short_hash(m.committed_hash) + " " + list(m.tail);
  }
  std::string operator()(const Heard&) const { return ""; }
};

}  // namespace

std::string EntryRange::describe() const {
  const bool whole = entries.size() == last.value + 1 - first.value;
  return whole ? list(entries) : "[" + first.describe() + ".." + last.describe() + "] " + list(entries);
}

View view_of(const Message& message) {
  return std::visit([](const auto& m) { return m.view; }, message);
}

std::string_view what_is_wrong(const Message& message) {
  if (view_of(message).value >= number_max) return "a view that nobody reached";
  return std::visit(Check{}, message);
}

std::string_view name_of(const Message& message) {
  static constexpr std::array<std::string_view, std::variant_size_v<Message>> names = {
      "prepare",    "prepare-ok", "heartbeat", "suspect",   "vote",    "start-view", "ask-start-view",
      "newer-view", "fetch",      "fetched",   "take-over", "ask-log", "whole-log",  "heard"};
  return names[message.index()];
}

std::string describe(const Message& message) {
  return std::string(name_of(message)) + " view=" + view_of(message).describe() +
         std::visit(Describe{}, message);
}

}  // namespace verity::consensus
