// Creates the tenants and, if the plan says so, deletes the last one again and again beside everybody's traffic. Nothing
// of a deleted tenant may be found; what is created under its name begins anew.
#pragma once

#include "sim/client.h"

namespace verity::sim {

void keep_tenants(io::Wait& wait, Client& client);

}  // namespace verity::sim
