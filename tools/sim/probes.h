// verity-sim --probes: which of the named rare places in the code (io/base/probe.h) the runs came to.
#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace verity::sim_tool {

using ProbeCounts = std::map<std::string, std::uint64_t>;

// Of this process.
ProbeCounts count_probes();
// How often each was reached; those that never were come last.
void print_probes(const ProbeCounts& probes);

}  // namespace verity::sim_tool
