#include "tools/server/keys.h"

#include "engine/log/segment.h"
#include "io/base/aligned_buffer.h"
#include "io/base/assert.h"
#include "io/base/units.h"

#include <array>

namespace verity::tools {
namespace {

constexpr std::string_view why_no_tls =
    "this version does not speak TLS; keep it on loopback or behind a proxy that does, and leave this key "
    "empty";
constexpr std::string_view why_no_client_certificates =
    "client certificates come with TLS, which this version does not speak; set it to false";
constexpr std::string_view why_no_encryption =
    "this version stores data unencrypted and will not pretend otherwise; set it to false and use an "
    "encrypted "
    "file system";
constexpr std::string_view why_no_tracing = "this version sends no traces; set it to false";

constexpr std::uint64_t hour_ms = 3'600'000;

// Sorted by section as in the guide; row i describes the Key with value i.
constexpr std::array rows = {
    KeyRow{
        .key = Key::bind_address,
        .section = "server",
        .name = "bind_address",
        .environment = "VERITY_BIND_ADDRESS",
        .type = ValueType::address,
        .default_text = "127.0.0.1:7000",
        .meaning =
            "Where clients connect. Anything but loopback needs allow_insecure, because the traffic is not "
            "encrypted. Port 0 takes a free one and names it at start.",
        .flag = {"--bind", "<ADDR>", "Bind address (overrides config)"}},
    KeyRow{
        .key = Key::cluster_address,
        .section = "server",
        .name = "cluster_address",
        .environment = "VERITY_CLUSTER_ADDRESS",
        .type = ValueType::address,
        .default_text = "127.0.0.1:7001",
        .meaning =
            "Where the other nodes of a cluster connect; a node alone listens there only once `verity-admin "
            "cluster add` lets others in. The same rule as for bind_address."},
    KeyRow{
        .key = Key::advertise_address,
        .section = "server",
        .name = "advertise_address",
        .environment = "VERITY_ADVERTISE_ADDRESS",
        .type = ValueType::optional_address,
        .default_text = "",
        .meaning =
            "Where clients reach this node, as the other nodes are told; its host is named to them for the "
            "cluster port, too. Empty: bind_address. Needed when that is 0.0.0.0, or behind a translation of "
            "addresses: else clients of other nodes are not told who leads.",
        .flag = {"--advertise", "<ADDR>", "Address that clients are told"}},
    KeyRow{.key = Key::node_id,
           .section = "server",
           .name = "node_id",
           .environment = "VERITY_NODE_ID",
           .type = ValueType::count,
           .default_text = "1",
           .meaning =
               "The number of this node, another one for each node of a cluster. Node 1 founds it and leads "
               "first.",
           .least = 1,
           .most = 7,
           .flag = {"--node-id", "<ID>", "Node identifier (overrides config)"}},
    KeyRow{.key = Key::cluster_name,
           .section = "server",
           .name = "cluster_name",
           .environment = "VERITY_CLUSTER_NAME",
           .type = ValueType::name,
           .default_text = "production",
           .meaning = "The name a new data directory is founded under; shown in `/status`."},
    KeyRow{
        .key = Key::cluster_peers,
        .section = "server",
        .name = "cluster_peers",
        .environment = "VERITY_CLUSTER_PEERS",
        .type = ValueType::peers,
        .default_text = "",
        .meaning =
            "The cluster_address of each of the other nodes: 2, 4 or 6 of them make a cluster of 3, 5 or 7. "
            "Empty: the node is alone. Names are resolved at every connect.",
        .flag = {"--cluster-peers", "<PEERS>", "Comma-separated peer addresses"}},
    KeyRow{.key = Key::allow_insecure,
           .section = "server",
           .name = "allow_insecure",
           .environment = "VERITY_ALLOW_INSECURE",
           .type = ValueType::boolean,
           .default_text = "false",
           .meaning =
               "Allows addresses other than loopback although nothing on them is encrypted or authenticated.",
           .flag = {"--allow-insecure", "", "Allow addresses other than loopback without TLS"}},
    KeyRow{.key = Key::read_only,
           .section = "server",
           .name = "read_only",
           .environment = "VERITY_READ_ONLY",
           .type = ValueType::boolean,
           .default_text = "false",
           .meaning = "Serves reads and refuses every write.",
           .flag = {"--read-only", "", "Serve reads, refuse writes"}},

    KeyRow{.key = Key::data_dir,
           .section = "storage",
           .name = "data_dir",
           .environment = "VERITY_DATA_DIR",
           .type = ValueType::path,
           .default_text = "/var/lib/verity",
           .meaning = "Where everything is kept. Made if it is missing, readable by its owner only.",
           .flag = {"--data-dir", "<PATH>", "Data directory (overrides config)"}},
    KeyRow{.key = Key::segment_size,
           .section = "storage",
           .name = "segment_size",
           .environment = "VERITY_SEGMENT_SIZE",
           .type = ValueType::size,
           .default_text = "64MB",
           .meaning = "How large a file of the log grows before the next one is begun.",
           .least = log::segment_bytes_min,
           .most = log::segment_bytes_max,
           .multiple_of = AlignedBuffer::alignment},
    KeyRow{.key = Key::sync_mode,
           .section = "storage",
           .name = "sync_mode",
           .environment = "VERITY_SYNC_MODE",
           .type = ValueType::choice,
           .default_text = "fsync",
           .meaning =
               "`fsync`: an acknowledged write is durable. `async`: a write is acknowledged before it is; a "
               "crash or power cut of a node alone, or of a majority of a cluster at once, may lose the last "
               "acknowledged writes.",
           .choices = "fsync, async"},
    KeyRow{.key = Key::io_backend,
           .section = "storage",
           .name = "io_backend",
           .environment = "VERITY_IO_BACKEND",
           .type = ValueType::choice,
           .default_text = "auto",
           .meaning =
               "How files and sockets are reached. `auto`: io_uring, or threads and epoll where the kernel "
               "refuses it; which one it became is said at start and in `/status`. The others insist.",
           .choices = "auto, io_uring, fallback"},

    KeyRow{.key = Key::heartbeat_interval,
           .section = "consensus",
           .name = "heartbeat_interval",
           .environment = "VERITY_HEARTBEAT_INTERVAL",
           .type = ValueType::duration,
           .default_text = "100ms",
           .meaning = "How often a leader is heard from. Shorter than election_timeout_min.",
           .least = 1,
           .most = hour_ms},
    KeyRow{.key = Key::election_timeout_min,
           .section = "consensus",
           .name = "election_timeout_min",
           .environment = "VERITY_ELECTION_TIMEOUT_MIN",
           .type = ValueType::duration,
           .default_text = "150ms",
           .meaning = "The shortest silence of a leader after which another one is looked for. The silence "
                      "that a node waits "
                      "for is drawn anew each time.",
           .least = 1,
           .most = hour_ms},
    KeyRow{.key = Key::election_timeout_max,
           .section = "consensus",
           .name = "election_timeout_max",
           .environment = "VERITY_ELECTION_TIMEOUT_MAX",
           .type = ValueType::duration,
           .default_text = "300ms",
           .meaning = "The longest. At least election_timeout_min.",
           .least = 1,
           .most = hour_ms},
    KeyRow{
        .key = Key::max_entries_per_rpc,
        .section = "consensus",
        .name = "max_entries_per_rpc",
        .environment = "VERITY_MAX_ENTRIES_PER_RPC",
        .type = ValueType::count,
        .default_text = "100",
        .meaning = "How many entries one message between nodes carries; 4 MB at most, whatever the number.",
        .least = 1,
        .most = 1'000'000},
    KeyRow{.key = Key::activate_release_after,
           .section = "consensus",
           .name = "activate_release_after",
           .environment = "VERITY_ACTIVATE_RELEASE_AFTER",
           .type = ValueType::duration,
           .default_text = "24h",
           .meaning =
               "How long all nodes have to run a release before it is activated; until then the one before "
               "can come back. 0s: only `verity-admin cluster activate-release` does it.",
           .least = 0,
           .most = 365 * 24 * hour_ms},

    KeyRow{.key = Key::cache_size,
           .section = "projections",
           .name = "cache_size",
           .environment = "VERITY_CACHE_SIZE",
           .type = ValueType::size,
           .default_text = "1GB",
           .effect = Effect::later,
           .meaning = "Memory for pages of projections.",
           .least = 1 * MiB,
           .most = 64 * 1024 * GiB},
    KeyRow{.key = Key::checkpoint_interval,
           .section = "projections",
           .name = "checkpoint_interval",
           .environment = "VERITY_CHECKPOINT_INTERVAL",
           .type = ValueType::count,
           .default_text = "10000",
           .effect = Effect::later,
           .meaning = "Log entries between two checkpoints of projections.",
           .least = 1,
           .most = 1'000'000'000},

    KeyRow{.key = Key::tls_cert,
           .section = "security",
           .name = "tls_cert",
           .environment = "VERITY_TLS_CERT",
           .type = ValueType::text,
           .default_text = "",
           .effect = Effect::refused,
           .meaning = "The server's certificate.",
           .why = why_no_tls},
    KeyRow{.key = Key::tls_key,
           .section = "security",
           .name = "tls_key",
           .environment = "VERITY_TLS_KEY",
           .type = ValueType::text,
           .default_text = "",
           .effect = Effect::refused,
           .meaning = "The key of the certificate.",
           .why = why_no_tls},
    KeyRow{.key = Key::tls_ca,
           .section = "security",
           .name = "tls_ca",
           .environment = "VERITY_TLS_CA",
           .type = ValueType::text,
           .default_text = "",
           .effect = Effect::refused,
           .meaning = "Whose certificates are accepted.",
           .why = why_no_tls},
    KeyRow{.key = Key::require_client_cert,
           .section = "security",
           .name = "require_client_cert",
           .environment = "VERITY_REQUIRE_CLIENT_CERT",
           .type = ValueType::boolean,
           .default_text = "false",
           .effect = Effect::refused,
           .meaning = "Only clients with a certificate may connect.",
           .why = why_no_client_certificates},

    KeyRow{.key = Key::encryption_enabled,
           .section = "encryption",
           .name = "enabled",
           .environment = "VERITY_ENCRYPTION_ENABLED",
           .type = ValueType::boolean,
           .default_text = "false",
           .effect = Effect::refused,
           .meaning = "Encrypts what is on disk.",
           .why = why_no_encryption},
    KeyRow{.key = Key::kms_provider,
           .section = "encryption",
           .name = "kms_provider",
           .environment = "VERITY_KMS_PROVIDER",
           .type = ValueType::choice,
           .default_text = "local",
           .effect = Effect::later,
           .meaning = "Who keeps the keys.",
           .choices = "local, aws-kms, gcp-kms, azure-keyvault"},
    KeyRow{.key = Key::kms_key_id,
           .section = "encryption",
           .name = "kms_key_id",
           .environment = "VERITY_KMS_KEY_ID",
           .type = ValueType::text,
           .default_text = "",
           .effect = Effect::later,
           .meaning = "Which of the provider's keys."},

    KeyRow{.key = Key::max_tenants,
           .section = "limits",
           .name = "max_tenants",
           .environment = "VERITY_MAX_TENANTS",
           .type = ValueType::count,
           .default_text = "1000",
           .meaning = "How many tenants may exist.",
           .least = 1,
           .most = 1'000'000},
    KeyRow{.key = Key::max_streams_per_tenant,
           .section = "limits",
           .name = "max_streams_per_tenant",
           .environment = "VERITY_MAX_STREAMS_PER_TENANT",
           .type = ValueType::count,
           .default_text = "100000",
           .meaning = "How many streams one tenant may have.",
           .least = 1,
           .most = 1'000'000'000},
    KeyRow{.key = Key::max_record_size,
           .section = "limits",
           .name = "max_record_size",
           .environment = "VERITY_MAX_RECORD_SIZE",
           .type = ValueType::size,
           .default_text = "1MB",
           .meaning = "How large one event with its metadata may be. At most max_batch_size.",
           .least = 1 * KiB,
           .most = 64 * MiB},
    KeyRow{.key = Key::max_batch_size,
           .section = "limits",
           .name = "max_batch_size",
           .environment = "VERITY_MAX_BATCH_SIZE",
           .type = ValueType::size,
           .default_text = "10MB",
           .meaning = "How large the events of one request may be together.",
           .least = 1 * KiB,
           .most = 64 * MiB},

    KeyRow{.key = Key::metrics_address,
           .section = "telemetry",
           .name = "metrics_address",
           .environment = "VERITY_METRICS_ADDRESS",
           .type = ValueType::address,
           .default_text = "127.0.0.1:9090",
           .meaning = "Where Prometheus fetches `/metrics`. The same rule as for bind_address."},
    KeyRow{.key = Key::tracing_enabled,
           .section = "telemetry",
           .name = "tracing_enabled",
           .environment = "VERITY_TRACING_ENABLED",
           .type = ValueType::boolean,
           .default_text = "false",
           .effect = Effect::refused,
           .meaning = "Sends a trace of every request.",
           .why = why_no_tracing},
    KeyRow{.key = Key::tracing_endpoint,
           .section = "telemetry",
           .name = "tracing_endpoint",
           .environment = "VERITY_TRACING_ENDPOINT",
           .type = ValueType::url,
           .default_text = "http://jaeger:14268/api/traces",
           .effect = Effect::later,
           .meaning = "Where traces are sent."},
    KeyRow{.key = Key::log_level,
           .section = "telemetry",
           .name = "log_level",
           .environment = "VERITY_LOG_LEVEL",
           .type = ValueType::choice,
           .default_text = "info",
           .meaning = "The least important messages that are still written.",
           .choices = "trace, debug, info, warn, error",
           .flag = {"--log-level", "<LEVEL>", "Log level: trace, debug, info, warn, error"}},
};

constexpr bool rows_match_keys() {
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (static_cast<std::size_t>(rows[i].key) != i) return false;
  }
  return true;
}
static_assert(rows_match_keys());

std::string compact_bytes(std::uint64_t bytes) {
  std::string text = describe_bytes(bytes);
  std::erase(text, ' ');
  return text;
}

std::string duration_text(std::uint64_t ms) {
  if (ms % hour_ms == 0) return std::to_string(ms / hour_ms) + "h";
  if (ms % 1000 == 0) return std::to_string(ms / 1000) + "s";
  return std::to_string(ms) + "ms";
}

}  // namespace

std::string KeyRow::describe() const {
  return "[" + std::string(section) + "] " + std::string(name);
}

std::string KeyRow::allowed() const {
  switch (type) {
    case ValueType::boolean:
      return "true or false";
    case ValueType::count:
      return "a whole number of " + std::to_string(least) + ".." + std::to_string(most);
    case ValueType::size:
      return "a size of " + compact_bytes(least) + ".." + compact_bytes(most) +
             (multiple_of > 1 ? " in multiples of " + compact_bytes(multiple_of) : "") + ", such as \"" +
             std::string(default_text) + "\" (B, KB, MB, GB; powers of 1024)";
    case ValueType::duration:
      return "a duration of " + duration_text(least) + ".." + duration_text(most) + ", such as \"" +
             std::string(default_text) + "\" (ms, s, m, h)";
    case ValueType::address:
      return "host:port, such as \"" + std::string(default_text) + "\"";
    case ValueType::optional_address:
      return "host:port, such as \"node1:7000\", or empty";
    case ValueType::peers:
      return "host:port addresses separated by commas";
    case ValueType::path:
      return "an absolute path, such as \"" + std::string(default_text) + "\"";
    case ValueType::choice:
      return "one of " + std::string(choices);
    case ValueType::name:
      return "1 to 63 letters, digits, '-', '_' and '.'";
    case ValueType::url:
      return "an http:// or https:// address";
    case ValueType::text:
      return "text of at most 4096 characters without control characters";
  }
  return {};
}

std::span<const KeyRow> key_table() {
  return rows;
}

const KeyRow& row_of(Key key) {
  const auto index = static_cast<std::size_t>(key);
  VERITY_ASSERT(index < rows.size());
  return rows[index];
}

const KeyRow* find_key(std::string_view section, std::string_view name) {
  for (const KeyRow& row : rows) {
    if (row.section == section && row.name == name) return &row;
  }
  return nullptr;
}

const KeyRow* find_environment(std::string_view variable) {
  for (const KeyRow& row : rows) {
    if (row.environment == variable) return &row;
  }
  return nullptr;
}

const KeyRow* find_flag(std::string_view flag) {
  for (const KeyRow& row : rows) {
    if (row.has_flag() && row.flag.name == flag) return &row;
  }
  return nullptr;
}

bool is_section(std::string_view section) {
  for (const KeyRow& row : rows) {
    if (row.section == section) return true;
  }
  return false;
}

}  // namespace verity::tools
