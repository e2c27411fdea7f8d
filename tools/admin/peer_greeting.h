// Says hello at a cluster port, as the nodes do, and hears who is there.
#pragma once

#include "io/base/units.h"
#include "net/peer/hello.h"

#include <optional>
#include <string>

namespace verity::tools {

struct PeerAnswer {
  std::optional<NodeId> node;  // who answered
  std::string problem;         // empty: a node of the cluster that was named, or of any if none was
};

// A hello of nobody. The name is empty: any cluster will do.
peer::Hello hello_of_nobody(std::string cluster_name, Id128 cluster_id, Id128 epoch);

// `socket` does not block and is connected; it stays the caller's.
PeerAnswer greet_peer(int socket, const peer::Hello& hello, Duration patience);

}  // namespace verity::tools
