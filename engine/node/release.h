// Releases: whole numbers that rise whenever what nodes write, on disk or to one another, changes so that the program before
// cannot read it. A program knows all from its oldest to its newest; which of them its cluster writes is said by the log
// (activation.h). docs/operations/upgrading.md tells operators.
#pragma once

#include "io/base/ids.h"

#include <cstdint>

namespace verity::node {

struct Releases {
  std::uint32_t oldest = 1;
  std::uint32_t newest = 1;

  constexpr bool knows(std::uint32_t release) const { return oldest <= release && release <= newest; }
};

// The release that a node writes, and the entry that activated it; 0: the cluster was founded in it.
struct ActiveRelease {
  std::uint32_t number = 1;
  Position at;

  bool operator==(const ActiveRelease&) const = default;
};

// Every cluster is founded in this one.
inline constexpr std::uint32_t first_release = 1;
// What the programs of this tree know.
inline constexpr Releases current_releases{1, 1};
// With the release in the making, which tests and the simulator run beside the current one.
inline constexpr Releases next_releases{1, 2};

}  // namespace verity::node
