// Every key of the configuration, once: where it stands, what it may be, and what it does. Parsing, --help,
// the search for the nearest known key, --validate and docs/configuration.md are all made from this table.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace verity::tools {

enum class Key : std::uint8_t {
  bind_address,
  cluster_address,
  advertise_address,
  node_id,
  cluster_name,
  cluster_peers,
  allow_insecure,
  read_only,
  data_dir,
  segment_size,
  sync_mode,
  io_backend,
  heartbeat_interval,
  election_timeout_min,
  election_timeout_max,
  max_entries_per_rpc,
  activate_release_after,
  cache_size,
  checkpoint_interval,
  tls_cert,
  tls_key,
  tls_ca,
  require_client_cert,
  encryption_enabled,
  kms_provider,
  kms_key_id,
  max_tenants,
  max_streams_per_tenant,
  max_record_size,
  max_batch_size,
  metrics_address,
  tracing_enabled,
  tracing_endpoint,
  log_level,
};

enum class ValueType : std::uint8_t {
  boolean,           // true or false
  count,             // a whole number of KeyRow::least..most
  size,              // bytes, or a number with KB, MB, GB (powers of 1024), of least..most
  duration,          // "100ms", "5s"; least..most in milliseconds
  address,           // host:port
  optional_address,  // host:port, or empty
  peers,             // addresses separated by commas; a list in the file
  path,              // absolute when it stands in the file
  choice,            // one of KeyRow::choices
  name,              // 1..63 letters, digits, '-', '_' and '.'
  url,               // http:// or https://
  text,
};

// What setting a key does in this version.
enum class Effect : std::uint8_t {
  now,
  later,    // checked, and named at start as having no effect yet
  refused,  // only its off value is accepted; KeyRow::why says why
};

struct Flag {
  std::string_view name;     // "--bind"
  std::string_view metavar;  // "<ADDR>"; empty: a switch that means true
  std::string_view help;
};

struct KeyRow {
  Key key;
  std::string_view section;
  std::string_view name;
  std::string_view environment;
  ValueType type;
  std::string_view default_text;  // as it would be written in the environment
  Effect effect = Effect::now;
  std::string_view meaning;
  std::uint64_t least = 0;  // count, size (bytes), duration (ms)
  std::uint64_t most = 0;
  std::uint64_t multiple_of = 1;  // size
  std::string_view choices{};     // "fsync, async"
  std::string_view why{};         // for refused
  Flag flag{};                    // without a name: the key has no flag

  bool has_flag() const { return !flag.name.empty(); }
  // "[server] bind_address"
  std::string describe() const;
  // What is allowed, for messages and for the documentation: "a whole number of 1..7".
  std::string allowed() const;
};

// In the order of the file's sections.
std::span<const KeyRow> key_table();
const KeyRow& row_of(Key key);

const KeyRow* find_key(std::string_view section, std::string_view name);
const KeyRow* find_environment(std::string_view variable);
const KeyRow* find_flag(std::string_view flag);
bool is_section(std::string_view section);

// The `--help` text of verity-server.
std::string help_text();
// docs/configuration.md, whole.
std::string configuration_document();

}  // namespace verity::tools
