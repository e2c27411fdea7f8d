#include "engine/node/activation.h"

#include "engine/log/body.h"
#include "engine/node/message_codec.h"

#include <algorithm>

namespace verity::node {
namespace {

using consensus::Member;

// What the entry activates; nothing: it is of another kind.
std::optional<std::uint32_t> release_in(const log::Entry& entry) {
  log::ReleaseBody body;
  if (entry.header().kind != log::EntryKind::release || !log::decode(entry.body(), body)) return std::nullopt;
  return body.release;
}

std::string describe(const Releases& known) {
  const std::string newest = std::to_string(known.newest);
  return known.oldest == known.newest ? "release " + newest
                                      : "the releases " + std::to_string(known.oldest) + " to " + newest;
}

const consensus::EntryRange* range_in(const consensus::Message& message) {
  if (const auto* const prepare = std::get_if<consensus::Prepare>(&message)) return &prepare->range;
  if (const auto* const fetched = std::get_if<consensus::Fetched>(&message)) return &fetched->range;
  return nullptr;
}

}  // namespace

Status check_release(const DurableState& state, const Releases& known) {
  const ActiveRelease& active = state.release;
  if (known.knows(active.number)) return {};
  const std::string number = std::to_string(active.number);
  if (active.number < known.oldest) {
    return fail(ErrorCode::unsupported, "the cluster '" + state.cluster_name + "' uses release " + number +
                                            ", and this program knows " + describe(known) +
                                            "; start a program that knows both first");
  }
  return fail(ErrorCode::unsupported,
              "entry " + active.at.describe() + " of the cluster '" + state.cluster_name +
                  "' activated release " + number + ", and this program knows " + describe(known) +
                  "; start a program that knows release " + number + ": there is no way back");
}

Status check_release(const log::Entry& entry, const Releases& known) {
  if (known.knows(std::max(entry.header().release, known.oldest))) return {};
  return fail(ErrorCode::unsupported, entry.describe() + " is of release " +
                                          std::to_string(entry.header().release) +
                                          ", and this program knows " + describe(known));
}

Activation::Activation(Parts parts)
    : parts_(std::move(parts)), active_(parts_.state.release), wanted_(active_) {}

// ---- the state

void Activation::want(std::uint32_t number, Position at) {
  if (number > wanted_.number) wanted_ = {number, at};
}

void Activation::committed(const log::Entry& entry) {
  if (const auto number = release_in(entry)) want(*number, entry.position());
}

// Whoever wrote such an entry knew the one before it that activates its release to be committed.
bool Activation::admits(const consensus::Message& message) {
  const consensus::EntryRange* const range = range_in(message);
  if (range == nullptr) return true;
  ActiveRelease activated = wanted_;
  const auto look_at = [&](const log::Entry& entry) {
    const auto number = release_in(entry);
    if (number && *number > activated.number) activated = {*number, entry.position()};
  };
  const auto is_late = [&](const consensus::EntryInfo& info) {
    return entry_of(info)->header().release > active_.number;
  };
  if (std::none_of(range->entries.begin(), range->entries.end(), is_late)) return true;
  const consensus::Journal& journal = parts_.replica.journal();
  for (Position at = journal.base().next(); at <= journal.head() && at < range->first; at = at.next())
    look_at(*entry_of(journal.at(at)));
  for (const consensus::EntryInfo& info : range->entries) {
    const log::Entry& entry = *entry_of(info);
    if (entry.header().release > wanted_.number && entry.header().release == activated.number)
      wanted_ = activated;
    look_at(entry);
  }
  return false;
}

void Activation::write_down() {
  parts_.state.release = wanted_;
}

bool Activation::saved() {
  if (parts_.state.release.number == active_.number) return false;
  active_ = parts_.state.release;
  return true;
}

// ---- the others

void Activation::connected(const Member& peer, const PeerRelease& release) {
  newest_.insert_or_assign(peer.id, std::pair(peer, release.newest));
  want(release.active.number, release.active.at);
}

std::optional<std::uint32_t> Activation::known_by(const Member& member) const {
  if (member == Member{parts_.state.node_id, parts_.state.incarnation}) return parts_.known.newest;
  const auto known = newest_.find(member.id);
  if (known == newest_.end() || known->second.first != member || !parts_.transport->is_connected(member))
    return std::nullopt;
  return known->second.second;
}

std::uint32_t Activation::common() const {
  std::uint32_t newest = parts_.known.newest;
  for (const Member& member : parts_.replica.journal().membership().everyone())
    newest = std::min(newest, known_by(member).value_or(active_.number));
  for (const auto& [id, peer] : newest_) newest = std::min(newest, known_by(peer.first).value_or(newest));
  return std::max(newest, active_.number);
}

std::string Activation::obstacle() const {
  if (common() > active_.number) return {};
  const auto why = [&](const Member& member) -> std::string {
    const auto newest = known_by(member);
    if (!newest) return "node " + member.id.describe() + " is not connected";
    if (*newest > active_.number) return {};
    return "node " + member.id.describe() + " knows no release after " + std::to_string(*newest);
  };
  std::uint32_t best = parts_.known.newest;
  for (const auto& [id, peer] : newest_) best = std::max(best, known_by(peer.first).value_or(0));
  if (best <= active_.number) return {};
  for (const Member& member : parts_.replica.journal().membership().everyone()) {
    if (std::string reason = why(member); !reason.empty()) return reason;
  }
  for (const auto& [id, peer] : newest_) {
    const bool is_here = known_by(peer.first).has_value();
    if (std::string reason = why(peer.first); is_here && !reason.empty()) return reason;
  }
  return {};
}

bool Activation::is_proposed() const {
  const consensus::Journal& journal = parts_.replica.journal();
  for (Position at = journal.committed().next(); at <= journal.head(); at = at.next()) {
    if (release_in(*entry_of(journal.at(at)))) return true;
  }
  return is_behind();
}

bool Activation::propose(std::uint32_t release) {
  if (is_proposed()) return true;
  Bytes body;
  log::encode(log::ReleaseBody{release}, body);
  return parts_.propose(log::EntryKind::release, body);
}

void Activation::tend(Instant now) {
  const bool decides =
      parts_.replica.is_primary() && parts_.replica.journal().committed() >= parts_.replica.serve_from();
  const std::uint32_t release = decides ? common() : active_.number;
  if (release != candidate_) since_ = now;
  candidate_ = release;
  if (release > active_.number && parts_.patience && now - since_ >= *parts_.patience) propose(release);
}

}  // namespace verity::node
