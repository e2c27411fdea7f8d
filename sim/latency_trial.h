// The latency oracle: what one node that is down, slow, or comes back may cost the appends of clients of the other nodes.
//
//   healthy ─► three of: a follower goes down and comes back; its disk is slow; its links are slow;
//                      the leader's disk is slow; the leader is killed and comes back
//
// The p99 meanwhile is at most three times that of the healthy cluster, in the same world: a majority without the slow one is as
// fast. While the lead passes on, no append takes longer than failover_bound(), and the p99 is as it was afterwards. A leader
// behind slow links is not held to that: everything an append needs crosses them. Clients of the node itself are not counted, but
// for the leader with the slow disk: entries are durable on the others, and that is all an append needs.
#pragma once

#include "io/base/prng.h"
#include "sim/cluster.h"
#include "sim/stopwatch.h"
#include "sim/workload.h"
#include "sim/world.h"

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace verity::sim {

class LatencyTrial {
 public:
  // Runs on until it holds; else the run has failed.
  using Expect = std::function<void(const std::function<bool()>& done, Duration within,
                                    const std::function<std::string()>& otherwise)>;
  LatencyTrial(World& world, Cluster& cluster, Workload& work, const Scenario& scenario, Prng& prng,
               Expect expect);

  // Returns when all nodes are well again, or the run has failed.
  void go();
  // One line for each of the above.
  const std::string& report() const { return report_; }

 private:
  // What becomes of appends that are due from now on, while things are as they are; of clients of all nodes but one.
  Latencies measure(const std::string& what, std::optional<std::size_t> but, Duration lasts);
  // The same, and that it stays within the factor.
  void hold(const std::string& what, std::optional<std::size_t> but);
  std::vector<TimedAppend> due_between(Instant begin, Instant end, std::optional<std::size_t> but) const;
  void until(const std::function<bool()>& done, const std::function<std::string()>& otherwise);
  void run_for(Duration time);
  std::size_t leader() const;
  std::size_t draw_follower();
  std::string host(std::size_t node) const;
  void until_all_follow();
  void note(const std::string& line);

  void take_a_follower_down(std::size_t node);
  void slow_disk(std::size_t node);
  void slow_links(std::size_t node);
  void kill_the_leader();
  // One election timeout until the silence is noticed, another for all the rest, which disks and links have their part in.
  Duration failover_bound() const;

  World& world_;
  Cluster& cluster_;
  Workload& work_;
  const Scenario& scenario_;
  Prng& prng_;
  const Expect expect_;
  Latencies healthy_;
  std::string report_;
};

}  // namespace verity::sim
