// What time it is, as a majority of the nodes' clocks shows it (Marzullo 1984), so that one clock that is wrong dates nothing.
//
//      this node   ──────[──────|──────]─────────────────────────►      each clock: what it shows, and how far it may be off
//      node 2      ────────[────|────────]───────────────────────►
//      node 3      ───────────────────────────────────[──|──]────►      not believed
//                          [ agreed    ]
//
// A reading of another clock is taken between question and answer, so it is wrong by at most half of what that took, plus
// drift since, plus what clocks that are well may differ by. If this node's own clock lies within what a majority agrees on, it
// is believed as it is; else the nearest end is. Pure: time comes in.
#pragma once

#include "io/base/ids.h"
#include "io/base/units.h"

#include <cstdint>
#include <map>
#include <optional>
#include <string>

namespace verity::node {

class ClusterClock {
 public:
  // What clocks that are well may differ by.
  static constexpr Duration tolerance = 500ms;
  // Older readings count for nothing: that clock may have been set since.
  static constexpr Duration reading_age_max = 10s;

  // Another node's clock showed `theirs` at some moment between `sent` and `received` of the monotonic clock here.
  void take(NodeId peer, Instant sent, Instant received, Timestamp theirs);

  struct Time {
    Timestamp now;           // to be believed
    Duration offset{};       // of it from what the own clock shows
    bool is_agreed = false;  // a majority says so, now
    bool is_known = false;   // from a majority of the clocks, now or earlier
    std::size_t read = 0;    // clocks, the own one included
  };
  // `own`: what the clock of this node shows at `now`. `nodes`: of the cluster, this one included. `last`: the latest time that
  // anything is dated; while no majority agrees, it tells which clocks cannot be right.
  Time read(Instant now, Timestamp own, std::size_t nodes, Timestamp last);

 private:
  struct Reading {
    std::int64_t base = 0;  // their time of day less the monotonic time here, ns
    Duration error{};
    Instant taken;
  };

  std::map<NodeId, Reading> readings_;
  std::optional<std::int64_t> agreed_base_;  // when a majority agreed last
};

}  // namespace verity::node
