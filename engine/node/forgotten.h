// A node that has forgotten what it promised: it has its log, and is nobody until a member of the cluster that the log is of tells
// it that there is one. Then it follows as a newcomer, with what the log holds as committed; or an operator has it go on alone.
// Operators: docs/operations/forgotten-promises.md.
#pragma once

#include "engine/node/members.h"
#include "engine/node/options.h"
#include "engine/node/state_file.h"
#include "io/base/result.h"

namespace verity::io {
class Wait;
struct World;
}  // namespace verity::io

namespace verity::node {

struct Opened;
class PeerTransport;

// Returns when it is a newcomer, durably; says now and then whom it waits for. corrupt: the log is of an epoch that is over;
// nothing was changed. unsupported: this is an older copy that was put back.
Status find_own_cluster(io::Wait& wait, const io::World& world, const NodeOptions& options, Opened& opened,
                        PeerTransport& transport);

// corrupt: the log is of another epoch than the cluster, and to be set aside.
Status check_epoch(const LogSays& says, const Id128& epoch);

// What the whole log says goes into the state, for --force-recover; nothing is saved. corrupt: it is damaged, or of another cluster or
// node.
Result<LogSays> go_by_log(io::Wait& wait, io::Directory& log_directory, DurableState& state);

}  // namespace verity::node
