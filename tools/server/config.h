// What verity-server was told to do, by whom, and everything that is wrong with it. Pure: file text,
// environment and arguments are handed in.
//
//   defaults ─► file ─► environment ─► flags ─► checks between keys ─► ServerConfig
//                 └────────┴─────────────┴────────────┴─► problems, all of them
#pragma once

#include "engine/node/options.h"
#include "io/logger.h"
#include "io/network.h"
#include "tools/server/keys.h"
#include "tools/server/values.h"

#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace verity::tools {

// What the command line asks for; the keys it sets stand in `settings` until they are checked with the
// others.
struct CommandLine {
  enum class Action : std::uint8_t { run, validate, help, version };
  Action action = Action::run;
  std::optional<std::string> config_path;
  // No key: whoever leaves it in a file or an environment would do it again.
  bool force_recover = false;
  std::string force_recover_epoch;  // the value, if it has one
  std::map<Key, std::string> settings;
  std::vector<std::string> problems;  // wrong use: unknown flag, missing value, given twice
};

CommandLine parse_command_line(std::span<const std::string_view> arguments);

struct ConfigFile {
  std::string path;  // as given, for messages
  std::string text;
};

using Environment = std::map<std::string, std::string>;

struct Setting {
  Value value;
  std::string origin = "default";  // "config.toml:12", "environment VERITY_NODE_ID", "flag --node-id"
  bool given = false;              // by anybody
};

enum class IoBackend : std::uint8_t { automatic, io_uring, fallback };

struct ServerConfig {
  io::Address bind_address;
  io::Address metrics_address;
  io::Address cluster_address;
  std::optional<io::Address> advertise_address;  // else bind_address is told
  std::vector<io::Address> cluster_peers;        // empty: the node is alone
  bool allow_insecure = false;                   // addresses beyond loopback without TLS
  std::string data_dir;
  io::LogLevel log_level = io::LogLevel::info;
  IoBackend io_backend = IoBackend::automatic;
  node::NodeOptions node;  // all but lock_holder

  std::map<Key, Setting> settings;  // every key
};

struct LoadedConfig {
  ServerConfig config;                // to be used only when there are no problems
  std::vector<std::string> problems;  // "place: what is wrong; what is allowed"
  std::vector<std::string> notes;     // accepted, but not what one might think
};

LoadedConfig load_config(const std::optional<ConfigFile>& file, const Environment& environment,
                         const std::map<Key, std::string>& flags);

// Keys somebody set that have no effect in this version, as "[consensus] heartbeat_interval".
std::vector<std::string> keys_acting_later(const ServerConfig& config);

// What --validate prints when nothing is wrong: every key that acts, with its origin, then those that act
// later.
std::string describe_config(const ServerConfig& config);

}  // namespace verity::tools
