// Long random stories, for what exhaustive search does not reach. A seed is a world with its bounds, and a story in it.
#pragma once

#include "sim/explorer/situation.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace verity::explorer {

// Drawn from the seed: nodes, how often each thing may happen, whether disks are prompt.
ExploredWorld draw_world(std::uint64_t seed);

struct Walk {
  std::vector<Action> actions;  // done so far
  bool failed = false;          // the last one led to a violation, or to a standstill
  bool stands_still = false;    // to that
};
// Why it does not come to go on by itself, should all faults end here, behind the command of a script that shows it; nothing: it
// does, or need not.
std::optional<std::string> why_it_stands_still(const ExploredWorld& world, const Situation& situation);

// Goes on until something is violated, `length` things have happened or nothing can. `walk` is kept up to date, so that
// whoever catches a broken assertion finds the story in it.
void walk_randomly(const ExploredWorld& world, std::uint64_t seed, std::size_t length, Walk& walk);

// A story that fails as well and has nothing that can be left out. fails(): does this story, without what is not possible
// in it, end in a violation?
std::vector<Action> shrink(std::vector<Action> story,
                           const std::function<bool(const std::vector<Action>&)>& fails);

// What a story ends in: the first violation or, if that is what is asked for and there is none, a standstill. What is not
// possible in it is left out.
enum class Flaw : std::uint8_t { violation, standstill };
std::optional<std::string> flaw_of(const ExploredWorld& world, const std::vector<Action>& story, Flaw flaw);

}  // namespace verity::explorer
