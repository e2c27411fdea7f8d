// The life of verity-server after its configuration was found good: world, data directory, node, listeners, until a
// signal ends it.
//
//   open data ─► recover ─► listen ─► serve … SIGTERM, SIGINT ─► stop accepting ─► answer what is under way ─► exit 0
//                                                          a second signal ends the process at once
#pragma once

#include "tools/server/config.h"

#include <string>
#include <vector>

namespace verity::tools {

// Returns the exit code of the process: 0 after a signal, 1 when it could not start or stop cleanly.
int serve(const ServerConfig& config, const std::vector<std::string>& notes);

}  // namespace verity::tools
