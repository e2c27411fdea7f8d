// What two nodes tell one another when a connection between them begins. Grammar: docs/format/frame.md.
#pragma once

#include "io/base/bytes.h"
#include "io/base/ids.h"
#include "io/base/result.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace verity::peer {

// What a connection is for. Each pair of nodes has one connection per lane, so that bulk transfer never stands
// in the way of a heartbeat.
enum class Lane : std::uint8_t { control, bulk };
inline constexpr std::size_t lane_count = 2;

std::string_view describe(Lane lane);

// Who speaks: one process (boot) of one node with one data directory (incarnation). Never changes on a
// connection.
struct PeerIdentity {
  NodeId id;
  Id128 incarnation;
  std::uint64_t boot_number = 0;
  Id128 boot_nonce;

  bool operator==(const PeerIdentity&) const = default;
  // "node 2 boot 7"
  std::string describe() const;
};

struct Hello {
  PeerIdentity identity;
  // Of the messages that travel over the connection; framing has a version of its own.
  std::uint16_t protocol_min = 1;
  std::uint16_t protocol_max = 1;
  std::string cluster_name;
  Id128 cluster_id;  // zeros: blank, belongs to no cluster yet
  Id128 epoch;
  std::uint32_t release = 1;         // the newest that it knows
  std::uint32_t oldest_release = 1;  // that it knows
  std::uint32_t active_release = 1;  // that it writes
  Position activated_by;             // 0: the cluster was founded in it
  std::string address;               // where this node says it can be reached

  bool operator==(const Hello&) const = default;
  std::string describe() const;
};

// No node: it asks who is there (verity-admin cluster ping), is refused for its id, and nobody is told.
inline bool is_only_asking(const Hello& hello) {
  return hello.identity.id == NodeId{0};
}

enum class RefusalCode : std::uint16_t {
  malformed = 1,
  other_cluster_name,
  other_cluster,
  other_epoch,
  protocol_too_old,
  protocol_too_new,
  bad_node_id,
  self,
  own_node_id,
  node_id_taken,
  stale_boot,
  identity_changed,
  duplicate,
  stopping,
  other_release,
};
inline constexpr std::size_t refusal_code_count = 16;  // with 0, which stands for codes of later versions

// Stable name, such as "other_cluster"; "unknown" for codes of later versions.
std::string_view describe(RefusalCode code);

// Why two nodes do not talk, in the words of the one that says no.
struct Refusal {
  RefusalCode code{};
  NodeId by;  // 0: not told
  std::string sentence;

  bool operator==(const Refusal&) const = default;
};

// ---- payloads of the handshake's frames

// The hello of one connection.
struct HelloFrame {
  Hello hello;
  Lane lane = Lane::control;
  std::uint64_t number_from = 0;  // the sequence of the other side's next frame

  bool operator==(const HelloFrame&) const = default;
};

// Text that is too long is cut: it was ours to keep short.
Bytes encode_hello(const HelloFrame& hello);
Bytes encode_refusal(const Refusal& refusal);
// corrupt, naming the offset in the payload.
Result<HelloFrame> decode_hello(ByteView payload);
Result<Refusal> decode_refusal(ByteView payload);

// Text of a stranger, fit for a log line: bounded, without control characters.
std::string printable(std::string_view text, std::size_t bytes_max = 200);

}  // namespace verity::peer
