// How a node behaves: what the configuration file sets, and constants that the simulator shrinks.
#pragma once

#include "engine/node/release.h"
#include "io/base/ids.h"
#include "io/base/units.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

namespace verity::node {

enum class SyncMode : std::uint8_t {
  fsync,  // acknowledged means durable
  async,  // acknowledged before the flush: a crash may lose the last acknowledgements
};

struct Limits {
  std::uint64_t tenants_max = 1000;
  std::uint64_t streams_per_tenant_max = 100'000;
  ByteCount record_bytes_max = 1 * MiB;  // one event with its metadata
  ByteCount batch_bytes_max = 10 * MiB;  // the events of one request
};

// Not for operators; drawn small by the simulator so that rare things happen often.
struct Tuning {
  ByteCount flush_bytes_max = 1 * MiB;  // entries gathered into one flush, unless a single one is larger
  Duration mark_delay = 5ms;            // quiet time before a mark block is written
  std::uint64_t checkpoint_entries = 100'000;  // entries between checkpoints of indexes and catalogue
  ByteCount checkpoint_bytes = 64 * MiB;       // or log bytes, whichever is first
  std::uint64_t queue_entries_max = 4096;      // proposed and not yet durable; then overloaded
  ByteCount queue_bytes_max = 64 * MiB;
  std::uint64_t idempotency_keys_kept = 100'000;  // per tenant, at least
  Duration idempotency_window = 24h;              // at least
  std::uint64_t idempotency_keys_max =
      200'000;  // per tenant; beyond, new keys are refused while all are young
  // The same on every node, or they would not forget the same.
  std::uint64_t sessions_max = 10'000;        // of clients; the one that wrote longest ago goes
  std::uint64_t session_requests_kept = 256;  // of each, and what a client may have under way
  Duration scrub_pause = 10s;                 // between two rounds of the scrubber
  Duration watch_interval = 1s;               // between two looks of a node at itself
  ByteCount scrub_bytes_per_second = 32 * MiB;
  ByteCount read_cache_bytes = 32 * MiB;
  Duration read_patience = 10s;    // of a read for what this node has not applied yet
  Duration recover_hearing = 10s;  // for so long --force-recover hears the other members
};

// [consensus]: how a cluster notices that its primary is gone, and how much it sends at once.
struct ConsensusOptions {
  Duration heartbeat_interval = 100ms;
  Duration election_timeout_min = 150ms;  // drawn anew each time, uniformly between the two
  Duration election_timeout_max = 300ms;
  std::uint64_t entries_per_message_max = 100;
  ByteCount bytes_per_message_max = 4 * MiB;  // unless one entry alone is larger
  // Larger messages travel on the lane that keeps no heartbeat waiting.
  ByteCount small_message_bytes_max = 64 * KiB;
};

struct NodeOptions {
  NodeId node_id{1};
  std::string cluster_name = "verity";
  SyncMode sync_mode = SyncMode::fsync;
  bool read_only = false;
  bool force_recover = false;          // go on alone: a majority of the members is gone for good
  std::string force_recover_epoch{};   // to be given up; empty: any, unless this node has done it before
  ByteCount segment_bytes = 64 * MiB;  // 64 KB or more
  Limits limits;
  ConsensusOptions consensus;
  Tuning tuning;
  Releases releases = current_releases;
  // How long all nodes have to know a release before it is activated by itself; nothing: an operator says so.
  std::optional<Duration> activate_after = 24h;
  // A start that does not go on says what it waits for; empty: it goes on.
  std::function<void(const std::string& why)> on_waiting;
  std::string client_address;  // where this node serves clients: told to the others
  std::string lock_holder;     // one line left in the lock: "verity-server, process 4711"
};

}  // namespace verity::node
