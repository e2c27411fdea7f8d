// Carries a node's messages (engine/node/peer_transport.h) over the links of net/peer.
#pragma once

#include "engine/node/peer_transport.h"
#include "net/peer/peers.h"

#include <map>
#include <memory>

namespace verity::cluster {

class Transport final : public node::PeerTransport, private peer::PeerEvents {
 public:
  // `world` outlives it.
  Transport(const io::World& world, peer::PeerOptions options);
  ~Transport() override;

  Status start(io::Wait& wait, std::function<node::NodeIdentity()> identity) override;
  void stop(io::Wait& wait) override;
  void set_receiver(node::PeerReceiver* receiver) override;
  bool send(const consensus::Member& to, node::PeerLane lane, node::PeerMessage message) override;
  bool is_connected(const consensus::Member& peer) const override;
  void reach(const std::vector<std::string>& addresses) override;
  std::string address() const override {
    return peers_ == nullptr ? std::string() : options_.listen_address.describe();
  }
  std::size_t others() const override { return options_.others.size(); }
  bool is_outdated() const override;
  std::vector<node::PeerStatus> peers() const override;
  std::uint64_t messages_dropped() const override;
  node::PeerTraffic traffic() const override;

 private:
  void on_message(const peer::PeerIdentity& from, peer::Lane lane, std::uint16_t type,
                  ByteView payload) override;
  void on_connected(const peer::Hello& peer, peer::Lane lane) override;
  void on_disconnected(const peer::PeerIdentity& peer, peer::Lane lane, std::string_view reason) override;
  void on_refused(NodeId other, const peer::Refusal& refusal, bool by_us) override;

  const io::World& world_;
  const peer::PeerOptions options_;
  std::unique_ptr<peer::Peers> peers_;
  node::PeerReceiver* receiver_ = nullptr;
  std::vector<io::Address> reached_;  // besides those that are configured
  struct Connected {
    peer::PeerIdentity identity;
    node::PeerRelease release;
    bool is_in_cluster = false;
  };
  std::map<NodeId, Connected> connected_;  // on the control lane
  std::uint64_t unconnected_ = 0;          // messages to somebody who was not
};

}  // namespace verity::cluster
