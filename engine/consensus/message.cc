#include "engine/consensus/message.h"

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

struct Describe {
  std::string operator()(const Prepare& m) const {
    return " committed=" + m.committed.describe() + " " + m.range.describe();
  }
  std::string operator()(const PrepareOk& m) const {
    return " durable=" + m.durable.describe() + " " + short_hash(m.hash) + " head=" + m.head.describe() +
           " round=" + std::to_string(m.round);
  }
  std::string operator()(const Heartbeat& m) const {
    return " committed=" + m.committed.describe() + " head=" + m.head.describe() +
           " round=" + std::to_string(m.round);
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
  std::string operator()(const Fetched& m) const { return " " + m.range.describe(); }
};

}  // namespace

std::string EntryRange::describe() const {
  const bool whole = entries.size() == last.value + 1 - first.value;
  return whole ? list(entries) : "[" + first.describe() + ".." + last.describe() + "] " + list(entries);
}

View view_of(const Message& message) {
  return std::visit([](const auto& m) { return m.view; }, message);
}

std::string_view name_of(const Message& message) {
  static constexpr std::array<std::string_view, std::variant_size_v<Message>> names = {
      "prepare",    "prepare-ok",     "heartbeat",  "suspect", "vote",
      "start-view", "ask-start-view", "newer-view", "fetch",   "fetched"};
  return names[message.index()];
}

std::string describe(const Message& message) {
  return std::string(name_of(message)) + " view=" + view_of(message).describe() +
         std::visit(Describe{}, message);
}

}  // namespace verity::consensus
