// How the nodes of a cluster talk: messages from node to node over the cluster port.
//
//             send(to, lane, type, payload)
//   layer above ──────────────► queue per node and lane ─► connection ─► on_message(from, lane, type, payload)
//
// A pair of nodes has two connections, one per lane. Addresses are configured without node ids; who is behind an
// address is learned in the handshake, which also keeps strangers out. Messages are opaque here.
//
// What is promised: a message arrives at most once and whole, with the order of its lane as long as one connection
// lasts; it may be lost (a full queue, a connection that ends), and messages sent over two connections, one after the
// other, may overtake each other. Nothing here is durable. The layer above repeats what matters.
//
// Both sides dial. When two connections of a lane meet, both sides keep the one that the node with the lower id
// dialled; afterwards nobody dials as long as it lasts. So a pair is connected if either can reach the other.
//
// All calls on the loop of the world. Bytes on the wire: docs/format/frame.md.
#pragma once

#include "io/base/bytes.h"
#include "io/base/ids.h"
#include "io/base/result.h"
#include "io/base/units.h"
#include "io/network.h"
#include "net/frame/frame.h"
#include "net/peer/hello.h"

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace verity::io {
class Wait;
struct World;
}  // namespace verity::io

namespace verity::peer {

// Below are the link's own frames.
inline constexpr std::uint16_t message_type_min = 16;

// Bytes that somebody else owns, such as the body of a log entry on its way to several peers.
struct SharedBytes {
  std::shared_ptr<const void> owner;  // keeps `bytes` alive and unchanged
  ByteView bytes;
};

// One after the other on the wire. Together at most PeerOptions::payload_bytes_max.
struct Payload {
  Bytes head;
  std::vector<SharedBytes> parts;

  ByteCount size_bytes() const;
};

// What the layer above is told. Called on fibers of Peers; none of these may suspend. send() may be called inside.
class PeerEvents {
 public:
  virtual ~PeerEvents() = default;

  // `payload` ends with the call.
  virtual void on_message(const PeerIdentity& from, Lane lane, std::uint16_t type, ByteView payload) = 0;
  // A lane to a node is open. Also called, without on_disconnected in between, when the hello of the same process
  // has changed (a node that was blank is now a member).
  virtual void on_connected(const Hello& peer, Lane lane) = 0;
  // What was queued or on its way is lost.
  virtual void on_disconnected(const PeerIdentity& peer, Lane lane, std::string_view reason) = 0;
  // There is no connection to `other` (0: it did not say who it is), or none any more, because one of the two says no.
  virtual void on_refused(NodeId other, const Refusal& refusal, bool by_us) = 0;
};

struct LaneLimits {
  ByteCount queue_bytes_max;
  std::size_t queue_frames_max;
};

struct PeerOptions {
  io::Address listen_address{"127.0.0.1", 7001};
  std::vector<io::Address> others;  // resolved again at every connect
  std::string advertised_host{};    // told to the others with the port; empty: that of listen_address
  // The last process of each node that may not be followed by an earlier one. Asked at every handshake; empty: none.
  std::function<std::vector<PeerIdentity>()> remembered{};

  // At most frame::payload_bytes_limit; the same on all nodes.
  ByteCount payload_bytes_max = frame::payload_bytes_limit;
  LaneLimits control{32 * MiB, 4096};
  LaneLimits bulk{64 * MiB, 1024};
  std::uint32_t handshakes_max = 32;  // accepted connections that have not yet said who they are

  Duration connect_timeout = 2s;
  Duration handshake_timeout = 2s;  // for all of it
  Duration keep_alive_interval = 500ms;
  Duration silence_timeout = 3s;        // nothing heard, or nothing taken off our hands, for so long: cut
  Duration reconnect_delay_min = 50ms;  // doubles up to the maximum; half of it is jitter
  Duration reconnect_delay_max = 2s;
  Duration repeat_log_interval = 60s;  // the same line about the same peer at most so often
};

struct LaneCounters {
  std::uint64_t messages_in = 0;
  std::uint64_t messages_out = 0;
  std::uint64_t bytes_in = 0;  // off and onto sockets, with all framing
  std::uint64_t bytes_out = 0;
  std::uint64_t dropped =
      0;  // messages: not connected, queue full, or lost in the queue of a connection that ended
  std::uint64_t connections = 0;  // that came about, over all peers
  std::uint64_t connections_lost = 0;
};

struct PeerMetrics {
  std::array<LaneCounters, lane_count> lanes;                  // by Lane
  std::array<std::uint64_t, refusal_code_count> refused{};     // by us, by RefusalCode
  std::array<std::uint64_t, refusal_code_count> refused_by{};  // by others; 0: a code of a later version
  std::uint64_t connect_failures = 0;
  std::uint64_t handshake_failures = 0;  // neither welcomed nor refused: timeouts, garbage, hang-ups
  std::uint64_t bad_frames = 0;          // connections ended for what was in their bytes
  std::uint64_t turned_away = 0;         // strangers beyond handshakes_max
};

// One for each address that is dialled, then one for each connected node that is behind none of them.
struct PeerRow {
  std::string address;                      // as dialled, or as the node says itself
  std::optional<NodeId> id;                 // who answered there last
  bool connected = false;                   // on the control lane
  Timestamp last_seen;                      // bytes came; 0: never
  std::optional<Duration> round_trip_time;  // of the last keep-alive on the control lane
  std::string last_problem;  // why the last connection was refused, failed or ended; empty: none yet
};

class Peers {
 public:
  virtual ~Peers() = default;  // stopped

  // busy: the listen address is taken; the message names its holder where the system tells.
  virtual Status start(io::Wait& wait) = 0;
  // Cuts every connection and returns when no fiber is left. Idempotent; before destruction, also after a crash of
  // the world. No event is delivered from here on.
  virtual void stop(io::Wait& wait) = 0;

  // Queues a message; never suspends. False: it was dropped and counted, because `to` is not connected on this lane
  // or its queue is full. True promises nothing. `type` is at least message_type_min.
  virtual bool send(NodeId to, Lane lane, std::uint16_t type, Payload payload) = 0;
  virtual bool is_connected(NodeId to, Lane lane) const = 0;
  // From now on also this address, unless it is one of the others already. Before start() or after.
  virtual void also_dial(const io::Address& address) = 0;
  // No more, and it has no row any more. A connection that came of it lasts as long as it lasts.
  virtual void stop_dialling(const io::Address& address) = 0;

  // With the port that was really bound; after start().
  virtual const io::Address& address() const = 0;
  virtual std::vector<PeerRow> peers() const = 0;
  virtual const PeerMetrics& metrics() const = 0;
};

// `world` and `events` outlive the result. `hello` tells who we are now and is asked at every handshake and
// keep-alive; its identity never changes.
std::unique_ptr<Peers> make_peers(const io::World& world, PeerOptions options, std::function<Hello()> hello,
                                  PeerEvents& events);

}  // namespace verity::peer
