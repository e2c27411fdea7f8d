// Roles that use the client library's own code (net/client) over the native protocol: appends under a session, many at once,
// and a follower that never misses an event. What the client says about an outcome is taken at its word: "nothing was
// done" is checked like a refusal, also after attempts that were lost.
#pragma once

#include "sim/client.h"

namespace verity::sim {

void append_natively(io::Wait& wait, Client& client);
void follow_natively(io::Wait& wait, Client& client);

}  // namespace verity::sim
