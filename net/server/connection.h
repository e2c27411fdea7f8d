// One client connection: recognises what is spoken, then answers one HTTP request after the other, in order,
// until either side has had enough.
//
//   first bytes ─► header ─► body ─► handler ─► answer ─┐
//                    ▲                                   │ keep-alive; pipelined requests are already there
//                    └───────────────────────────────────┘
//
// Every wait for the peer has a limit, so that a slow, silent or vanished one costs a bounded time.
#pragma once

#include <cstdint>
#include <memory>

namespace verity::io {
class Socket;
}

namespace verity::server {

struct Context;

enum class ListenerKind : std::uint8_t { client, metrics };

// Returns when the connection is closed. Runs on a fiber of its own.
void serve_connection(Context& context, std::unique_ptr<io::Socket> socket, ListenerKind kind);

// Tells one connection too many that it is, and closes it.
void refuse_connection(Context& context, std::unique_ptr<io::Socket> socket);

}  // namespace verity::server
