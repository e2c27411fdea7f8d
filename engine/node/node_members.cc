// Who the members of the cluster are, changed by an operator.
#include "engine/node/found_cluster.h"
#include "engine/node/node_impl.h"
#include "io/clock.h"
#include "io/directory.h"
#include "io/fiber/loop.h"
#include "io/file.h"

#include <algorithm>

namespace verity::node {
namespace {

Refusal refuse(std::string detail) {
  return {.code = RefusalCode::invalid_request, .detail = std::move(detail)};
}

}  // namespace

Outcome<MembersProgress> NodeImpl::change_members(io::Wait& wait, const MembersChange& change) {
  return at_leader<MembersProgress>(
      wait, [&] { return change_members_here(wait, change); },
      [&](const consensus::Member& leader) -> Outcome<MembersProgress> {
        const Outcome<Bytes> answer =
            forwarder_->ask(wait, leader, QuestionKind::change_members, encode(change));
        if (!answer) return std::unexpected(answer.error());
        Result<MembersProgress> progress = decode_members_progress(*answer);
        if (progress) return *std::move(progress);
        return std::unexpected(
            Refusal{.code = RefusalCode::outcome_unknown, .detail = progress.error().message});
      });
}

Outcome<MembersProgress> NodeImpl::change_members_here(io::Wait& wait, const MembersChange& change) {
  if (auto refusal = await_leadership(wait)) return std::unexpected(std::move(*refusal));
  if (transport_ == nullptr) {
    return std::unexpected(refuse(
        "this server does not reach other nodes: its cluster_address is no loopback address, and nothing "
        "is encrypted on it; allow_insecure = true allows that"));
  }
  if (Status reached = join_network(wait); !reached) {
    return std::unexpected(
        refuse("this node cannot listen on its cluster_address: " + reached.error().message));
  }
  return replicator_->members().change(change, world_.clock.monotonic());
}

// A node alone does not listen for others until somebody wants there to be some.
Status NodeImpl::join_network(io::Wait& wait) {
  VERITY_TRY_ASSIGN(const auto guard, joining_network_.lock(wait));
  if (is_in_network_) return {};
  DurableState& state = *opened_.state;
  VERITY_TRY(
      transport_->start(wait, [&state, known = options_.releases] { return identity_of(state, known); }));
  is_in_network_ = true;
  return {};
}

// Not those with nobody who is a member: addresses of nodes that have left stay in cluster_peers.
std::vector<PeerStatus> NodeImpl::links_that_matter() const {
  std::vector<PeerStatus> links = transport_->peers();
  const consensus::MemberSet members = replicator_->replica().journal().membership().everyone();
  if (members.empty()) return links;  // it has no log so far
  std::vector<std::string> silent;    // where members are that have not said who they are
  bool is_one_anywhere = false;
  for (const consensus::Member& member : members) {
    const auto is_its = [&](const PeerStatus& link) { return link.id == member.id; };
    if (member.id == options_.node_id || std::any_of(links.begin(), links.end(), is_its)) continue;
    silent.push_back(replicator_->members().addresses().of(member.id));
    is_one_anywhere = is_one_anywhere || silent.back().empty();
  }
  std::erase_if(links, [&](const PeerStatus& link) {
    if (link.connected) return false;
    if (link.id != NodeId{}) return !members.has_id(link.id);
    return !is_one_anywhere && std::find(silent.begin(), silent.end(), link.address) == silent.end();
  });
  return links;
}

}  // namespace verity::node
