// The commands of verity-admin as arguments; the library that parses them is not seen outside command_line.cc.
#pragma once

#include "tools/server/config.h"

namespace verity::tools {

// Parses, runs, and returns the exit code.
int run_admin(int count, const char* const* arguments, const Environment& environment);

}  // namespace verity::tools
