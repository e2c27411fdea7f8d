// The links of a node in tests: says what it is told to say, and keeps what is asked of it.
#pragma once

#include "engine/node/peer_transport.h"

#include <algorithm>
#include <string>
#include <vector>

namespace verity::node::testing {

class Links final : public PeerTransport {
 public:
  Status start(io::Wait&, std::function<NodeIdentity()>) override { return {}; }
  void stop(io::Wait&) override {}
  void set_receiver(PeerReceiver*) override {}
  bool send(const consensus::Member&, PeerLane, PeerMessage) override { return true; }
  bool is_connected(const consensus::Member& peer) const override {
    return std::find(connected.begin(), connected.end(), peer) != connected.end();
  }
  void reach(const std::vector<std::string>& addresses) override { reached = addresses; }
  std::string address() const override { return "node1:7001"; }
  bool is_outdated() const override { return false; }
  std::size_t others() const override { return 2; }
  std::vector<PeerStatus> peers() const override { return rows; }
  std::uint64_t messages_dropped() const override { return 0; }
  PeerTraffic traffic() const override { return {}; }

  std::vector<consensus::Member> connected;
  std::vector<std::string> reached;
  std::vector<PeerStatus> rows;
};

}  // namespace verity::node::testing
