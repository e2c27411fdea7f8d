// Makes a blank node a member of a cluster that is being founded: drives engine/consensus/founding.h over the links and the
// node's durable state.
#pragma once

#include "engine/consensus/founding.h"
#include "engine/node/peer_transport.h"
#include "engine/node/release.h"
#include "engine/node/state_file.h"
#include "io/base/result.h"

namespace verity::io {
class Directory;
class Wait;
struct World;
}  // namespace verity::io

namespace verity::node {

// The identity that `state` says.
NodeIdentity identity_of(const DurableState& state, const Releases& known);
// The record that made this node a member.
consensus::FoundingRecord founding_record(const DurableState& state);

// The end of a node whose data directory is an older copy that was put back: its state says so from now on.
Error outdated_error(NodeId node);
Status leave_outdated(io::Wait& wait, io::Directory& meta, DurableState& state);

// One claim to be a member may be late news of a disk that is gone; whoever repeats it is there.
inline constexpr int claims_believed = 4;
// Durably of a cluster that exists already: a newcomer has no vote before the members have let it in.
Status join_as_newcomer(io::Wait& wait, const io::World& world, io::Directory& meta, DurableState& state,
                        const consensus::FoundingRecord& cluster);

// unsupported: this is an old copy, of before the founding. Returns when state.is_member, durably: of the new cluster, or, without
// a vote so far, of one that exists already. Says now and then whom it waits for.
Status found_cluster(io::Wait& wait, const io::World& world, io::Directory& meta, DurableState& state,
                     PeerTransport& transport);

}  // namespace verity::node
