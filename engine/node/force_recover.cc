#include "engine/node/force_recover.h"

#include "engine/log/body.h"
#include "engine/log/verify.h"
#include "engine/node/forwarding_codec.h"
#include "engine/node/found_cluster.h"
#include "engine/node/members.h"
#include "engine/node/release.h"
#include "io/clock.h"
#include "io/directory.h"
#include "io/fiber/wait.h"
#include "io/file.h"
#include "io/logger.h"
#include "io/random.h"
#include "io/world.h"

#include <algorithm>
#include <set>

namespace verity::node {
namespace {

constexpr std::string_view log_target = "verity_node";
constexpr std::string_view report_name = "force-recover.txt";
constexpr Duration look_interval = 20ms;

// Notes who is there and what they say; says nothing itself.
class Listener final : public PeerReceiver {
 public:
  explicit Listener(const consensus::MemberSet& members) : members_(members) {}

  // Nothing is to be decided over their heads.
  const std::optional<PeerRefusal>& last_word() const { return last_word_; }

  void on_peer_connected(const consensus::Member& peer, const PeerRelease& /*release*/,
                         const Boot& /*boot*/) override {
    if (members_.contains(peer)) survey.answered.add(peer);
  }
  void on_peer_message(const consensus::Member& from, std::uint16_t type, ByteView payload) override {
    if (type != report_type) return;
    const Result<NodeReport> report = decode_report(payload);
    if (!report) return;
    // A member on a disk that this node has not heard of.
    if (!members_.contains(from) && (report->state == "leader" || report->state == "follower"))
      is_alive(from.id);
    if (!members_.contains(from)) return;
    if (report->applied_index > survey.applied) {
      survey.applied = report->applied_index;
      survey.applied_hash = report->applied_hash;
    }
    if (report->commit_index > survey.heard) {
      survey.heard = report->commit_index;
      survey.heard_from = from.id;
    }
  }
  void on_peer_refused(const PeerRefusal& refusal) override {
    // Of a connection that is one too many; the other one counts.
    if (refusal.why == PeerRefusal::Why::stranger || refusal.why == PeerRefusal::Why::duplicate) return;
    is_alive(refusal.peer);
    if (refusal.why != PeerRefusal::Why::other && !last_word_) last_word_ = refusal;
  }

  Survey survey;

 private:
  void is_alive(NodeId id) {
    for (const consensus::Member& member : members_) {
      if (member.id == id) survey.answered.add(member);
    }
  }

  const consensus::MemberSet members_;
  std::optional<PeerRefusal> last_word_;
};

// While a change is not finished, both sets count.
std::vector<consensus::MemberSet> electorates(const DurableState& state) {
  std::vector<consensus::MemberSet> all{members_of(state)};
  if (state.members.at.value != 0 && state.members.settled_at.value == 0) all.push_back(state.members.before);
  return all;
}

std::string names(const consensus::MemberSet& members) {
  std::string text;
  for (const consensus::Member& member : members) text += (text.empty() ? "" : ", ") + member.id.describe();
  return text;
}

// Without a vote this node may hold a part of the log only.
Status check_no_voter(const consensus::MemberSet& answered) {
  if (answered.empty()) return {};
  return fail(
      ErrorCode::unsupported,
      "--force-recover is refused: this node has no vote in its cluster and may hold a part of the log only; "
      "of those that have one these are alive: " +
          names(answered) + ". Choose one of them");
}

Status check_no_majority(const DurableState& state, const consensus::MemberSet& answered) {
  consensus::MemberSet alive = answered;
  alive.add({state.node_id, state.incarnation});
  for (const consensus::MemberSet& voters : electorates(state)) {
    if (voters.count_in(alive) < voters.majority()) continue;
    return fail(ErrorCode::unsupported,
                "--force-recover is refused: of the members " + names(voters) + " a majority is alive (" +
                    names(alive) +
                    ", this node included), so nothing is lost. Start this node without it; the members "
                    "that are gone come back with empty data directories");
  }
  return {};
}

// What it has promised to a majority, or whether there is one without it, it does not know: any member can tell better.
Status check_nobody_belongs(const PeerTransport& transport) {
  for (const PeerStatus& peer : transport.peers()) {
    if (!peer.connected || !peer.is_in_cluster) continue;
    return fail(
        ErrorCode::unsupported,
        "--force-recover is refused: this node has forgotten what it promised, and node " +
            peer.id.describe() +
            " belongs to the cluster still. Start this node without it: it comes back by itself. If no "
            "majority is left, start node " +
            peer.id.describe() + " with it; if that has no vote, stop it first");
  }
  return {};
}

// Whoever is not asked cannot say that it is alive. Which address is whose is known of those only who answer.
Status check_addresses(const DurableState& state, const consensus::MemberSet& members,
                       const PeerTransport& transport) {
  std::set<NodeId> others;
  for (const consensus::Member& member : members) {
    if (member.id != state.node_id) others.insert(member.id);
  }
  const std::vector<PeerStatus> places = transport.peers();
  const auto asked = static_cast<std::size_t>(
      std::ranges::count_if(places, [&](const PeerStatus& place) { return place.id != state.node_id; }));
  if (asked >= others.size()) return {};
  return fail(ErrorCode::invalid_argument,
              "--force-recover is refused: name the addresses of all " + std::to_string(others.size()) +
                  " other members (" + names(members) +
                  ", without this node) in cluster_peers, so that they are asked first; known are " +
                  std::to_string(asked));
}

void note_silence(const io::World& world, const PeerTransport& transport) {
  for (const PeerStatus& place : transport.peers()) {
    if (place.connected) continue;
    world.logger.log(io::LogLevel::warn, log_target, "--force-recover: nobody to talk to there",
                     {{"address", place.address}, {"problem", place.problem}});
  }
}

// Who says such a thing belongs to a cluster that lives, or may.
Status check_is_current(const std::optional<PeerRefusal>& refusal) {
  if (!refusal) return {};
  const auto refuse = [&](std::string_view what_to_do) {
    return fail(ErrorCode::unsupported, "--force-recover is refused: node " + refusal->peer.describe() +
                                            " is alive and does not know this one: " + refusal->sentence +
                                            ". " + std::string(what_to_do));
  };
  switch (refusal->why) {
    case PeerRefusal::Why::outdated:
      return refuse(
          "Start this node without the flag: it comes back as another member, with what its log holds");
    case PeerRefusal::Why::taken:
      return refuse("Stop the other process, or set this data directory aside");
    case PeerRefusal::Why::other_epoch:
      return refuse("One of the two belongs to an epoch that is over: set its data directory aside");
    case PeerRefusal::Why::stranger:
    case PeerRefusal::Why::duplicate:
    case PeerRefusal::Why::other:
      break;
  }
  return {};
}

// One that has forgotten is another member than its log knows, under the same id.
bool has_vote(const DurableState& state, bool has_forgotten) {
  return std::ranges::any_of(electorates(state), [&](const consensus::MemberSet& voters) {
    return has_forgotten ? voters.has_id(state.node_id) : voters.contains({state.node_id, state.incarnation});
  });
}

Status check_can_ask(const NodeOptions& options, const DurableState& state, const PeerTransport* transport,
                     bool has_forgotten) {
  const auto refuse = [](std::string why) {
    return fail(ErrorCode::invalid_argument, "--force-recover is refused: " + std::move(why));
  };
  if (options.read_only) return refuse("with --read-only nothing is changed");
  if (!state.is_member) return refuse("this data directory is that of no member of a cluster");
  if (const Status current = check_not_removed(state); !current) return refuse(current.error().message);
  if (members_of(state).size() == 1 && !has_forgotten)
    return refuse("this node is the only member of its cluster; start it without");
  if (transport == nullptr)
    return refuse(
        "this server does not reach other nodes; cluster_address is no loopback address, and "
        "allow_insecure is not set");
  return {};
}

Status check_damage(const std::vector<log::Damage>& damage) {
  if (damage.empty()) return {};
  return fail(ErrorCode::corrupt,
              "--force-recover is refused: entries are damaged here: " + damage.front().describe() +
                  ". Choose another member that is left, or restore a backup");
}

// Is what this node holds beyond what it knew to be committed what others know to be?
void compare(const log::Recovered& recovered, const Survey& survey, Refounding& refounding) {
  if (survey.applied <= recovered.committed || survey.applied > recovered.last) return;
  const auto index = survey.applied.value - recovered.committed.value - 1;
  if (recovered.tail.at(index)->hash() == survey.applied_hash) {
    refounding.confirmed = survey.applied;
  } else {
    refounding.contradicted = true;
  }
}

}  // namespace

Result<Survey> ask_members(io::Wait& wait, const io::World& world, const NodeOptions& options,
                           io::Directory& meta, DurableState& state, PeerTransport* transport,
                           const std::optional<LogSays>& remembered) {
  VERITY_TRY(check_can_ask(options, state, transport, remembered.has_value()));
  consensus::MemberSet all;
  for (const consensus::MemberSet& voters : electorates(state)) {
    for (const consensus::Member& member : voters) all.add(member);
  }
  world.logger.log(io::LogLevel::warn, log_target, "--force-recover: asking the other members first",
                   {{"members", names(all)},
                    {"seconds", static_cast<std::uint64_t>(options.tuning.recover_hearing / 1s)}});
  const bool votes = has_vote(state, remembered.has_value());
  Listener listener(all);
  if (remembered) listener.survey.release = remembered->release;
  reach_members(state.members, state.node_id, *transport);
  transport->set_receiver(&listener);  // first: no word may be missed
  VERITY_TRY(
      transport->start(wait, [&state, known = options.releases] { return identity_of(state, known); }));
  const Instant end = wait.now() + options.tuning.recover_hearing;
  Status status = check_addresses(state, all, *transport);
  while (status && wait.now() < end) {
    status = wait.sleep(look_interval);
    if (status) status = check_is_current(listener.last_word());
    if (status && remembered) status = check_nobody_belongs(*transport);
    if (status && !votes) status = check_no_voter(listener.survey.answered);
    if (status) status = check_no_majority(state, listener.survey.answered);
  }
  if (status) note_silence(world, *transport);
  io::Wait patient(wait.loop());
  transport->stop(patient);  // whoever connects again hears of the new epoch
  const auto& word = listener.last_word();
  if (word && word->why == PeerRefusal::Why::outdated) {
    state.outdated = true;  // or it would count its starts until nobody refuses it any more
    VERITY_TRY(save_state(patient, meta, state));
  }
  if (!status) return std::unexpected(status.error());
  return listener.survey;
}

Status found_anew(io::Wait& wait, const io::World& world, io::Directory& meta, io::Directory& log_directory,
                  DurableState& state, const log::Recovered& recovered, const Survey& survey) {
  VERITY_TRY(check_damage(recovered.damage));
  // A start reads the end only; there will be nobody to repair the rest.
  world.logger.log(io::LogLevel::info, log_target, "--force-recover: reading the whole log first");
  log::VerifyOptions verify;
  verify.cluster_id = state.cluster_id;
  VERITY_TRY_ASSIGN(const log::VerifyReport whole, log::verify_log(wait, log_directory, verify));
  VERITY_TRY(check_damage(whole.damage));
  if (recovered.last.value == 0)
    return fail(ErrorCode::invalid_argument, "--force-recover is refused: there is nothing in this log");
  const consensus::Member self{state.node_id, state.incarnation};
  consensus::MemberSet alone;
  alone.add(self);
  DurableState next = state;
  next.epoch = world.random.id();
  next.refounding = Refounding{.at = recovered.last.next(),
                               .founded_at = std::max(world.clock.realtime(), recovered.last_timestamp),
                               .epoch = next.epoch,
                               .epoch_before = state.epoch,
                               .members_before = members_of(state),
                               .answered = survey.answered,
                               .committed = recovered.committed,
                               .confirmed = recovered.committed,
                               .unknown_from = state.unknown_from,
                               .heard = survey.heard,
                               .heard_from = survey.heard_from};
  compare(recovered, survey, *next.refounding);
  next.members = {.at = next.refounding->at,
                  .seats = {{self, ""}},
                  .before = next.refounding->members_before,
                  .before_at = state.members.at,
                  .settled_at = next.refounding->at};
  next.view = next.log_view = consensus::next_view(state.view, alone);
  next.primary = self;
  next.unknown_from.reset();
  next.outdated = false;
  if (survey.release) next.release = *survey.release;
  next.durable_position = recovered.last;
  VERITY_TRY(save_state(wait, meta, next));
  state = next;
  return {};
}

log::EntryPtr refounding_entry(const DurableState& state, const Sha256Digest& parent) {
  log::FoundingBody founding{.cluster_id = state.cluster_id,
                             .epoch = state.refounding->epoch,
                             .cluster_name = state.cluster_name,
                             .members = {{state.node_id, state.incarnation}}};
  Bytes body;
  log::encode(founding, body);
  log::EntryHeader header;
  header.kind = log::EntryKind::founding;
  header.cluster_id = state.cluster_id;
  header.epoch = state.refounding->epoch;
  header.position = state.refounding->at;
  header.view = state.log_view;
  header.timestamp = state.refounding->founded_at;
  header.release = first_release;
  header.parent = parent;
  return log::Entry::make(header, body);
}

Status write_recovery_report(io::Wait& wait, io::Directory& meta, const Refounding& refounding) {
  std::string text;
  for (const std::string& sentence : refounding.sentences()) text += sentence + "\n";
  VERITY_TRY_ASSIGN(const auto file, meta.open(wait, report_name, {.mode = io::OpenMode::create}));
  std::string there(text.size() + 1, '\0');
  VERITY_TRY_ASSIGN(const ByteCount got, file->read(wait, 0, std::as_writable_bytes(std::span(there))));
  there.resize(got);
  if (there == text) return {};
  VERITY_TRY(file->truncate(wait, 0));
  VERITY_TRY(file->write(wait, 0, as_bytes(text), io::Durability::durable));
  VERITY_TRY(file->sync(wait));
  return meta.sync(wait);
}

}  // namespace verity::node
