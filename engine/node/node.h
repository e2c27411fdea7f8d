// One node of a cluster: owns the log, drives every request along the one path there is, and answers.
//
//   append ─► admit ─► propose ─► durable (log flush) ─► committed ─► applied (indexes) ─► answered
//             limits,   position,                         quorum       stream index,
//             expectations parent hash                    (of one)     catalogue
//
// All calls come from fibers of the loop the node was started on.
#pragma once

#include "engine/consensus/member.h"
#include "engine/node/metrics.h"
#include "engine/node/options.h"
#include "engine/node/refounding.h"
#include "engine/node/release.h"
#include "engine/node/request.h"
#include "io/base/result.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace verity::io {
class Directory;
class Wait;
struct World;
}  // namespace verity::io

namespace verity::node {

class PeerTransport;

// Another node of the cluster, as this one sees it.
struct NodePeer {
  NodeId id{};            // 0: nobody has answered there yet
  std::string address{};  // of its cluster port
  // as NodeStatus::state says there; "unreachable"; "connected": it has not said yet
  std::string state{};
  bool connected = false;
  Timestamp last_seen{};  // 0: never
  std::optional<Duration> round_trip{};
  // In its own words, a second or so ago; empty, and zeros, until it has said so.
  std::string client_address{};
  std::optional<View> view{};
  Position commit_index{};
  Position applied_index{};
  std::uint32_t release = 0;
  ByteCount disk_free_bytes = 0;
  bool has_room = true;                    // for another log segment
  std::optional<Position> acknowledged{};  // up to where it has acknowledged; known to the leader alone
  std::string problem{};                   // why the last connection failed or ended; empty: none has
};

struct NodeStatus {
  NodeId node_id;
  std::string
      state;  // "leader", "follower", "candidate" (nobody leads that this node knows of), "read_only", "starting" (deriving state from the log), "stopping", "failed"
  std::string reason;  // why it is not ready; empty while it is
  // It lacks entries that the cluster has committed, as far as it knows, or is still without a vote.
  bool is_syncing = false;
  View view;
  NodeId leader;  // 0: none is known
  Position commit_index;
  Position applied_index;
  Position durable_position;
  SyncMode sync_mode;
  bool acknowledges_early = false;  // what is in memory, now
  std::string cluster_name;
  Id128 cluster_id;
  Id128 epoch;
  std::optional<Refounding> refounding{};  // what --force-recover did to this data directory
  std::uint64_t tenants = 0;
  bool index_ready = true;
  ByteCount disk_free_bytes = 0;
  std::vector<std::string> damage;     // one line each: file, offset, position, what
  std::string cluster_address;         // where the other nodes reach it; empty: they do not
  std::vector<NodePeer> peers;         // none of a node that is alone
  consensus::MemberSet voters;         // in this node's log
  std::string members_change;          // what of their last change is still to be done; empty: nothing
  std::uint64_t messages_dropped = 0;  // to them
  Releases releases;                   // that its program knows
  ActiveRelease active_release;        // that it writes
  std::string release_obstacle;  // of a leader: why a release that some know is not active; empty: nothing
  std::uint64_t session_requests_kept = 256;
};

class Node {
 public:
  // Opens or founds the data directory and recovers it. What goes wrong is explained for an operator: busy (another
  // server), corrupt (damage that may concern acknowledged data; names file, offset, position and the way out),
  // unsupported (another version's directory). `world` and `data` outlive the node.
  // A cluster of one leads itself when the call returns; others elect a leader afterwards. `transport` reaches the other
  // nodes and outlives the node; null: there are none.
  static Result<std::unique_ptr<Node>> start(io::Wait& wait, const io::World& world, io::Directory& data,
                                             NodeOptions options, PeerTransport* transport = nullptr);
  virtual ~Node() = default;

  // Returns when the entry is durable, committed and applied (async mode: when it is queued and applied), or refused.
  // A deadline or cancellation before it is queued gives `cancelled`, a later one `outcome_unknown`: the entry is on its
  // way and nobody can call it back.
  virtual Outcome<AppendReceipt> append(io::Wait& wait, const AppendRequest& request) = 0;

  // A session for a client that numbers its requests (AppendRequest::session). Returns when its entry is committed. Whoever
  // does not get the answer opens another one: one that nobody uses goes when there are too many.
  virtual Outcome<Id128> open_session(io::Wait& wait) = 0;

  virtual Outcome<EventPage> read(io::Wait& wait, const ReadRequest& request) = 0;
  // Before the questions below, which are answered from what is applied here: suspends until that is all that an answer of
  // this consistency must rest on. Nothing: it is.
  virtual std::optional<Refusal> await_read(io::Wait& wait, Consistency consistency) = 0;
  // Suspends until an event of `request`'s tenant (and stream, if named) may exist at or after `from`. Returns early
  // rather than late; a deadline, a cancellation or stop() ends it without an error.
  virtual void wait_for_events(io::Wait& wait, const ReadRequest& request, EventToken from) = 0;

  virtual Outcome<TenantInfo> create_tenant(io::Wait& wait, std::string_view name) = 0;
  virtual Outcome<TenantInfo> delete_tenant(io::Wait& wait, std::string_view name) = 0;
  virtual Outcome<TenantInfo> find_tenant(std::string_view name) const = 0;
  virtual std::vector<TenantInfo> tenants() const = 0;  // by id

  virtual Outcome<Head> head(io::Wait& wait) = 0;
  // Proof documents (docs/format/proof.md): that the entry at `position` is in the log whose head is now; that the log at
  // `to` continues the log at `from`. `event`: the index of an event to spell out.
  virtual Outcome<std::string> prove_inclusion(io::Wait& wait, Position position,
                                               std::optional<std::uint32_t> event) = 0;
  virtual Outcome<std::string> prove_consistency(io::Wait& wait, Position from, Position to) = 0;
  // One step towards other members: who comes in is reached, the change proposed as soon as that makes sense. To be called
  // again until it is done; what is called no more comes to rest where it is. invalid_request: it never will be done.
  virtual Outcome<MembersProgress> change_members(io::Wait& wait, const MembersChange& change) = 0;
  // Gives the lead to `to`, or to whoever can take it best; any node takes the request. Requests wait meanwhile. Who leads
  // now; not_ready: nobody could take it.
  virtual Outcome<NodeId> hand_over(io::Wait& wait, std::optional<NodeId> to) = 0;
  // The newest release that all nodes know becomes the active one; any node takes the request. Which it is now; not_ready: a
  // node does not know what others know, or is not connected.
  virtual Outcome<ActiveRelease> activate_release(io::Wait& wait) = 0;
  virtual NodeStatus status() const = 0;
  // Serves reads and writes: leads, or follows a leader and is not far behind.
  virtual bool is_ready() const = 0;
  virtual const NodeMetrics& metrics() const = 0;

  // Suspends until the node cannot go on (a failed disk): the error; or until stop() began or `wait` ends: fine. The
  // process then exits and recovery decides.
  virtual Status wait_until_failed(io::Wait& wait) = 0;

  // Before stop(), while requests are still served: if it leads, another node takes the lead, if one can. From here on it is
  // not ready.
  virtual void leave(io::Wait& wait) = 0;
  // Finishes what is queued, writes the last mark and checkpoint, ends every fiber of the node. Idempotent. Must have
  // returned before destruction, also after a crash of the world.
  virtual Status stop(io::Wait& wait) = 0;
};

}  // namespace verity::node
