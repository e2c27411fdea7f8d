// Long random stories, for what exhaustive search does not reach. A seed is a world with its bounds, and a story in it.
#pragma once

#include "sim/explorer/situation.h"

#include <cstdint>
#include <functional>
#include <vector>

namespace verity::explorer {

// Drawn from the seed: nodes, how often each thing may happen, whether disks are prompt.
ExploredWorld draw_world(std::uint64_t seed);

struct Walk {
  std::vector<Action> actions;  // done so far
  bool failed = false;          // the last one led to a violation
};
// Goes on until something is violated, `length` things have happened or nothing can. `walk` is kept up to date, so that
// whoever catches a broken assertion finds the story in it.
void walk_randomly(const ExploredWorld& world, std::uint64_t seed, std::size_t length, Walk& walk);

// A story that fails as well and has nothing that can be left out. fails(): does this story, without what is not possible
// in it, end in a violation?
std::vector<Action> shrink(std::vector<Action> story,
                           const std::function<bool(const std::vector<Action>&)>& fails);

// Plays what is possible of a story up to the first violation; what was played goes to `played`.
bool ends_in_violation(const ExploredWorld& world, const std::vector<Action>& story,
                       std::vector<Action>* played = nullptr);

}  // namespace verity::explorer
