// --force-recover: the majority of a cluster is destroyed, and one member that is left goes on alone.
//
//   ask the others ─► a majority answers: refused
//        │ else
//        ▼
//   recover the log ─► damage of what is committed: refused
//        │ else
//        ▼
//   state: new epoch, members {self}, entry P to come ─► entry P, a founding, behind everything that was kept
//
// Saving the state is the one moment between the old epoch and the new one: a start that finds the new state and no entry P
// writes it, whether it is asked to recover or not. Whatever the log held is committed with P.
#pragma once

#include "engine/log/recovery.h"
#include "engine/node/members.h"
#include "engine/node/options.h"
#include "engine/node/peer_transport.h"
#include "engine/node/state_file.h"
#include "io/base/result.h"

#include <optional>

namespace verity::io {
class Directory;
class Wait;
struct World;
}  // namespace verity::io

namespace verity::node {

// What the other members said.
struct Survey {
  consensus::MemberSet answered;  // also whoever refused, or has this member's place by now
  Position heard;                 // somebody knows so much to be committed
  NodeId heard_from;
  Position applied;  // and somebody, maybe another, by its hash
  Sha256Digest applied_hash;
  // Of a node that has forgotten what it promised, as its log says. Not told to anybody while they are asked: it may be
  // something that was never committed.
  std::optional<ActiveRelease> release;
};

// Hears the members of the state's cluster for Tuning::recover_hearing. Whoever refuses to talk is alive. `remembered`: this
// node has forgotten what it promised, and its log says so much; then nobody at all may say that it is of a cluster.
// unsupported: a majority of the members, this one included, is alive, or any that has a vote if this node has none, or this
// node is no member any more, and somebody says so;
// invalid_argument: there is nobody to be asked, or this node was removed. The transport is stopped when it returns.
Result<Survey> ask_members(io::Wait& wait, const io::World& world, const NodeOptions& options,
                           io::Directory& meta, DurableState& state, PeerTransport* transport,
                           const std::optional<LogSays>& remembered);

// From the old epoch into a new one, once the log is recovered. corrupt: entries are damaged, wherever: the whole log is read.
Status found_anew(io::Wait& wait, const io::World& world, io::Directory& meta, io::Directory& log_directory,
                  DurableState& state, const log::Recovered& recovered, const Survey& survey);

// The entry that begins the epoch.
log::EntryPtr refounding_entry(const DurableState& state, const Sha256Digest& parent);

// The sentences of state.refounding as a file beside the state, for whoever looks at the directory later.
Status write_recovery_report(io::Wait& wait, io::Directory& meta, const Refounding& refounding);

}  // namespace verity::node
