// The HTTP interface: which path does what. Knows requests and responses, not connections. docs/http.md is
// its manual.
#pragma once

#include "net/http/message.h"

namespace verity::io {
class Wait;
}

namespace verity::server {

struct Context;

// Fills in `response`; may suspend while the node works. Every request gets an answer.
void handle_client_request(io::Wait& wait, Context& context, const http::Request& request,
                           http::Response& response);

// The same for the metrics listener, which knows GET /metrics alone.
void handle_metrics_request(io::Wait& wait, Context& context, const http::Request& request,
                            http::Response& response);

}  // namespace verity::server
