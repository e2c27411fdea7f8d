// What a node may hold at one time: open files, sockets, fibers, queued entries and bytes, sessions; whatever clients, other nodes
// and faults do. A leak passes the bound sooner or later, and much sooner the bound for a node at rest.
//
// When the clients have gone a node comes to rest: it holds what it needs for itself and its links. That nothing at all is held by
// one that has ended is checked where it ends (NodeHost, Run).
#pragma once

#include "io/base/units.h"
#include "sim/cluster.h"
#include "sim/scenario.h"
#include "sim/world.h"

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace verity::sim {

class ResourceJudge {
 public:
  ResourceJudge(World& world, Cluster& cluster, const Scenario& scenario);

  // Now and then: looks at every node that runs, and fails the run when one holds too much.
  void look();
  // All nodes that run have come to rest; if not, what the first one holds.
  bool are_at_rest() const { return describe_unrest().empty(); }
  std::string describe_unrest() const;
  // "at most 14 files, 9 sockets, ... at one time on one node"
  std::string describe() const;

 private:
  enum What : std::uint8_t { files, sockets, fibers, queue_entries, queue_bytes, sessions };
  static constexpr std::size_t count = 6;
  using Amounts = std::array<std::uint64_t, count>;

  Amounts held_by(const NodeHost& host) const;
  Amounts allowed() const;
  Amounts allowed_at_rest() const;

  World& world_;
  Cluster& cluster_;
  const Scenario& scenario_;
  Instant next_look_{};
  Amounts most_{};
};

}  // namespace verity::sim
