// verity-sim --shrink: looks for the smallest scenario that still fails as this one does, and tells its story.
#pragma once

#include "tools/sim/options.h"

namespace verity::sim_tool {

// Bounded by options.minutes (5 if not given). The exit status of the program: 0 if the scenario does not fail.
int shrink_and_print(const Options& options, const sim::Scenario& scenario);

}  // namespace verity::sim_tool
