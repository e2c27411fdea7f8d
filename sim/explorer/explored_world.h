// What an exploration is about: how many nodes, and how often each thing may happen. Messages may take any time and any
// order; one that is never delivered is one that was lost, so losses need no bound.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace verity::explorer {

// What may still happen.
struct Budget {
  std::uint8_t proposals = 0;
  std::uint8_t silences = 0;   // election timeouts
  std::uint8_t beats = 0;      // heartbeat intervals
  std::uint8_t crashes = 0;    // each keeps any number of the writes under way; starts are free
  std::uint8_t repeats = 0;    // messages delivered while a copy waits on
  std::uint8_t damages = 0;    // of a log, from any position on, while the node is down
  std::uint8_t confirms = 0;   // questions whether a primary still leads
  std::uint8_t handovers = 0;  // a primary is to give the lead to another, any
  std::uint8_t wipes = 0;      // of the disk of a node that is down, while the membership stands it

  bool operator==(const Budget&) const = default;
};

struct ExploredWorld {
  std::string_view name;
  std::string_view what;
  std::size_t nodes = 3;
  std::size_t blanks = 0;      // nodes after them that are no members yet
  std::size_t members = 0;     // the first so many are to be the members; 0: those who are
  std::uint64_t view_max = 0;  // nobody looks for a later one
  Budget budget;
  bool prompt_disks = false;  // every write is durable at once
  bool tends = false;         // at its heartbeats a primary lets in who is there, and sees to `members`
  std::size_t batch = 0;      // entries in one message; 0: many
  // The story so far, as commands of engine/consensus/testing/script.h behind "cluster".
  std::string_view before = {};
};

std::span<const ExploredWorld> explored_worlds();
// Null: there is none of that name.
const ExploredWorld* find_explored_world(std::string_view name);

}  // namespace verity::explorer
