#include "tools/admin/defaults.h"

namespace verity::tools {

AdminDefaults find_defaults(const std::optional<ConfigFile>& file, const Environment& environment) {
  LoadedConfig loaded = load_config(file, environment, {});
  AdminDefaults defaults{
      .server = {}, .data_dir = loaded.config.data_dir, .problems = std::move(loaded.problems)};
  if (const auto named = environment.find("VERITY_SERVER");
      named != environment.end() && !named->second.empty()) {
    defaults.server = named->second;
    return defaults;
  }
  io::Address address = loaded.config.bind_address;
  // A server bound to every address is reached on loopback.
  if (address.host == "0.0.0.0") address.host = "127.0.0.1";
  if (address.host == "::") address.host = "::1";
  defaults.server = address.describe();
  return defaults;
}

}  // namespace verity::tools
