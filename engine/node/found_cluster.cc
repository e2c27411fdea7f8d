#include "engine/node/found_cluster.h"

#include "engine/node/founding_codec.h"
#include "io/clock.h"
#include "io/directory.h"
#include "io/fiber/sync.h"
#include "io/logger.h"
#include "io/random.h"
#include "io/world.h"

#include <algorithm>
#include <deque>
#include <map>
#include <set>

namespace verity::node {
namespace {

constexpr std::string_view log_target = "verity_consensus";
constexpr Duration remind_interval = 500ms;
constexpr Duration report_interval = 5s;

using consensus::FoundingEffects;

class Founder final : public PeerReceiver {
 public:
  Founder(const io::World& world, io::Directory& meta, DurableState& state, PeerTransport& transport)
      : world_(world),
        meta_(meta),
        state_(state),
        transport_(transport),
        founding_({state.node_id, state.incarnation}, transport.others() + 1, promises_of(state)) {}

  Status run(io::Wait& wait) {
    note_id(state_.node_id);
    carry_out(founding_.start(draw()));
    transport_.set_receiver(this);
    const Status done = go_on(wait);
    transport_.set_receiver(nullptr);
    return done;
  }

  void on_peer_message(const consensus::Member& from, std::uint16_t type, ByteView payload) override {
    if (!is_founding(type)) return;  // of members; this node is none
    const auto message = decode_founding(type, payload);
    if (!message) {
      world_.logger.log(io::LogLevel::warn, log_target, "a message that makes no sense was ignored",
                        {{"from", from.describe()}, {"error", message.error().describe()}});
      return;
    }
    carry_out(founding_.receive(from, *message, draw()));
  }
  void on_peer_connected(const consensus::Member& peer, const PeerRelease& /*release*/,
                         const Boot& /*boot*/) override {
    note_id(peer.id);
    carry_out(founding_.connected(peer, draw()));
  }

 private:
  void note_id(NodeId id) {
    if (id.value > transport_.others() + 1) no_founders_.insert(id);
  }

  static std::string list(const auto& ids) {
    std::string text;
    for (const NodeId id : ids) text += (text.empty() ? "" : ", ") + id.describe();
    return text;
  }

  static consensus::FoundingPromises promises_of(const DurableState& state) {
    consensus::FoundingPromises promises{
        .round = state.founding_round, .accepted = {}, .is_member = state.is_member};
    if (!state.founders.empty()) promises.accepted = founding_record(state);
    return promises;
  }

  consensus::FoundingDraw draw() {
    consensus::FoundingDraw draw{
        world_.random.id(), world_.random.id(), world_.random.id(), world_.clock.realtime(), {}};
    for (const PeerStatus& place : configured()) {
      const bool is_founder = place.id.value > 0 && place.id.value <= transport_.others() + 1;
      if (is_founder) draw.named.push_back(place.id);
    }
    return draw;
  }

  // What stands behind the addresses that this node was told.
  std::vector<PeerStatus> configured() const {
    std::vector<PeerStatus> places = transport_.peers();
    places.resize(std::min(places.size(), transport_.others()));  // they come first
    return places;
  }

  // All nodes are there, and not everyone is where this node was told to look for it.
  std::string why_not_drawn() const {
    std::map<NodeId, std::string> met;
    for (const PeerStatus& place : configured()) {
      if (place.id == NodeId{}) return "nobody has answered at " + place.address;
      const auto [other, is_first] = met.emplace(place.id, place.address);
      if (!is_first)
        return "node " + place.id.describe() + " answers at " + other->second + " and at " + place.address;
    }
    return {};
  }

  Status go_on(io::Wait& wait) {
    Instant report_at = wait.now() + report_interval;
    while (!state_.is_member) {
      if (!save_.empty()) {
        VERITY_TRY(save(wait));
        continue;
      }
      if (transport_.is_outdated()) return leave_outdated(wait, meta_, state_);
      if (claims_ >= claims_believed) return join_as_newcomer(wait, world_, meta_, state_, *stranger_);
      io::Wait soon = wait.within(remind_interval);
      ignore(work_.wait(soon), "what there is to do is looked at");
      VERITY_TRY(wait.check());
      if (save_.empty()) carry_out(founding_.remind());
      if (wait.now() >= report_at) {
        report_at = wait.now() + report_interval;
        report();
      }
    }
    return {};
  }

  void report() {
    const std::string missing = list(founding_.missing());
    const std::string size = std::to_string(transport_.others() + 1);
    if (!no_founders_.empty()) {
      world_.logger.log(io::LogLevel::warn, log_target,
                        "A new cluster of " + size + " is founded by the nodes 1 to " + size +
                            "; whoever else is there can only be let into one that exists",
                        {{"missing", missing}, {"others", list(no_founders_)}});
    }
    if (const std::string why = missing.empty() ? why_not_drawn() : ""; !why.empty()) {
      world_.logger.log(io::LogLevel::warn, log_target,
                        "The other nodes are there, and cluster_peers does not name each of them: " + why,
                        {{"node_id", state_.node_id.value}});
    }
    world_.logger.log(io::LogLevel::info, log_target,
                      missing.empty() ? "Founding the cluster: waiting until all nodes have agreed"
                                      : "Founding the cluster: waiting for a connection with the other nodes",
                      {{"node_id", state_.node_id.value}, {"missing", missing}});
  }

  // The last of several promises stands for all of them.
  Status save(io::Wait& wait) {
    const consensus::FoundingPromises promises = save_.back();
    save_.clear();
    state_.founding_round = promises.round;
    state_.is_member = promises.is_member;
    const consensus::FoundingRecord record = promises.accepted.value_or(consensus::FoundingRecord{});
    state_.cluster_id = record.cluster_id;
    state_.epoch = record.epoch;
    state_.founders = record.members;
    state_.founded_at = record.founded_at;
    VERITY_TRY(save_state(wait, meta_, state_));
    if (save_.empty()) carry_out(founding_.saved());
    return {};
  }

  void carry_out(FoundingEffects effects) {
    for (consensus::FoundingEffect& effect : effects) {
      if (auto* const send = std::get_if<consensus::FoundingSend>(&effect)) {
        transport_.send(send->to, PeerLane::control, encode(send->message));
      } else if (auto* const save = std::get_if<consensus::FoundingSave>(&effect)) {
        save_.push_back(save->promises);
        work_.notify_all();
      } else if (auto* const stranger = std::get_if<consensus::FoundingStranger>(&effect)) {
        stranger_ = stranger->record;
        ++claims_;
        work_.notify_all();
      } else if (auto* const done = std::get_if<consensus::FoundingDone>(&effect)) {
        world_.logger.log(io::LogLevel::info, log_target, "Member of a new cluster",
                          {{"node_id", state_.node_id.value}, {"record", done->record.describe()}});
      }
    }
  }

  const io::World& world_;
  io::Directory& meta_;
  DurableState& state_;
  PeerTransport& transport_;
  consensus::Founding founding_;
  std::deque<consensus::FoundingPromises> save_;
  std::optional<consensus::FoundingRecord> stranger_;
  int claims_ = 0;
  std::set<NodeId> no_founders_;  // that are there
  io::Signal work_;
};

}  // namespace

NodeIdentity identity_of(const DurableState& state, const Releases& known) {
  return {.member = {state.node_id, state.incarnation},
          .boot_number = state.boot_number,
          .boot_nonce = state.boot_nonce,
          .cluster_name = state.cluster_name,
          .cluster_id = state.is_member ? state.cluster_id : Id128{},
          .epoch = state.is_member ? state.epoch : Id128{},
          .releases = known,
          .active_release = state.release,
          .known = state.known};
}

Error outdated_error(NodeId node) {
  return {ErrorCode::unsupported,
          "the other nodes know a later start of node " + node.describe() +
              ": its data directory is an older copy that was put back. The process ends; the next start "
              "comes back as another member, with what the log holds as committed"};
}

Status leave_outdated(io::Wait& wait, io::Directory& meta, DurableState& state) {
  state.outdated = true;
  VERITY_TRY(save_state(wait, meta, state));
  return std::unexpected(outdated_error(state.node_id));
}

Status join_as_newcomer(io::Wait& wait, const io::World& world, io::Directory& meta, DurableState& state,
                        const consensus::FoundingRecord& cluster) {
  state.is_member = true;
  state.cluster_id = cluster.cluster_id;
  state.epoch = cluster.epoch;
  state.founders = cluster.members;
  state.founded_at = cluster.founded_at;
  VERITY_TRY(save_state(wait, meta, state));
  world.logger.log(io::LogLevel::info, log_target,
                   "The cluster exists already and does not know this disk; following it until it lets this "
                   "node in",
                   {{"node_id", state.node_id.value}, {"cluster", cluster.describe()}});
  return {};
}

consensus::FoundingRecord founding_record(const DurableState& state) {
  return {state.cluster_id, state.epoch, state.founders, state.founded_at};
}

Status found_cluster(io::Wait& wait, const io::World& world, io::Directory& meta, DurableState& state,
                     PeerTransport& transport) {
  return Founder(world, meta, state, transport).run(wait);
}

}  // namespace verity::node
