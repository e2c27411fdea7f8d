// The durable node state in meta/: two copies of the same thing (docs/format/state.md).
#pragma once

#include "engine/consensus/member.h"
#include "engine/node/boots.h"
#include "engine/node/refounding.h"
#include "engine/node/release.h"
#include "io/base/ids.h"
#include "io/base/result.h"
#include "io/base/units.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace verity::io {
class Directory;
class Wait;
}  // namespace verity::io

namespace verity::node {

// The last change of the members that is in the log. What the log says of them before it is long forgotten.
struct MembersRecord {
  struct Seat {
    consensus::Member member;
    std::string address;  // of the cluster port; empty: from each node's own configuration

    bool operator==(const Seat&) const = default;
  };
  Position at;                  // of the members entry; 0: the founders are the members
  std::vector<Seat> seats;      // the members from there on
  consensus::MemberSet before;  // and up to there
  Position before_at;           // the change before
  Position settled_at;          // of the settled entry, once that is committed; 0: it is not

  bool operator==(const MembersRecord&) const = default;
};

struct DurableState {
  std::uint64_t sequence = 0;
  Id128 cluster_id;
  Id128 epoch;
  std::string cluster_name;
  NodeId node_id;
  Id128 incarnation;
  std::uint64_t boot_number = 0;
  Id128 boot_nonce;
  View view;
  View log_view;
  // Whom the node's vote of `view` names, or who led it.
  std::optional<consensus::Member> primary;
  // Entries from here on may have been acknowledged although the log was found damaged and does not hold them.
  std::optional<Position> unknown_from;
  // Who founded the cluster, and when; the founding record in other words.
  consensus::MemberSet founders;
  Timestamp founded_at;
  bool is_member =
      false;  // of the cluster that the founders are; before, they are a proposal that was accepted
  Id128 founding_round;
  // The log is that of a member that has forgotten its promises: what is committed of it is kept, and this node is nobody yet.
  bool head_start = false;
  bool founded = false;             // the founding record is in the log, durably
  std::string running = "stopped";  // "fsync", "async" or "stopped"
  Position durable_position;        // at the last clean stop; 0 before the first
  MembersRecord members;
  std::vector<KnownBoot> known;          // the last start of each other member
  bool outdated = false;                 // the others know a later one of this node
  std::optional<Refounding> refounding;  // the last --force-recover, if there was one
  ActiveRelease release;

  bool operator==(const DurableState&) const = default;
};

// One copy, 8192 bytes.
std::string encode_state(const DurableState& state);
// corrupt, or unsupported for another format.
Result<DurableState> decode_state(std::string_view text);

struct LoadedState {
  std::optional<DurableState> state;  // nothing: there is no copy at all
  std::vector<std::string> notes;     // one copy is bad or missing
};

// Reads both copies and, unless `read_only`, writes both anew: one may be bad, missing or behind, or so far be in the memory
// of a machine only, on which a process was killed.
// corrupt: copies are there and none is good. unsupported: written by another release.
Result<LoadedState> load_state(io::Wait& wait, io::Directory& meta, bool read_only);

// Writes both copies, one after the other, each durable; sets state.sequence to one more first. When it returns the new
// state may be acted on.
Status save_state(io::Wait& wait, io::Directory& meta, DurableState& state);

}  // namespace verity::node
