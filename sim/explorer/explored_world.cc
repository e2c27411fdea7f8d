#include "sim/explorer/explored_world.h"

#include <algorithm>
#include <array>

namespace verity::explorer {
namespace {

constexpr std::array worlds = {
    ExploredWorld{.name = "tiny",
                  .what = "a view change and a crash, nothing proposed: for the tests",
                  .view_max = 1,
                  .budget = {.silences = 2, .crashes = 1}},
    ExploredWorld{.name = "small",
                  .what = "one proposal and one view change, disks prompt",
                  .view_max = 1,
                  .budget = {.proposals = 1, .silences = 2},
                  .prompt_disks = true},
    ExploredWorld{.name = "normal",
                  .what = "three nodes, two proposals, a crash, heartbeats",
                  .view_max = 0,
                  .budget = {.proposals = 2, .beats = 2, .crashes = 1}},
    ExploredWorld{.name = "view-change",
                  .what = "three nodes, one proposal, up to two view changes, a crash",
                  .view_max = 2,
                  .budget = {.proposals = 1, .silences = 4, .crashes = 1}},
    ExploredWorld{.name = "damage",
                  .what = "a log that lost its end, over one proposal and a view change",
                  .view_max = 1,
                  .budget = {.proposals = 1, .silences = 2, .beats = 1, .crashes = 2, .damages = 1}},
    ExploredWorld{.name = "late",
                  .what = "a log that lost its end hears what was said before; disks prompt",
                  .view_max = 1,
                  .budget = {.proposals = 1, .silences = 2, .beats = 1, .crashes = 1, .damages = 1},
                  .prompt_disks = true},
    ExploredWorld{
        .name = "lost-log",
        .what = "a node has lost its log, and the start of its view is still on its way; disks prompt",
        .view_max = 2,
        .budget = {.silences = 2},
        .prompt_disks = true,
        .before = "silence 2\nsilence 3\n"
                  "late 2>3 suspect\nwrite 3\n"
                  "late 3>2 vote\nwrite 2\nwrite 2\n"
                  "again 2>3 start-view\nwrite 3\n"
                  "propose 2 p1\nwrite 2\n"
                  "late 2>3 prepare\nwrite 3\nlate 3>2 prepare-ok 2\n"
                  "crash 3\ndamage 3 1\nstart 3\n"},
    ExploredWorld{.name = "replay",
                  .what = "messages delivered again, however late, over a view change",
                  .view_max = 1,
                  .budget = {.proposals = 2, .silences = 2, .beats = 1, .repeats = 2},
                  .prompt_disks = true},
    ExploredWorld{.name = "reads",
                  .what = "a primary asks whether it still leads, while another view begins",
                  .view_max = 1,
                  .budget = {.proposals = 1, .silences = 2, .confirms = 2},
                  .prompt_disks = true},
    ExploredWorld{.name = "leaving",
                  .what = "a primary gives the lead away while it goes on, disks prompt",
                  .view_max = 2,
                  .budget = {.proposals = 2, .repeats = 1, .handovers = 2},
                  .prompt_disks = true},
    ExploredWorld{.name = "wipe",
                  .what = "a disk is lost, over a proposal and a view change; the node comes back",
                  .view_max = 2,
                  .budget = {.proposals = 1, .silences = 4, .beats = 2, .crashes = 1, .wipes = 1},
                  .prompt_disks = true,
                  .tends = true},
    ExploredWorld{.name = "readmit",
                  .what = "a node on a new disk has caught up; it is let in over a view change and a crash",
                  .view_max = 2,
                  .budget = {.proposals = 1, .silences = 4, .beats = 1, .crashes = 1},
                  .prompt_disks = true,
                  .tends = true,
                  .before = "crash 2\nwipe 2\nstart 2\ntend 1\nquiet\n"},
    ExploredWorld{.name = "growth",
                  .what = "one node becomes three, with a proposal, a crash and a view change",
                  .nodes = 1,
                  .blanks = 2,
                  .members = 3,
                  .view_max = 7,
                  .budget = {.proposals = 1, .silences = 3, .beats = 1, .crashes = 1},
                  .tends = true,
                  .before = "tend 1 3\nquiet\n"},
    ExploredWorld{.name = "growth-to-five",
                  .what = "three nodes become five, with a view change",
                  .nodes = 3,
                  .blanks = 2,
                  .members = 5,
                  .view_max = 2,
                  .budget = {.silences = 3, .beats = 1, .crashes = 1},
                  .prompt_disks = true,
                  .tends = true,
                  .before = "tend 1 5\nquiet\n"},
    ExploredWorld{.name = "shrinking",
                  .what = "three nodes become one, with a proposal, a crash and view changes",
                  .members = 1,
                  .view_max = 7,
                  .budget = {.proposals = 1, .silences = 3, .beats = 2, .crashes = 1},
                  .prompt_disks = true,
                  .tends = true},
    ExploredWorld{.name = "five",
                  .what = "five nodes, one proposal, one view change, disks prompt",
                  .nodes = 5,
                  .view_max = 1,
                  .budget = {.proposals = 1, .silences = 3},
                  .prompt_disks = true},
};

}  // namespace

std::span<const ExploredWorld> explored_worlds() {
  return worlds;
}

const ExploredWorld* find_explored_world(std::string_view name) {
  const auto found =
      std::find_if(worlds.begin(), worlds.end(), [&](const auto& w) { return w.name == name; });
  return found == worlds.end() ? nullptr : &*found;
}

}  // namespace verity::explorer
