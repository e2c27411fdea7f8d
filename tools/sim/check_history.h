// verity-sim --check-history: a history of real servers goes through the checkers of the simulator.
#pragma once

#include <string>

namespace verity::sim_tool {

// Of the file at `path`, as sim/recorded_history.h has it. 0: it can be true; 1: it cannot; 2: there is no such file.
int check_history(const std::string& path);

}  // namespace verity::sim_tool
