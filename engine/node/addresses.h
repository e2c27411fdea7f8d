// Where this node reaches the others, besides its own cluster_peers: the members where the log says that they are, and, while an
// operator asks for them, nodes that are to come in. Whoever is neither any more is dialled no more.
//
// In memory alone. All calls on the node's loop; none suspends.
#pragma once

#include "engine/consensus/member.h"
#include "io/base/units.h"

#include <map>
#include <string>
#include <vector>

namespace verity::node {

class PeerTransport;

class Addresses {
 public:
  // `transport` outlives it; null: there is nobody else.
  Addresses(PeerTransport* transport, NodeId self) : transport_(transport), self_(self) {}

  // As the log says; empty: it does not.
  void learn(NodeId id, const std::string& address);
  // As an operator says, who is expected to say so again within wanted_time.
  void want(NodeId id, const std::string& address, Instant now);
  void give_up(NodeId id);
  void tend(Instant now);
  // Whose addresses are wanted as long as they are this.
  void set_members(const consensus::MemberSet& members);

  // As it was said; empty: nobody did.
  std::string of(NodeId id) const;
  // The same, or as cluster_peers has it, or as the node says itself.
  std::string shown(NodeId id) const;

  static constexpr Duration wanted_time = 30s;

 private:
  struct Wanted {
    std::string address;
    Instant until;
  };
  void reach();

  PeerTransport* const transport_;
  const NodeId self_;
  std::vector<NodeId> members_;
  std::map<NodeId, std::string> known_;
  std::map<NodeId, Wanted> wanted_;
};

}  // namespace verity::node
