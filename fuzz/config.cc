// The text of a configuration file.
//
// Whatever it is: every problem names a place, and a file that is accepted can be written down again as --validate
// shows it, line by line, with the same meaning.
#include "tools/server/config.h"

#include "fuzz/fuzz_input.h"

#include <string>

namespace {

using namespace verity;
using namespace verity::tools;

constexpr std::string_view path = "c.toml";

std::string written_down(const ServerConfig& config) {
  std::string text;
  std::string_view section;
  for (const KeyRow& row : key_table()) {
    if (row.section != section) text += "[" + std::string(row.section) + "]\n";
    section = row.section;
    text += std::string(row.name) + " = " + describe_value(row, config.settings.at(row.key).value) + "\n";
  }
  return text;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  const LoadedConfig loaded = load_config(ConfigFile{std::string(path), text}, {}, {});
  for (const std::string& problem : loaded.problems) {
    FUZZ_CHECK(problem.starts_with(std::string(path) + ":"));
    FUZZ_CHECK(problem.find('\n') == std::string::npos);
  }
  if (!loaded.problems.empty()) return 0;
  FUZZ_CHECK(!describe_config(loaded.config).empty());
  const LoadedConfig again = load_config(ConfigFile{std::string(path), written_down(loaded.config)}, {}, {});
  FUZZ_CHECK(again.problems.empty());
  for (const auto& [key, setting] : loaded.config.settings) {
    FUZZ_CHECK(again.config.settings.at(key).value == setting.value);
  }
  return 0;
}
