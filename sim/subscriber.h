// Follows a stream or a whole tenant, leaves and comes back, and must be told everything once and in order.
#pragma once

#include "sim/client.h"

namespace verity::sim {

void follow(io::Wait& wait, Client& client);

}  // namespace verity::sim
