#include "engine/node/found_cluster.h"

#include "engine/node/founding_codec.h"
#include "engine/node/members.h"
#include "engine/node/opening.h"
#include "io/clock.h"
#include "io/directory.h"
#include "io/fiber/sync.h"
#include "io/logger.h"
#include "io/random.h"
#include "io/world.h"

#include <algorithm>
#include <deque>
#include <set>

namespace verity::node {
namespace {

constexpr std::string_view log_target = "verity_consensus";
constexpr Duration remind_interval = 500ms;
constexpr Duration report_interval = 5s;
// One member alone may be late news of a disk that is gone; whoever repeats it is there.
constexpr int claims_believed = 4;

using consensus::FoundingEffects;

class Founder final : public PeerReceiver {
 public:
  Founder(const io::World& world, const NodeOptions& options, Opened& opened, PeerTransport& transport)
      : world_(world),
        options_(options),
        meta_(*opened.meta),
        log_directory_(*opened.log_directory),
        state_(*opened.state),
        transport_(transport),
        founding_({state_.node_id, state_.incarnation}, transport.others() + 1, promises_of(state_)) {}

  Status run(io::Wait& wait) {
    note_id(state_.node_id);
    if (!state_.head_start) carry_out(founding_.start(draw()));
    transport_.set_receiver(this);
    const Status done = go_on(wait);
    transport_.set_receiver(nullptr);
    say_waiting("");
    return done;
  }

  void on_peer_message(const consensus::Member& from, std::uint16_t type, ByteView payload) override {
    if (!is_founding(type)) return;  // of members; this node is none
    const auto message = decode_founding(type, payload);
    // With a log of its own it founds nothing: some cluster has that already.
    if (message && state_.head_start) return note_claim(*message);
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
    if (!state_.head_start) carry_out(founding_.connected(peer, draw()));
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

  void note_claim(const consensus::FoundingMessage& message) {
    const auto* const member = std::get_if<consensus::FoundingMember>(&message);
    if (member == nullptr) return;
    stranger_ = member->record;
    ++claims_;
    work_.notify_all();
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
    std::vector<PeerStatus> peers = transport_.peers();
    peers.resize(std::min(peers.size(), transport_.others()));  // the configured ones come first
    for (const PeerStatus& peer : peers) {
      if (peer.id != NodeId{}) draw.named.push_back(peer.id);
    }
    return draw;
  }

  Status go_on(io::Wait& wait) {
    Instant report_at = wait.now() + report_interval;
    while (!state_.is_member) {
      if (!save_.empty()) {
        VERITY_TRY(save(wait));
        continue;
      }
      if (transport_.is_outdated()) return leave_outdated(wait);
      if (claims_ >= claims_believed) return join(wait);
      io::Wait soon = wait.within(remind_interval);
      ignore(work_.wait(soon), "what there is to do is looked at");
      VERITY_TRY(wait.check());
      if (save_.empty() && !state_.head_start) carry_out(founding_.remind());
      if (wait.now() >= report_at) {
        report_at = wait.now() + report_interval;
        state_.head_start ? report_forgotten(wait) : report();
      }
    }
    return {};
  }

  // The others know what became of a later start.
  Status leave_outdated(io::Wait& wait) {
    state_.outdated = true;
    VERITY_TRY(save_state(wait, meta_, state_));
    return std::unexpected(outdated_error(state_.node_id));
  }

  // As a newcomer, which has no vote before the members have let it in.
  Status join(io::Wait& wait) {
    state_.is_member = true;
    state_.cluster_id = stranger_->cluster_id;
    state_.epoch = stranger_->epoch;
    state_.founders = stranger_->members;
    state_.founded_at = stranger_->founded_at;
    VERITY_TRY(save_state(wait, meta_, state_));
    world_.logger.log(
        io::LogLevel::info, log_target,
        "The cluster exists already and does not know this disk; following it until it lets this "
        "node in",
        {{"node_id", state_.node_id.value}, {"cluster", stranger_->describe()}});
    return {};
  }

  void say_waiting(const std::string& why) {
    if (options_.on_waiting) options_.on_waiting(why);
  }

  // Members say again and again that they are.
  void report_forgotten(io::Wait& wait) {
    const std::vector<PeerStatus> peers = transport_.peers();
    const bool hears_all =
        !peers.empty() &&
        std::all_of(peers.begin(), peers.end(), [](const PeerStatus& peer) { return peer.connected; });
    if (!hears_all || claims_ > 0) {
      const std::string_view waits = "Waiting for a member of the cluster that this node's log is of";
      say_waiting("this node has forgotten what it promised, and waits for a member of its cluster");
      world_.logger.log(io::LogLevel::info, log_target, waits, {{"node_id", state_.node_id.value}});
      return;
    }
    if (!log_end_) {
      const Result<LogSays> says = members_in_log(wait, log_directory_, Position{~std::uint64_t{0}});
      log_end_ = says ? says->last : Position{};
    }
    const std::string none =
        "no node is a member of the cluster any more: all are connected, and each has forgotten what it "
        "promised or "
        "has an empty disk. Start the one whose log is longest with --force-recover";
    say_waiting(none + "; the log of this one ends at position " + log_end_->describe());
    world_.logger.log(io::LogLevel::warn, log_target, "Nothing goes on by itself: " + none,
                      {{"node_id", state_.node_id.value}, {"log_ends_at", log_end_->value}});
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
  const NodeOptions& options_;
  io::Directory& meta_;
  io::Directory& log_directory_;
  DurableState& state_;
  PeerTransport& transport_;
  consensus::Founding founding_;
  std::deque<consensus::FoundingPromises> save_;
  std::optional<consensus::FoundingRecord> stranger_;
  int claims_ = 0;
  std::set<NodeId> no_founders_;     // that are there
  std::optional<Position> log_end_;  // once it was needed
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

consensus::FoundingRecord founding_record(const DurableState& state) {
  return {state.cluster_id, state.epoch, state.founders, state.founded_at};
}

Status found_cluster(io::Wait& wait, const io::World& world, const NodeOptions& options, Opened& opened,
                     PeerTransport& transport) {
  return Founder(world, options, opened, transport).run(wait);
}

}  // namespace verity::node
