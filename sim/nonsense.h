// Requests that must be refused, and half ones.
#pragma once

#include "sim/client.h"

namespace verity::sim {

void talk_nonsense(io::Wait& wait, Client& client);

}  // namespace verity::sim
