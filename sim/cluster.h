// The nodes of one run with their keepers: one, or a cluster. Says which of them a disturbance hits, cuts the links
// between them, and heals them: first a majority, which must do without the rest, then everybody.
#pragma once

#include "io/base/prng.h"
#include "sim/history.h"
#include "sim/node_keeper.h"
#include "sim/release_judge.h"
#include "sim/scenario.h"
#include "sim/world.h"

#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace verity::sim {

class Cluster {
 public:
  Cluster(World& world, History& history, const Scenario& scenario, Prng& prng);

  std::vector<std::unique_ptr<NodeKeeper>>& nodes() { return nodes_; }
  std::size_t size() const { return nodes_.size(); }

  // As for each keeper.
  void look_after();
  bool has_ended() const;
  Instant next_start() const;
  void end();
  void start_now();
  void verify_directories();

  void disturb(Disturbance what);
  // From and to all others; `ways`: 1 only from it, 2 only to it, 3 both.
  void isolate(std::size_t node, std::uint64_t ways);
  // A majority of those that are members already: nothing is wrong with them or between them from here on. What becomes of
  // the rest is drawn. Everybody, while the cluster is still being founded.
  void heal_majority();
  void heal();

  // A node is ready, and in a cluster leads.
  bool is_ready() const;
  // One of them is left without room for the log to grow.
  bool has_full_disk() const;
  bool is_serving() const;  // each of them
  // All have committed and applied the same, nothing else lies in their logs, and what was found damaged is repaired.
  bool is_level() const;
  bool is_in_first_view() const;
  // Nobody forgets what it promised because it was killed.
  bool is_durable() const { return scenario_.setup.node.sync_mode == node::SyncMode::fsync; }
  bool has_refused_rightly() const;
  bool may_stay_damaged() const;
  bool is_read_only() const;
  bool allows(std::string_view code) const;
  std::string refusal() const { return nodes_.front()->refusal(); }
  std::string describe() const;
  std::uint64_t boots() const;
  std::uint64_t damages() const;
  std::uint64_t pauses() const;

 private:
  // Whom a disk may harm: a minority, so that every entry keeps a good copy where a majority can be made of.
  NodeKeeper& draw_for_damage();
  // A node that is not harmed otherwise loses old entries that all others of that kind hold: each kind of position is lost
  // by one of them at most.
  bool rot_a_share();
  // One that helped to acknowledge loses the end of its log while another that did is away, and whoever was cut off is back.
  void lose_an_end();
  NodeKeeper& draw() { return *nodes_[nodes_.size() == 1 ? 0 : prng_.below(nodes_.size())]; }
  std::string host(std::size_t node) const { return nodes_[node]->host().address().host; }
  // Every change of the members is finished, and every member has its disk.
  bool stands_a_lost_disk() const;
  bool everybody_hears(const NodeKeeper& node) const;
  void lose_a_disk();
  // As it would any disturbance, unless that took what it has promised from more nodes than the others stand.
  void crash(NodeKeeper& node, Disturbance how);
  void set_one_of_the_clocks();
  bool is_time_for(std::size_t node) const;
  void watch_releases();
  void cut_links();
  void mend_one_by_one();

  World& world_;
  const History& history_;
  const Scenario& scenario_;
  Prng& prng_;
  Prng links_prng_;
  std::set<std::size_t> harmed_;    // nodes whose logs may be damaged
  const bool members_change_;       // in this run
  const bool newcomers_are_early_;  // they run before there is a cluster to come to
  ReleaseJudge releases_;
  const bool upgrades_in_the_end_;  // all nodes, when they heal
  bool is_taken_back_ = false;      // once
  std::vector<std::unique_ptr<NodeKeeper>> nodes_;
};

}  // namespace verity::sim
