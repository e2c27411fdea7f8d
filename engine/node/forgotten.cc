#include "engine/node/forgotten.h"

#include "engine/node/found_cluster.h"
#include "engine/node/founding_codec.h"
#include "engine/node/opening.h"
#include "engine/node/peer_transport.h"
#include "io/directory.h"
#include "io/fiber/sync.h"
#include "io/fiber/wait.h"
#include "io/logger.h"
#include "io/world.h"

#include <algorithm>

namespace verity::node {
namespace {

constexpr std::string_view log_target = "verity_consensus";
constexpr Duration look_interval = 500ms;
constexpr Duration report_interval = 5s;
constexpr Position whole_log{~std::uint64_t{0}};

class Returner final : public PeerReceiver {
 public:
  Returner(const io::World& world, const NodeOptions& options, Opened& opened, PeerTransport& transport)
      : world_(world), options_(options), opened_(opened), state_(*opened.state), transport_(transport) {}

  Status run(io::Wait& wait) {
    Result<LogSays> says = members_in_log(wait, *opened_.log_directory, whole_log);
    if (says) {
      log_says_ = *std::move(says);
      if (state_.members.seats.empty()) reach_members(log_says_.members, state_.node_id, transport_);
    } else {
      VERITY_TRY(wait.check());
      unreadable_ = says.error().message;
    }
    transport_.set_receiver(this);
    const Status done = go_on(wait);
    transport_.set_receiver(nullptr);
    say_waiting("");
    return done;
  }

  void on_peer_connected(const consensus::Member&, const PeerRelease&, const Boot&) override {}
  void on_peer_message(const consensus::Member& /*from*/, std::uint16_t type, ByteView payload) override {
    if (!is_founding(type)) return;  // of members; this node is none
    const auto message = decode_founding(type, payload);
    if (!message || !std::holds_alternative<consensus::FoundingMember>(*message)) return;
    cluster_ = std::get<consensus::FoundingMember>(*message).record;
    ++claims_;
    work_.notify_all();
  }

 private:
  Status go_on(io::Wait& wait) {
    Instant report_at = wait.now() + report_interval;
    while (claims_ < claims_believed) {
      if (transport_.is_outdated()) return leave_outdated(wait, *opened_.meta, state_);
      io::Wait soon = wait.within(look_interval);
      ignore(work_.wait(soon), "what there is to do is looked at");
      VERITY_TRY(wait.check());
      if (wait.now() < report_at) continue;
      report_at = wait.now() + report_interval;
      report();
    }
    // First: it may hold what that cluster has lost, and whoever joins drops what it does not know to be committed.
    VERITY_TRY(check_epoch(log_says_, cluster_.epoch));
    return join_as_newcomer(wait, world_, *opened_.meta, state_, cluster_);
  }

  void say_waiting(const std::string& why) {
    if (options_.on_waiting) options_.on_waiting(why);
  }

  // Of the members that the log names, and who else is configured, the first that might know of a cluster, or be in one.
  std::string who_may_know() const {
    const std::vector<PeerStatus> peers = transport_.peers();
    for (const PeerStatus& peer : peers) {
      if (!peer.connected)
        return (peer.id == NodeId{} ? "" : "node " + peer.id.describe() + " at ") + peer.address;
      if (peer.is_in_cluster)
        return "node " + peer.id.describe() + ", which belongs to it and has not let it in";
    }
    for (const consensus::Member& member : members_of(log_says_)) {
      const bool is_there =
          std::ranges::any_of(peers, [&](const PeerStatus& peer) { return peer.id == member.id; });
      if (member.id != state_.node_id && !is_there)
        return "node " + member.id.describe() + ", whose address is not known";
    }
    return {};
  }

  std::string describe_log() const {
    if (!unreadable_.empty()) return "the log of this one cannot be read: " + unreadable_;
    if (log_says_.damage) return "the log of this one is damaged: " + log_says_.damage->describe();
    return "the log of this one ends at position " + log_says_.last.describe();
  }

  // Members say again and again that they are.
  void report() {
    if (const std::string who = who_may_know(); !who.empty()) {
      say_waiting("this node has forgotten what it promised, and waits for a member of its cluster: for " +
                  who);
      world_.logger.log(io::LogLevel::info, log_target,
                        "Waiting for a member of the cluster that this node's log is of",
                        {{"node_id", state_.node_id.value}, {"first", who}});
      return;
    }
    const std::string flag =
        state_.refounding ? "--force-recover=" + state_.refounding->epoch.describe() : "--force-recover";
    const std::string none =
        "no node is a member of the cluster any more: all are connected, and each has forgotten what it "
        "promised "
        "or has an empty disk. Stop them, and start the one whose log is longest with " +
        flag;
    say_waiting(none + "; " + describe_log());
    world_.logger.log(io::LogLevel::warn, log_target, "Nothing goes on by itself: " + none,
                      {{"node_id", state_.node_id.value}, {"log", describe_log()}});
  }

  const io::World& world_;
  const NodeOptions& options_;
  Opened& opened_;
  DurableState& state_;
  PeerTransport& transport_;
  LogSays log_says_;
  std::string unreadable_;
  consensus::FoundingRecord cluster_;  // as the last one said
  int claims_ = 0;
  io::Signal work_;
};

}  // namespace

Status find_own_cluster(io::Wait& wait, const io::World& world, const NodeOptions& options, Opened& opened,
                        PeerTransport& transport) {
  return Returner(world, options, opened, transport).run(wait);
}

Status check_epoch(const LogSays& says, const Id128& epoch) {
  if (says.epoch.is_zero() || says.epoch == epoch) return {};
  return fail(ErrorCode::corrupt, "this node has forgotten its promises, and its log is of epoch " +
                                      says.epoch.describe() + ", the cluster of " + epoch.describe() +
                                      ": set the data directory aside and start with an empty one");
}

Result<LogSays> go_by_log(io::Wait& wait, io::Directory& log_directory, DurableState& state) {
  VERITY_TRY_ASSIGN(LogSays says, members_in_log(wait, log_directory, whole_log));
  const auto refuse = [](const std::string& why) {
    return fail(ErrorCode::corrupt,
                "--force-recover is refused: this node has forgotten what it promised, and " + why);
  };
  if (says.damage) return refuse("its log is damaged: " + says.damage->describe() + ". Choose another node");
  if (says.founders.empty()) return refuse("there is nothing in its log");
  if (says.cluster_name != state.cluster_name) {
    return refuse("its log is that of the cluster '" + says.cluster_name + "', cluster_name is '" +
                  state.cluster_name + "'");
  }
  state.cluster_id = says.cluster_id;
  state.epoch = says.epoch;
  state.founders = says.founders;
  state.founded_at = says.founded_at;
  state.members = says.members;
  state.view = state.log_view = says.view;
  state.is_member = state.founded = true;
  state.head_start = false;
  return says;
}

}  // namespace verity::node
