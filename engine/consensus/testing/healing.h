// What becomes of a cluster once nothing goes wrong any more: everybody runs, writes are completed, messages arrive in their
// order, and timers pass as the driver lets them pass. However bad things were before, it then has to go on.
#pragma once

#include "engine/consensus/testing/model_cluster.h"

#include <cstdint>
#include <optional>
#include <string>

namespace verity::consensus::testing {

struct Healing {
  // The first so many nodes are to be the voters, if all are there; 0: those that are.
  std::size_t members = 0;
  // Stays as it is: a minority need not come back.
  std::optional<NodeId> away;
  // Of the election timeouts; of which messages under way are lost: all, some or none; of how slow bulk is.
  std::uint64_t seed = 0;

  // As a command of script.h.
  std::string describe() const;
};

// Nothing: after a while one node leads, every change of the members is settled, every member has its disk, and a new entry
// is committed at all of them. Else what is missing. `rounds` tells how many heartbeat intervals it took.
std::optional<std::string> what_does_not_heal(ModelCluster& cluster, const Healing& how,
                                              int* rounds = nullptr);

// False: more logs may have lost entries than the cluster promises to stand (docs/faults.md), so that it may have to wait for
// ever.
bool has_to_heal(const ModelCluster& cluster);

}  // namespace verity::consensus::testing
