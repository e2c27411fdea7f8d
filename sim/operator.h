// Lets the nodes of a growing cluster in, as verity-admin does: asks again and again until it is done, whatever happens
// meanwhile.
#pragma once

#include "sim/client.h"

namespace verity::sim {

void let_nodes_in(io::Wait& wait, Client& client, const std::vector<std::uint64_t>& nodes);
// Now and then activates the newest release that all nodes know.
void activate_releases(io::Wait& wait, Client& client);

}  // namespace verity::sim
