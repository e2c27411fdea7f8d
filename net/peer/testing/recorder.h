// The layer above Peers in tests: writes down what it is told, one line each.
#pragma once

#include "io/fiber/sync.h"
#include "net/peer/peers.h"

#include <algorithm>
#include <string>
#include <vector>

namespace verity::peer::testing {

struct Received {
  NodeId from;
  Lane lane;
  std::uint16_t type;
  std::string payload;
};

class Recorder final : public PeerEvents {
 public:
  void on_message(const PeerIdentity& from, Lane lane, std::uint16_t type, ByteView payload) override {
    messages.push_back({from.id, lane, type, std::string(as_text(payload))});
    changed.notify_all();
  }
  void on_connected(const Hello& peer, Lane lane) override {
    lines.push_back("connected " + peer.identity.id.describe() + " " + std::string(describe(lane)));
    hellos.push_back(peer);
    changed.notify_all();
  }
  void on_disconnected(const PeerIdentity& peer, Lane lane, std::string_view reason) override {
    lines.push_back("disconnected " + peer.id.describe() + " " + std::string(describe(lane)));
    reasons.emplace_back(reason);
    changed.notify_all();
  }
  void on_refused(NodeId other, const Refusal& refusal, bool by_us) override {
    lines.push_back((by_us ? "refused " : "refused by ") + other.describe() + " " +
                    std::string(describe(refusal.code)));
    changed.notify_all();
  }

  std::size_t count(std::string_view line) const {
    return static_cast<std::size_t>(std::ranges::count(lines, line));
  }

  std::vector<Received> messages;
  std::vector<std::string> lines;
  std::vector<Hello> hellos;
  std::vector<std::string> reasons;
  io::Signal changed;
};

inline Id128 id128(std::uint8_t first, std::uint8_t second = 0) {
  Id128 id;
  id.bytes[0] = first;
  id.bytes[15] = second;
  return id;
}

// A member of the cluster "test" in its `boot`-th boot.
inline Hello hello_of(std::uint8_t node_id, std::uint8_t boot = 1) {
  Hello hello;
  hello.identity = {NodeId{node_id}, id128(node_id, 1), boot,
                    id128(node_id, static_cast<std::uint8_t>(100 + boot))};
  hello.cluster_name = "test";
  hello.cluster_id = id128(0xC1);
  hello.epoch = id128(0xE1);
  hello.release = 1;
  hello.address = "node" + std::to_string(node_id) + ":7001";
  return hello;
}

inline Payload text_payload(std::string_view text) {
  const ByteView bytes = as_bytes(text);
  return {Bytes(bytes.begin(), bytes.end()), {}};
}

}  // namespace verity::peer::testing
