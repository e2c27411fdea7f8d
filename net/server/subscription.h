// Subscriptions: a stream's or a tenant's events as server-sent events, past ones first, then as they come,
// without a gap or a repetition. A stream need not exist yet, its tenant does. Each carries its token as `id:`, so that a client resumes with
// Last-Event-ID.
#pragma once

#include "engine/node/request.h"

#include <string>

namespace verity::http {
struct Response;
}
namespace verity::io {
class Wait;
}

namespace verity::server {

struct Context;

struct SubscriptionRequest {
  std::string tenant;
  std::string stream;   // empty: the whole tenant
  std::string subject;  // empty: all
  node::ReadFrom from{};
};

// Reads the first page, so that what is wrong with the request is still an ordinary answer; then lets the
// response stream. The stream ends when the server stops, the reader is gone, or the node refuses (then with
// one event of type "error" whose data is the problem document).
void start_subscription(io::Wait& wait, Context& context, SubscriptionRequest request,
                        http::Response& response);

}  // namespace verity::server
