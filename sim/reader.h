// Reads pages, heads and status, and judges each answer by what was known before it was asked for.
#pragma once

#include "sim/client.h"

namespace verity::sim {

void read_events(io::Wait& wait, Client& client);
void ask_head(io::Wait& wait, Client& client);
void ask_status(io::Wait& wait, Client& client);

}  // namespace verity::sim
