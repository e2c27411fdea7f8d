// Many seeds, in worker processes, because libraries keep state per process.
#pragma once

#include "tools/sim/options.h"

namespace verity::sim_tool {

// Ends with the first failure and the line that replays it. The exit status of the program.
int run_many(const Options& options);

}  // namespace verity::sim_tool
