// What the process was given: its environment and the configuration file. For mains only.
#pragma once

#include "io/base/result.h"
#include "tools/server/config.h"

#include <string>

namespace verity::tools {

Environment process_environment();

// not_found: there is no such file.
Result<ConfigFile> read_config_file(const std::string& path);

}  // namespace verity::tools
