// What the seed of a scenario decides, part by part (sim/scenario.h). Each part has a generator of its own, so that another draw
// in one of them changes nothing in the others.
#pragma once

#include "io/base/prng.h"
#include "sim/scenario.h"

#include <cstdint>

namespace verity::sim {

inline Duration microseconds(std::uint64_t count) {
  return Duration(static_cast<std::int64_t>(count) * 1000);
}
inline Duration milliseconds(std::uint64_t count) {
  return microseconds(count * 1000);
}

// The constants of a node, small enough that a few hundred requests meet every boundary.
NodeSetup draw_setup(Prng prng);
WorkloadPlan draw_work(Prng prng);
// The faults of a node alone.
void draw_swarm(Prng prng, Scenario& scenario);
// What only a node with others has.
void draw_cluster(Prng prng, Scenario& scenario);
// One of the ways in which a disk says what is not so.
DamageClass draw_lie(Prng& prng);

}  // namespace verity::sim
