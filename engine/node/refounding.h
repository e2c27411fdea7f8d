// What --force-recover has done here: the members were gone, and this node went on alone in an epoch of its own
// (docs/operations/force-recover.md). Kept in the node's state for as long as its data directory lives.
#pragma once

#include "engine/consensus/member.h"
#include "io/base/ids.h"
#include "io/base/units.h"

#include <optional>
#include <string>
#include <vector>

namespace verity::node {

struct Refounding {
  Position at;  // of the founding entry that begins the new epoch; everything before it was kept
  Timestamp founded_at;
  Id128 epoch;
  Id128 epoch_before;
  consensus::MemberSet members_before;
  consensus::MemberSet answered;  // of them, while they were asked
  Position committed;             // this node knew that much to be committed
  // Up to here what it holds is what was committed: it knew so, or somebody who knew holds the same, by its hash.
  Position confirmed;
  bool contradicted =
      false;  // somebody knew another entry than this node's to be committed, beyond `confirmed`
  // Its log was found damaged, and from here on it may have lost what it had acknowledged.
  std::optional<Position> unknown_from;
  // Somebody said that so much was committed; 0: nobody said anything.
  Position heard;
  NodeId heard_from;

  bool operator==(const Refounding&) const = default;

  Position kept() const { return Position{at.value - 1}; }
  // For an operator: what was done, what was kept, and what may be lost.
  std::vector<std::string> sentences() const;
};

}  // namespace verity::node
