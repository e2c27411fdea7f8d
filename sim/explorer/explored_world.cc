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
    ExploredWorld{
        .name = "delayed-vote",
        .what = "a leader's disk is lost; a vote for it is still on its way, and who leads before lets it in",
        .view_max = 1,
        .budget = {.silences = 3, .beats = 2},
        .prompt_disks = true,
        .tends = true,
        .before = "cut 1-2\ncut 1-3\nsilence 2\nsilence 3\nkeep 3>2 vote\nrun\nagain 3>2 vote\nquiet\n"
                  "propose 2 p\nquiet\ncrash 2\nwipe 2\nstart 2\nheal\ncut 1-3\ncut 2-3\n"
                  "tend 1\nquiet\ntend 1\nquiet\n"},
    ExploredWorld{.name = "delayed-vote-five",
                  .what = "the same with five nodes",
                  .nodes = 5,
                  .view_max = 1,
                  .budget = {.silences = 3, .beats = 2},
                  .prompt_disks = true,
                  .tends = true,
                  .before = "cut 1-2\ncut 1-3\ncut 1-4\ncut 5-2\ncut 5-3\ncut 5-4\n"
                            "silence 2\nsilence 3\nsilence 4\nkeep 3>2 vote\nrun\nagain 3>2 vote\nquiet\n"
                            "propose 2 p\nquiet\ncrash 2\nwipe 2\nstart 2\nheal\n"
                            "cut 1-3\ncut 1-4\ncut 5-3\ncut 5-4\ncut 2-3\ncut 2-4\n"
                            "tend 1\nquiet\ntend 1\nquiet\n"},
    ExploredWorld{
        .name = "two-changes",
        .what = "a leader that was deposed lets in a new disk, for one of those that have deposed it",
        .view_max = 2,
        .budget = {.silences = 4, .beats = 1},
        .prompt_disks = true,
        .tends = true,
        .before = "cut 1-2\ncut 1-3\nsilence 2\nsilence 3\nquiet\npropose 2 p\nquiet\n"
                  "crash 3\nwipe 3\nstart 3\nheal\ncut 1-2\ncut 3-2\ntend 1\nquiet\ntend 1\nquiet\n"},
    ExploredWorld{.name = "two-wipes",
                  .what = "a node came back on a new disk, and another disk is lost",
                  .view_max = 2,
                  .budget = {.proposals = 1, .silences = 3, .beats = 3, .crashes = 1, .wipes = 1},
                  .prompt_disks = true,
                  .tends = true,
                  .before = "crash 2\nwipe 2\nstart 2\ntend 1\nquiet\ntend 1\nquiet\ntend 1\nquiet\n"},
    ExploredWorld{
        .name = "wipe-and-damage",
        .what = "a disk is lost, and the end of another node's log",
        .view_max = 2,
        .budget = {.proposals = 1, .silences = 3, .beats = 3, .crashes = 2, .damages = 1, .wipes = 1},
        .prompt_disks = true,
        .tends = true},
    ExploredWorld{
        .name = "old-answer",
        .what = "a primary leads again, while an answer to what it said before is still on its way",
        .view_max = 8,
        .budget = {.proposals = 1, .silences = 2, .beats = 1},
        .prompt_disks = true,
        .before =
            "hold 1\ncut 1>2\nkeep 3>1 prepare-ok\npropose 1 a\nquiet\ncrash 1\nrelease 1\nstart 1\nheal\n"
            "cut 3-1\ncut 3-2\nsilence 1\nsilence 2\nquiet\nsilence 1\nsilence 2\nquiet\n"
            "silence 1\nsilence 2\nquiet\n"},
    ExploredWorld{
        .name = "growth-damaged",
        .what = "three become five; who alone knows what is committed loses the end of its log",
        .nodes = 3,
        .blanks = 2,
        .members = 5,
        .view_max = 1,
        .budget = {.silences = 3, .beats = 2},
        .prompt_disks = true,
        .before =
            "grow 1\nquiet\nbeat 1\nquiet\ncut 1>3\nkeep 2>1 prepare-ok\nkeep 4>1 prepare-ok\n"
            "keep 5>1 prepare-ok\nvoters 1 1,2,3,4,5\nquiet\ncut 1>2\npropose 1 e\nquiet\n"
            "cut 1>4\ncut 1>5\nhold 1\nlate 2>1 prepare-ok\nlate 4>1 prepare-ok\nlate 5>1 prepare-ok\nquiet\n"
            "crash 1\ndamage 1 3\nrelease 1\nstart 1\nheal\n"},
    ExploredWorld{.name = "growth-wiped",
                  .what = "three become five, and a disk is lost",
                  .nodes = 3,
                  .blanks = 2,
                  .members = 5,
                  .view_max = 2,
                  .budget = {.proposals = 1, .silences = 3, .beats = 8, .crashes = 1, .wipes = 1},
                  .prompt_disks = true,
                  .tends = true},
    ExploredWorld{
        .name = "missed-growth",
        .what = "three became five while the third was away, and the first two stop",
        .nodes = 3,
        .blanks = 2,
        .view_max = 9,
        .budget = {.silences = 3, .beats = 3},
        .prompt_disks = true,
        .before = "propose 1 p\nquiet\ngrow 1\nquiet\nbeat 1\nquiet\ncut 1-3\ncut 2-3\nvoters 1 1,2,3,4,5\n"
                  "quiet\nbeat 1\nquiet\ncrash 1\ncrash 2\nheal\n"},
    ExploredWorld{
        .name = "longest-leaver",
        .what = "five become three; who leaves has the longest log, and the first stops",
        .nodes = 5,
        .view_max = 9,
        .budget = {.silences = 4, .beats = 2},
        .prompt_disks = true,
        .before =
            "propose 1 p\nbeat 1\nquiet\nkeep 4>1 prepare-ok\nkeep 5>1 prepare-ok\nkeep 3>1 prepare-ok\n"
            "voters 1 1,2,3\nquiet\ncut 1>2\ncut 1>3\npropose 1 x\nrun\nheal\ncut 1>3\ncut 1>4\ncut 1>5\n"
            "late 4>1 prepare-ok\nlate 3>1 prepare-ok\ncut 1>2\nrun\nheal\ncut 1>3\ncut 1>4\ncut 1>5\n"
            "keep 1>2 prepare\nbeat 1\nrun\ncrash 1\nheal\n"},
    ExploredWorld{
        .name = "knowing-leavers",
        .what = "five become three, and only those who leave know that it is committed",
        .nodes = 5,
        .view_max = 9,
        .budget = {.silences = 4, .beats = 2},
        .prompt_disks = true,
        .before =
            "propose 1 p\nbeat 1\nquiet\nkeep 2>1 prepare-ok\nkeep 3>1 prepare-ok\nvoters 1 1,2,3\nquiet\n"
            "cut 1>2\ncut 1>3\nlate 2>1 prepare-ok\nlate 3>1 prepare-ok\nrun\nbeat 1\nrun\ncrash 1\nheal\n"},
    ExploredWorld{
        .name = "replaced-end",
        .what = "the log of a node ends in what was replaced since by something committed",
        .view_max = 9,
        .budget = {.silences = 4, .beats = 2},
        .prompt_disks = true,
        .before =
            "hold 1\ncut 1-2\npropose 1 x\nquiet\ncrash 3\ncrash 1\nheal\nrelease 1\nstart 1\nsilence 1\n"
            "silence 2\nquiet\npropose 2 y\nquiet\ncrash 1\nstart 3\nkeep 2>3 fetched\n"
            "silence 2\nsilence 3\nquiet\n"},
    ExploredWorld{
        .name = "late-answer",
        .what = "a node is to get the log of a view; an answer of an earlier view is still on its way",
        .view_max = 8,
        .budget = {.silences = 1, .beats = 3},
        .prompt_disks = true,
        .batch = 1,
        .before = "cut 1-2\ncut 1-3\npropose 1 x\nquiet\nheal\ncut 2-1\ncut 2-3\n"
                  "keep 1>3 fetched\nsilence 1\nsilence 3\nquiet\nsilence 1\nsilence 3\nquiet\n"
                  "heal\ncut 1-2\ncut 1-3\nbeat 3\nquiet\nsilence 2\nsilence 3\nquiet\n"
                  "silence 2\nsilence 3\nquiet\nkeep 2>3 start-view\nkeep 2>3 prepare\n"
                  "keep 2>3 heartbeat\nsilence 2\nsilence 3\nquiet\nheal\ncut 1-3\nbeat 2\n"
                  "quiet\npropose 2 y\npropose 2 z\nquiet\nbeat 2\nquiet\n"},
    ExploredWorld{
        .name = "late-round",
        .what =
            "a leader that was deposed is asked whether it leads; answers to an older round are on their way",
        .view_max = 1,
        .budget = {.silences = 1, .beats = 2, .confirms = 2},
        .prompt_disks = true,
        .before = "keep 2>1 prepare-ok\nkeep 3>1 prepare-ok\nconfirm 1 9\nquiet\ncut 1-2\ncut 1-3\n"
                  "silence 2\nsilence 3\nquiet\npropose 2 p\nquiet\nheal\n"},
    ExploredWorld{.name = "lost-end",
                  .what = "a log has lost what one other has; a heartbeat of before is still on its way",
                  .view_max = 1,
                  .budget = {.silences = 2, .beats = 2},
                  .prompt_disks = true,
                  .before = "keep 1>3 heartbeat\nbeat 1\ncut 1-2\npropose 1 p\nquiet\ncrash 3\ndamage 3 2\n"
                            "start 3\nkeep 1>3 prepare\nquiet\nheal\n"},
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
