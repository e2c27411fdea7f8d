// What the server itself counts. Shown by net/server/metrics.h.
#pragma once

#include "net/http/message.h"

#include <cstdint>
#include <map>
#include <utility>

namespace verity::server {

struct ServerCounters {
  // By method and status; both come from short lists, so that a client cannot make this grow.
  std::map<std::pair<http::Method, int>, std::uint64_t> requests;
  std::uint64_t connections = 0;          // open now
  std::uint64_t connections_refused = 0;  // over the limit
  std::uint64_t subscriptions = 0;        // open now
  std::uint64_t native_connections = 0;   // open now, of those above
  std::uint64_t native_requests = 0;      // taken
};

}  // namespace verity::server
