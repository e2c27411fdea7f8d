// Who listens on a TCP port of this machine, as far as /proc tells: so that "address already in use" can name
// the process to look at.
#pragma once

#include <cstdint>
#include <string>

namespace verity::io {

// "process 4711 (verity-server)"; or what is known when the process cannot be seen. Blocks: reads /proc.
std::string describe_port_holder(std::uint16_t port);

}  // namespace verity::io
