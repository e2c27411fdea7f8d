// What the links to the other nodes have carried, and what went wrong with them, since the process started.
#pragma once

#include "io/base/units.h"

#include <array>
#include <cstdint>
#include <map>
#include <string>

namespace verity::node {

struct LaneTraffic {
  std::uint64_t messages_in = 0;
  std::uint64_t messages_out = 0;
  ByteCount bytes_in = 0;  // with all framing
  ByteCount bytes_out = 0;
  std::uint64_t connections = 0;  // that came about
  std::uint64_t connections_lost = 0;
};

struct PeerTraffic {
  std::array<LaneTraffic, 2> lanes;  // by PeerLane
  // Connections that were refused, by the name of the reason: by this node, and by others.
  std::map<std::string, std::uint64_t> refused;
  std::map<std::string, std::uint64_t> refused_by;
  std::uint64_t connect_failures = 0;
  std::uint64_t handshake_failures = 0;  // neither welcomed nor refused
  std::uint64_t bad_frames = 0;          // connections that were ended for what was in their bytes
  std::uint64_t turned_away = 0;         // strangers, while too many others had not said who they are
};

}  // namespace verity::node
