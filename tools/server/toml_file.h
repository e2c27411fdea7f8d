// The configuration file as a flat list of what stands in it. The TOML library is not seen outside
// toml_file.cc.
#pragma once

#include "tools/server/values.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace verity::tools {

struct FileSetting {
  std::string section;  // "server"; of a nested table "server.inner"; empty: before any section
  std::string name;
  RawValue value;
  std::uint32_t line = 0;
};

struct TomlFile {
  std::vector<FileSetting> settings;  // in the order of the file
  // When the text is not TOML: what the parser says, and where. Then there are no settings.
  std::string syntax_error;
  std::uint32_t error_line = 0;
};

TomlFile parse_toml(std::string_view text);

}  // namespace verity::tools
