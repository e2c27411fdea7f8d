// A connection that speaks the native protocol (docs/format/native.md): many requests under way at once, answered as they
// are done.
//
//   fiber of the connection:  socket ─► frames ─► a fiber for each request ─► node
//   fiber "native writer":    answers ─► batch ─► socket
//
// What may be under way is bounded; beyond, nothing more is read, and the client waits in TCP.
#pragma once

#include "io/base/bytes.h"

namespace verity::io {
class Socket;
}

namespace verity::server {

struct Context;

// `begun`: what has been read of the connection already. Returns when nothing more will be sent or taken.
void serve_native(Context& context, io::Socket& socket, ByteView begun);

}  // namespace verity::server
