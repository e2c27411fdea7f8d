// Asks for proofs, checks them as a third party would, without the server, and compares what they prove with what the
// history knows: roots and hashes of heads, and the bytes of events.
#pragma once

#include "sim/client.h"

namespace verity::sim {

void ask_inclusion(io::Wait& wait, Client& client);
void ask_consistency(io::Wait& wait, Client& client);

}  // namespace verity::sim
