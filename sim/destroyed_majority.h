// A majority of a cluster is destroyed: all nodes go down at once, one is started with --force-recover, the disks of the others
// are gone. One of them may keep its disk and come up with it: in the epoch that is over it serves nobody, until its directory is
// set aside, too. Then an operator lets all of them in again. The one that is left may have lost its state, and go by its log.
//
// What was acknowledged may be lost as far as the survivor did not hold it when everything went down; what it held it keeps.
#pragma once

#include "io/base/prng.h"
#include "sim/cluster.h"
#include "sim/workload.h"
#include "sim/world.h"

#include <functional>
#include <string>

namespace verity::sim {

class DestroyedMajority {
 public:
  // Runs on until it holds; else the run has failed.
  using Expect = std::function<void(const std::function<bool()>& done, Duration within,
                                    const std::function<std::string()>& otherwise)>;
  DestroyedMajority(World& world, Cluster& cluster, Workload& work, Prng& prng, Expect expect);

  // Returns when an operator is letting the others in again, or the run has failed.
  void go();

 private:
  void run_for(Duration time);
  NodeKeeper& survivor() { return *cluster_.nodes()[survivor_]; }
  bool serves(std::size_t node) const;
  std::vector<std::size_t> voters() const;
  void ask_too_early();
  void destroy();
  void start_relic();
  void forget_promises();
  void come_back_with_old_disk();
  void come_back_blank();

  World& world_;
  Cluster& cluster_;
  Workload& work_;
  Prng& prng_;
  const Expect expect_;
  std::size_t survivor_ = 0;
  std::size_t relic_ = 0;  // keeps its disk for a while; the survivor itself: nobody does
};

}  // namespace verity::sim
