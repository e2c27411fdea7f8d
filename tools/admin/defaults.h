// Which server and which data directory verity-admin means when it is not told.
#pragma once

#include "tools/server/config.h"

#include <optional>
#include <string>
#include <vector>

namespace verity::tools {

struct AdminDefaults {
  std::string server;  // "127.0.0.1:7000"
  std::string data_dir;
  // What is wrong with the server's configuration; the defaults then come from what is right in it.
  std::vector<std::string> problems;
};

// `file` is the server's configuration, if there is one. VERITY_SERVER, then the address the server binds.
AdminDefaults find_defaults(const std::optional<ConfigFile>& file, const Environment& environment);

}  // namespace verity::tools
