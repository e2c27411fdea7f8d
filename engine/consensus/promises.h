// What a node may never forget. It is durable before anybody is told of it, and no part of it ever goes back.
#pragma once

#include "engine/consensus/member.h"

#include <optional>
#include <string>

namespace verity::consensus {

struct Promises {
  // The latest view the node has heard of and agreed to.
  View view;
  // The one member whose log of `view` the node will take: who its vote names, or who led it. None in view 0 of a
  // founded cluster, whose log is the founding record alone.
  std::optional<Member> primary;
  // The view whose log this node holds. Smaller than `view` while a view change is under way.
  View log_view;
  // Positions from here on may have been acknowledged although the log no longer holds them.
  std::optional<Position> unknown_from;

  bool operator==(const Promises&) const = default;
  // "view=3 primary=2:0a1b2c3d log_view=2 unknown=-"
  std::string describe() const;
};

}  // namespace verity::consensus
