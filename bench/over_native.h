// Appends through the native protocol and its client, to the nodes of a cluster that runs already.
#pragma once

#include "bench/load.h"

#include "io/base/ids.h"
#include "io/base/result.h"
#include "io/network.h"

#include <cstdint>
#include <functional>
#include <vector>

namespace verity::io {
class Runtime;
}

namespace verity::bench {

// Clients share `connections` of them, each with a session of its own.
Result<Figures> append_over_native(io::Runtime& runtime, const std::vector<io::Address>& nodes,
                                   std::uint64_t connections, const Load& load);

// How long after `kill` has returned an append is acknowledged that was submitted afterwards. Then the stream must hold
// exactly what was acknowledged, in this call and before: corrupt, if something is lost or there twice.
Result<Duration> time_of_failover(io::Runtime& runtime, const std::vector<io::Address>& nodes,
                                  const std::function<void(NodeId leader)>& kill,
                                  std::uint64_t& acknowledged);

}  // namespace verity::bench
