// What a node does about who the members of its cluster are: keeps the last change in the node's state, and links to whoever it
// names; as the leader, sends the log to newcomers, lets a new disk in for a lost one, and carries out what an operator wants.
//
//   connected, no vote ─► Admit ─► keeps up ─► members entry (joint) ─► committed, arrived ─► settled entry
//
// Decisions are those of engine/consensus/changing_members.cc; this asks for them. All calls on the node's loop; none suspends.
#pragma once

#include "engine/consensus/replica.h"
#include "engine/log/damage.h"
#include "engine/log/entry.h"
#include "engine/node/addresses.h"
#include "engine/node/peer_transport.h"
#include "engine/node/request.h"
#include "engine/node/state_file.h"
#include "io/base/result.h"

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace verity::node {

// Who votes at `committed`, as the state says.
consensus::Membership membership_at(const DurableState& state, Position committed);
// Who votes now, as far as the state says.
consensus::MemberSet members_of(const DurableState& state);
// What the log says of them and of the cluster, up to `through`.
struct LogSays {
  MembersRecord members;
  ActiveRelease release;
  std::string cluster_name;
  Id128 cluster_id;
  consensus::MemberSet founders;
  Timestamp founded_at;
  // Of the last entry; zeros: there is none.
  Id128 epoch;
  Position last;
  View view;                          // the highest of any entry
  std::optional<log::Damage> damage;  // not all of it can be read
};
consensus::MemberSet members_of(const LogSays& says);
Result<LogSays> members_in_log(io::Wait& wait, io::Directory& log_directory, Position through);
// Links to whoever it names with an address.
void reach_members(const MembersRecord& record, NodeId self, PeerTransport& transport);
// Nothing, or that a node with this state has left its cluster, and what to do about it.
Status check_not_removed(const DurableState& state);

class Members {
 public:
  struct Parts {
    const consensus::Replica& replica;
    DurableState& state;
    PeerTransport* transport;         // null: there is nobody else
    std::function<bool()> may_admit;  // others get the log; false: not yet
    std::function<void(const consensus::Input&)> step;
    // False: there is no room for it now.
    std::function<bool(log::EntryKind, ByteView)> propose;
  };
  explicit Members(Parts parts);

  // ---- the state
  // True: what the state says of the members is to be saved.
  bool is_behind() const { return behind_; }
  // The log may say of nothing beyond that it is committed; what is there is told wrongly by the state as it is durable.
  Position commit_limit() const { return behind_ ? limit_ : Position{~std::uint64_t{0}}; }
  // After every step of the replica.
  void look();
  // Into the state, which is about to be saved; saved(): it was.
  void write_down();
  void saved();

  // ---- the others
  void connected(const consensus::Member& peer) { connected_.insert_or_assign(peer.id, peer); }
  // Those that are connected now.
  std::vector<consensus::Member> reachable() const;
  // At every heartbeat.
  void tend(Instant now);
  void propose_settled();
  // Once for as long as it may take: done, or what it waits for. Asked again, it goes on. Of a leader.
  Outcome<MembersProgress> change(const MembersChange& wanted, Instant now);
  // Empty: every change is finished, durably.
  std::string unfinished() const;
  const Addresses& addresses() const { return addresses_; }

 private:
  MembersRecord record() const;
  void learn_addresses();
  std::string_view propose_members(const consensus::MemberSet& voters);
  void admit_newcomers();
  void forget_the_lost();
  void replace_lost_disks();
  // Why nobody can come in as this; empty: somebody can.
  std::string refuse_newcomer(const MembersChange& wanted, NodeId id, const std::string& address) const;
  std::string missing(NodeId id) const;

  const Parts parts_;
  std::map<NodeId, consensus::Member> connected_;  // whoever was connected last under this id
  Addresses addresses_;
  std::uint64_t seen_ = ~std::uint64_t{0};  // changes of the journal's membership
  MembersRecord writing_;
  bool behind_ = false;
  Position limit_;
};

}  // namespace verity::node
