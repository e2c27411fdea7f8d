// One seed, in this process: its verdict and its digest; its trace as text and as a page to look at; and, if it fails, the
// smallest scenario that fails in the same way.
#pragma once

#include "tools/sim/options.h"

namespace verity::sim_tool {

// The exit status of the program.
int run_single(const Options& options);

}  // namespace verity::sim_tool
