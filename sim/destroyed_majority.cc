#include "sim/destroyed_majority.h"

#include "engine/node/node.h"
#include "sim/network.h"

#include <algorithm>

namespace verity::sim {
namespace {

constexpr Duration patience = 120s;

}  // namespace

DestroyedMajority::DestroyedMajority(World& world, Cluster& cluster, Workload& work, Prng& prng,
                                     Expect expect)
    : world_(world), cluster_(cluster), work_(work), prng_(prng), expect_(std::move(expect)) {}

void DestroyedMajority::run_for(Duration time) {
  const Instant end = world_.now() + time;
  expect_([&] { return world_.now() >= end; }, time + 1s, [] { return "time stands still"; });
}

bool DestroyedMajority::serves(std::size_t node) const {
  const NodeHost& host = cluster_.nodes()[node]->host();
  return host.is_ready() && host.node()->status().state == "leader";
}

void DestroyedMajority::go() {
  cluster_.heal();
  expect_([&] { return cluster_.is_ready() && cluster_.is_serving(); }, patience,
          [&] { return "the nodes are not up before a majority is destroyed: " + cluster_.describe(); });
  if (world_.failure()) return;
  const std::vector<std::size_t> voters = this->voters();
  survivor_ = voters.at(prng_.below(voters.size()));
  relic_ = prng_.chance(1, 2) ? prng_.below(cluster_.size()) : survivor_;
  if (voters.size() == cluster_.size() && prng_.chance(1, 3)) ask_too_early();
  run_for(prng_.exponential(300ms));
  // What the others acknowledge from here on it will not hold.
  if (prng_.chance(1, 2)) cluster_.isolate(survivor_, prng_.between(1, 3));
  run_for(prng_.exponential(300ms));
  if (world_.failure()) return;
  destroy();
  if (relic_ != survivor_) come_back_with_old_disk();
  come_back_blank();
}

// A newcomer counts for no majority, and as it lacks an unknown part of the log it is nobody's choice.
std::vector<std::size_t> DestroyedMajority::voters() const {
  std::vector<std::size_t> voters;
  for (std::size_t i = 0; i < cluster_.size(); ++i) {
    if (cluster_.nodes()[i]->host().node()->status().state != "learner") voters.push_back(i);
  }
  return voters;
}

// A majority is alive, with it: it has to find that out, and to change nothing.
void DestroyedMajority::ask_too_early() {
  std::uint64_t away = prng_.below((cluster_.size() - 1) / 2 + 1);
  for (std::size_t i = 0; i < cluster_.size(); ++i) {
    if (i == survivor_ || away == 0) continue;
    cluster_.nodes()[i]->stay_down();
    --away;
  }
  survivor().stay_down();
  // Whoever has forgotten what it promised may not go on beside anybody who has not.
  if (cluster_.is_durable() && prng_.chance(1, 3)) survivor().lose_state();
  survivor().recover_too_early();
  expect_([&] { return survivor().was_refused_too_early(); }, patience,
          [&] { return "--force-recover was not refused: " + cluster_.describe(); });
  cluster_.heal();
  expect_([&] { return cluster_.is_ready() && cluster_.is_serving(); }, patience,
          [&] { return "a node does not come back after it was refused: " + cluster_.describe(); });
  if (world_.failure()) return;
  const std::vector<std::size_t> left = voters();  // it may have been let in as another member, or not yet
  survivor_ = left.at(prng_.below(left.size()));
}

void DestroyedMajority::destroy() {
  world_.trace().line(world_.now(), "world",
                      "a majority is destroyed; " + survivor().host().address().host + " is left");
  for (const auto& node : cluster_.nodes()) node->stay_down();
  world_.network().mend();
  run_for(1s);  // what they have said arrives
  if (world_.failure()) return;
  // One more that is left is no majority of five; it is asked what it knows.
  const bool asks_relic = relic_ != survivor_ && cluster_.size() > 3 && prng_.chance(1, 2);
  if (asks_relic) {
    start_relic();
  } else {
    forget_promises();
  }
  if (world_.failure()) return;
  work_.forget_after(survivor().recover_by_force(prng_.below(4)));
  expect_([&] { return serves(survivor_); }, patience,
          [&] { return "the node that is left does not go on alone: " + cluster_.describe(); });
}

// It still answers reads that may be stale, of a history that is over.
void DestroyedMajority::start_relic() {
  world_.network().cut({"clients", cluster_.nodes()[relic_]->host().address().host});
  cluster_.nodes()[relic_]->start_as_relic();
}

// Sometimes nobody is a member any more: the one that is left has its log, and nothing else to go by.
void DestroyedMajority::forget_promises() {
  if (!prng_.chance(1, 3)) return;
  survivor().lose_state();
  if (prng_.chance(1, 2)) {
    survivor().start_now();  // as usual: it waits for a member
    run_for(prng_.exponential(500ms));
    if (!world_.failure() && serves(survivor_)) world_.fail("a node without promises serves by itself");
  }
  survivor().stay_down();
}

void DestroyedMajority::come_back_with_old_disk() {
  const NodeHost& relic = cluster_.nodes()[relic_]->host();
  if (!relic.is_running()) start_relic();
  run_for(3s);
  if (world_.failure()) return;
  if (relic.is_ready() || !serves(survivor_))
    world_.fail("a node of the epoch that is over takes part: " + cluster_.describe());
  world_.network().mend();
}

void DestroyedMajority::come_back_blank() {
  std::vector<std::uint64_t> others;
  for (std::size_t i = 0; i < cluster_.size(); ++i) {
    if (i == survivor_) continue;
    cluster_.nodes()[i]->lose_disk();
    others.push_back(i + 1);
  }
  work_.let_in(others);
}

}  // namespace verity::sim
