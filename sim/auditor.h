// Reads everything that every tenant has and compares it with the history.
#pragma once

#include "sim/client.h"

namespace verity::sim {

// Retries until it has been answered for all of it. False: it was cut short, or the run has failed.
bool audit(io::Wait& wait, Client& client);

}  // namespace verity::sim
