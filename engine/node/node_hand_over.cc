// Giving the lead to another node: because somebody asks for it, or because this one stops.
#include "engine/node/node_impl.h"

#include "io/directory.h"
#include "io/fiber/loop.h"
#include "io/file.h"
#include "io/logger.h"

#include <algorithm>
#include <limits>
#include <tuple>

namespace verity::node {
namespace {

constexpr std::string_view log_target = "verity_node";
// Clients wait meanwhile, so whoever does not take the lead soon is passed over.
constexpr Duration attempt_patience = 1s;
// They say so as soon as they know.
constexpr Duration knowing_patience = 2s;
// Further behind, clients would wait for too long.
constexpr std::uint64_t heir_lag_entries_max = 10'000;

Refusal make_refusal(RefusalCode code, std::string detail) {
  Refusal refusal{.code = code, .detail = std::move(detail)};
  if (code == RefusalCode::not_ready) refusal.retry_after = 1s;
  return refusal;
}

}  // namespace

std::vector<NodeId> NodeImpl::heirs() const {
  std::vector<NodePeer> able;
  for (NodePeer& peer : peers()) {
    const bool cannot =
        peer.state == "stopping" || peer.state == "read_only" || peer.state == "failed" || !peer.has_room;
    const bool follows = peer.connected && peer.acknowledged && peer.acknowledged->value > 0;
    if (follows && !cannot && log_.last_proposed().value - peer.acknowledged->value <= heir_lag_entries_max)
      able.push_back(std::move(peer));
  }
  // What a node says of itself may be a second old; what it has acknowledged is not.
  const auto rank = [](const NodePeer& peer) {
    return std::tuple(peer.state != "follower",
                      std::numeric_limits<std::uint64_t>::max() - peer.acknowledged->value, peer.id);
  };
  std::sort(able.begin(), able.end(),
            [&](const NodePeer& a, const NodePeer& b) { return rank(a) < rank(b); });
  std::vector<NodeId> ids;
  ids.reserve(able.size());
  for (const NodePeer& peer : able) ids.push_back(peer.id);
  return ids;
}

std::optional<Refusal> NodeImpl::refuse_heir(NodeId to) const {
  if (!replicator_->replica().journal().membership().voters.has_id(to)) {
    return make_refusal(RefusalCode::invalid_request,
                        "node " + to.describe() + " is no voter of this cluster");
  }
  const std::vector<NodeId> able = heirs();
  if (std::find(able.begin(), able.end(), to) != able.end()) return std::nullopt;
  return make_refusal(RefusalCode::not_ready, "node " + to.describe() +
                                                  " cannot take the lead now: it is not connected, does not "
                                                  "follow, has no room on its disk, or is more than " +
                                                  std::to_string(heir_lag_entries_max) + " entries behind");
}

Outcome<NodeId> NodeImpl::hand_over(io::Wait& wait, std::optional<NodeId> to) {
  return at_leader<NodeId>(
      wait, [&] { return hand_over_here(wait, to); },
      [&](const consensus::Member& leader) -> Outcome<NodeId> {
        Bytes body;
        put(body, to.value_or(NodeId{}));
        const Outcome<Bytes> answer = forwarder_->ask(wait, leader, QuestionKind::hand_over, body);
        if (!answer) {
          // Whoever gives the lead away may have no time to say so; that another node leads says it.
          io::Wait soon = wait.within(attempt_patience);
          const auto is_asked_still = [&] { return !this->leader() || *this->leader() == leader; };
          while (answer.error().code == RefusalCode::outcome_unknown && is_asked_still() &&
                 applied_.wait(soon))
            continue;
          const auto now_leads = this->leader();
          const bool is_done = answer.error().code == RefusalCode::outcome_unknown && now_leads &&
                               *now_leads != leader && now_leads->id == to.value_or(now_leads->id);
          if (is_done) return now_leads->id;
          return std::unexpected(answer.error());
        }
        const auto heir = ByteReader(*answer).get<NodeId>();
        if (heir) return *heir;
        return std::unexpected(make_refusal(RefusalCode::outcome_unknown, "the leader's answer is cut off"));
      });
}

Outcome<NodeId> NodeImpl::hand_over_here(io::Wait& wait, std::optional<NodeId> to) {
  if (auto refusal = await_leadership(wait)) return std::unexpected(std::move(*refusal));
  if (!to && is_alone())
    return std::unexpected(make_refusal(RefusalCode::invalid_request, "this node is the whole cluster"));
  if (to == options_.node_id) return *to;
  if (to) {
    if (auto refusal = refuse_heir(*to)) return std::unexpected(std::move(*refusal));
  }
  return hand_over_to(wait, to ? std::vector{*to} : heirs());
}

Outcome<NodeId> NodeImpl::hand_over_to(io::Wait& wait, const std::vector<NodeId>& heirs) {
  for (const NodeId heir : heirs) {
    world_.logger.log(io::LogLevel::info, log_target, "Handing over the lead",
                      {{"to", heir.value}, {"view", replicator_->view().value}});
    io::Wait patient = wait.within(attempt_patience);
    if (!replicator_->hand_over(patient, heir)) continue;
    ++metrics_.handovers_total;
    io::Wait soon = wait.within(4 * options_.consensus.election_timeout_max);
    while (!leader() && applied_.wait(soon)) continue;
    return leader() ? leader()->id : heir;
  }
  return std::unexpected(make_refusal(RefusalCode::not_ready, "no other node has taken the lead; node " +
                                                                  options_.node_id.describe() + " leads on"));
}

void NodeImpl::leave(io::Wait& wait) {
  if (leaving_ || transport_ == nullptr || !replicator_ || is_alone() || failure_) return;
  leaving_ = true;
  report_work_.notify_all();  // nobody gives the lead to whoever leaves
  if (!replicator_->leads()) return;
  const Outcome<NodeId> heir = hand_over_here(wait, std::nullopt);
  if (!heir && replicator_->leads()) {
    world_.logger.log(io::LogLevel::warn, log_target, "The lead could not be handed over",
                      {{"reason", heir.error().detail}});
    return;
  }
  // Until the others know whom to ask: what they have asked this node is answered by then.
  const auto knows = [&](const NodePeer& peer) {
    return !peer.connected || (peer.view && *peer.view >= replicator_->view());
  };
  io::Wait patient = wait.within(knowing_patience);
  for (bool all = false; !all && patient.sleep(options_.consensus.heartbeat_interval);) {
    const std::vector<NodePeer> others = peers();
    all = std::all_of(others.begin(), others.end(), knows);
  }
}

}  // namespace verity::node
