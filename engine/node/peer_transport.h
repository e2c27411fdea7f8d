// How a node's messages reach the other nodes: declared here, carried by net/cluster. Messages may be lost and overtaken;
// whoever is named as the sender has sent them.
#pragma once

#include "engine/consensus/member.h"
#include "engine/log/entry.h"
#include "engine/node/boots.h"
#include "engine/node/peer_traffic.h"
#include "engine/node/release.h"
#include "io/base/bytes.h"
#include "io/base/result.h"
#include "io/base/units.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace verity::io {
class Wait;
}

namespace verity::node {

// Two connections for each pair, so that bulk never stands in the way of a heartbeat.
enum class PeerLane : std::uint8_t { control, bulk };

// Of a message, with its entries.
inline constexpr ByteCount message_bytes_max = 16 * MiB;

struct PeerMessage {
  std::uint16_t type = 0;  // 16 or more
  Bytes head;
  std::vector<log::EntryPtr> entries;  // their bytes follow the head, one after another
};

// Who this node says it is. The cluster is zeros until it is a member of one.
struct NodeIdentity {
  consensus::Member member;
  std::uint64_t boot_number = 0;
  Id128 boot_nonce;
  std::string cluster_name;
  Id128 cluster_id;
  Id128 epoch;
  Releases releases;  // that its program knows
  ActiveRelease active_release;
  std::vector<KnownBoot> known;  // whoever comes with an earlier start than these is refused
};

// What a node that is connected says of releases.
struct PeerRelease {
  std::uint32_t newest = 1;  // that its program knows
  ActiveRelease active;
};

// One of the other nodes, as the links see it.
struct PeerStatus {
  NodeId id;  // 0: nobody has answered there yet
  std::string address;
  bool connected = false;
  bool is_in_cluster = false;  // as it says, now that it is connected: a member with or without a vote
  Timestamp last_seen;         // 0: never
  std::optional<Duration> round_trip;
  std::string problem;  // why the last connection was refused, failed or ended; empty: none yet
};

// Somebody was reached, and one of the two will not talk to the other.
struct PeerRefusal {
  enum class Why : std::uint8_t {
    stranger,   // of another cluster, or this very process
    outdated,   // the other knows a later start of this data directory: it is an older copy that was put back
    duplicate,  // there is a connection already
    taken,      // another process has the id of this node
    other_epoch,  // the cluster was founded anew, and one of the two was not there
    other,        // versions; an older copy of the other; it is about to stop
  };

  NodeId peer;  // 0: it did not say
  Why why{};
  std::string sentence;
};

// Called on the transport's fibers; none may suspend.
class PeerReceiver {
 public:
  virtual ~PeerReceiver() = default;
  // `payload` ends with the call.
  virtual void on_peer_message(const consensus::Member& from, std::uint16_t type, ByteView payload) = 0;
  // A new connection: what was on its way over an earlier one is lost.
  virtual void on_peer_connected(const consensus::Member& peer, const PeerRelease& release,
                                 const Boot& boot) = 0;
  virtual void on_peer_refused(const PeerRefusal& /*refusal*/) {}
  // One that is connected says something else of releases than before.
  virtual void on_peer_changed(const consensus::Member& /*peer*/, const PeerRelease& /*release*/) {}
};

class PeerTransport {
 public:
  virtual ~PeerTransport() = default;  // stopped

  // Listens and dials. `identity` is asked again at every handshake; its member and boot never change.
  virtual Status start(io::Wait& wait, std::function<NodeIdentity()> identity) = 0;
  // Idempotent; also after a crash of the world. Nothing is received from here on.
  virtual void stop(io::Wait& wait) = 0;
  // Null: nobody listens. Whoever is connected already is told to a new receiver at once.
  virtual void set_receiver(PeerReceiver* receiver) = 0;
  // False: it was dropped, because `to` is not connected or too much waits for it.
  virtual bool send(const consensus::Member& to, PeerLane lane, PeerMessage message) = 0;

  virtual bool is_connected(const consensus::Member& peer) const = 0;
  // From now on dials these, "host:port" each, besides those that are configured, and no others that were named here
  // before: what is connected stays so. What is no address is left out.
  virtual void reach(const std::vector<std::string>& addresses) = 0;

  // Another node remembers a later start of this one: its data directory was put back as it was some time ago.
  virtual bool is_outdated() const = 0;
  // Where it listens, as it tells the others; empty: it does not.
  virtual std::string address() const = 0;
  // How many other nodes are configured.
  virtual std::size_t others() const = 0;
  // These first, in the order of the configuration.
  virtual std::vector<PeerStatus> peers() const = 0;
  // Messages that did not get out: not connected, too much waited, or the connection ended.
  virtual std::uint64_t messages_dropped() const = 0;
  virtual PeerTraffic traffic() const = 0;
};

}  // namespace verity::node
