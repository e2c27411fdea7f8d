// How the server listens and how patient it is. Defaults are for production; the simulator and tests draw
// their own.
#pragma once

#include "io/base/units.h"
#include "io/network.h"

#include <cstdint>
#include <optional>
#include <string>

namespace verity::server {

struct ServerOptions {
  io::Address client_address{"127.0.0.1", 7000};
  std::optional<io::Address> metrics_address;  // a second listener that serves GET /metrics alone

  // Shown in /status.
  std::string version = "0.1.0";
  std::string io_backend = "unknown";

  std::uint32_t connections_max = 1024;
  std::uint32_t metrics_connections_max = 32;

  ByteCount header_bytes_max = 16 * KiB;
  ByteCount batch_bytes_max = 10 * MiB;  // as the node's limit; bodies may be larger by their framing
  // Request bodies and answers in memory at one time, over all connections; beyond, requests are refused with
  // 429.
  ByteCount memory_bytes_max = 64 * MiB;
  ByteCount read_page_bytes_max = 1 * MiB;
  ByteCount subscription_page_bytes_max = 256 * KiB;

  // What a connection of the native protocol may have under way.
  std::uint32_t native_requests_max = 256;
  ByteCount native_bytes_max = 16 * MiB;
  // What all of them together may; beyond, requests are refused as overloaded. Each costs a fiber, whose stack takes two of
  // the process's memory maps (vm.max_map_count is 65 530 by default).
  std::uint32_t native_requests_all_max = 8192;

  Duration header_timeout = 10s;      // from its first byte to the end of its header
  Duration body_idle_timeout = 30s;   // between two pieces of a body, which also needs 1 KB/s on average
  Duration write_idle_timeout = 30s;  // until the peer takes another piece of an answer
  Duration keep_alive_timeout = 75s;  // between two requests
  Duration heartbeat_interval = 15s;  // of subscriptions
  Duration stop_patience = 10s;       // for what is under way when the server stops

  // What a body may measure: a batch and its JSON around it.
  ByteCount body_bytes_max() const { return batch_bytes_max + batch_bytes_max / 4 + 64 * KiB; }
};

}  // namespace verity::server
