#include "sim/latency_trial.h"

#include "engine/node/node.h"
#include "sim/network.h"

#include <algorithm>
#include <iterator>
#include <map>

namespace verity::sim {
namespace {

constexpr int factor_max = 3;
constexpr Duration patience = 60s;
// Far apart, so that appends do not queue behind one another at their clients.
constexpr Duration interval = 20ms;
constexpr int troubles_per_run = 3;

}  // namespace

LatencyTrial::LatencyTrial(World& world, Cluster& cluster, Workload& work, const Scenario& scenario,
                           Prng& prng, Expect expect)
    : world_(world),
      cluster_(cluster),
      work_(work),
      scenario_(scenario),
      prng_(prng),
      expect_(std::move(expect)) {}

std::string LatencyTrial::host(std::size_t node) const {
  return scenario_.address_of(node + 1).host;
}

void LatencyTrial::note(const std::string& line) {
  world_.trace().line(world_.now(), "world", "latency " + line);
  report_ += line + "\n";
}

// Looks now and then: there is much to look at.
void LatencyTrial::until(const std::function<bool()>& done, const std::function<std::string()>& otherwise) {
  const Instant end = world_.now() + patience;
  while (!world_.failure() && !done()) {
    if (world_.now() >= end) return world_.fail(otherwise());
    run_for(interval);
  }
}

void LatencyTrial::run_for(Duration time) {
  const Instant end = world_.now() + time;
  expect_([&] { return world_.now() >= end; }, time + 1s, [] { return "time stands still"; });
}

std::size_t LatencyTrial::leader() const {
  const auto leads = [](const auto& node) {
    return node->host().is_ready() && node->host().node()->status().state == "leader";
  };
  const auto& nodes = cluster_.nodes();
  return static_cast<std::size_t>(std::find_if(nodes.begin(), nodes.end(), leads) - nodes.begin());
}

std::size_t LatencyTrial::draw_follower() {
  return (leader() + prng_.between(1, cluster_.size() - 1)) % cluster_.size();
}

// What slowed a node down is over, what it held up has arrived, and its clients have made up for what they missed.
void LatencyTrial::until_all_follow() {
  run_for(500ms);
  const auto follows = [](const auto& node) {
    return node->host().is_ready() && !node->host().node()->status().is_syncing;
  };
  const auto is_level = [&] {
    std::map<std::uint64_t, Instant> last;
    for (const TimedAppend& append : work_.timed_appends()) last[append.client] = append.due;
    const auto is_behind = [&](const auto& client) { return client.second + 2 * interval < world_.now(); };
    return leader() < cluster_.size() && std::ranges::all_of(cluster_.nodes(), follows) &&
           std::ranges::none_of(last, is_behind);
  };
  until(is_level, [&] { return "the nodes do not all follow one leader: " + cluster_.describe(); });
}

// ---- measuring

std::vector<TimedAppend> LatencyTrial::due_between(Instant begin, Instant end,
                                                   std::optional<std::size_t> but) const {
  std::vector<TimedAppend> appends;
  std::ranges::copy_if(work_.timed_appends(), std::back_inserter(appends), [&](const TimedAppend& append) {
    return append.due >= begin && append.due < end && (!but || append.node != *but + 1);
  });
  return appends;
}

Latencies LatencyTrial::measure(const std::string& what, std::optional<std::size_t> but, Duration lasts) {
  const Instant begin = world_.now();
  run_for(lasts);
  const Instant end = world_.now();
  // Until all of them are answered things stay as they are.
  const auto is_answered = [](const TimedAppend& append) { return append.took.has_value(); };
  until([&] { return std::ranges::all_of(due_between(begin, end, but), is_answered); },
        [&] {
          return "an append is not acknowledged within " + std::to_string(patience / 1s) + " s: " + what +
                 ": " + cluster_.describe();
        });
  if (world_.failure()) return {};
  std::vector<Duration> taken;
  for (const TimedAppend& append : due_between(begin, end, but)) taken.push_back(*append.took);
  const Latencies latencies = Latencies::of(std::move(taken));
  note(what + ": " + latencies.describe());
  return latencies;
}

void LatencyTrial::hold(const std::string& what, std::optional<std::size_t> but) {
  if (world_.failure()) return;
  const Latencies now = measure(what, but, scenario_.faults.lasts);
  if (world_.failure() || now.p99 <= factor_max * healthy_.p99) return;
  world_.fail("appends take more than " + std::to_string(factor_max) + " times as long because " + what +
              ": " + now.describe() + "; healthy: " + healthy_.describe());
}

// ---- what may happen to one node

void LatencyTrial::take_a_follower_down(std::size_t node) {
  cluster_.nodes()[node]->stay_down();
  hold(host(node) + ", a follower, is down", node);
  cluster_.nodes()[node]->start_now();
  hold(host(node) + ", a follower, comes back", node);
  until_all_follow();
}

void LatencyTrial::slow_disk(std::size_t node) {
  const bool leads = node == leader();
  DiskOptions& disk = cluster_.nodes()[node]->host().disk().options();
  disk.slowness = prng_.between(5, 100);
  hold("the disk of " + host(node) + (leads ? ", the leader, is " : ", a follower, is ") +
           std::to_string(disk.slowness) + " times as slow",
       leads ? std::nullopt : std::optional(node));
  disk.slowness = 1;
  until_all_follow();
}

void LatencyTrial::slow_links(std::size_t node) {
  const std::uint64_t times = prng_.between(5, 50);
  world_.network().slow_down(host(node), times);
  hold("the links of " + host(node) + ", a follower, are " + std::to_string(times) + " times as slow", node);
  world_.network().slow_down(host(node), 1);
  until_all_follow();
}

Duration LatencyTrial::failover_bound() const {
  return 2 * scenario_.setup.node.consensus.election_timeout_max + 10 * healthy_.p99;
}

void LatencyTrial::kill_the_leader() {
  const std::size_t node = leader();
  const Duration bound = failover_bound();
  cluster_.nodes()[node]->stay_down();
  const Latencies meanwhile =
      measure(host(node) + ", the leader, is killed and another one takes over", node, 2 * bound);
  if (world_.failure()) return;
  if (meanwhile.max > bound) {
    return world_.fail("an append takes longer than the lead may take to pass on, which is " +
                       std::to_string(bound / 1ms) + " ms: " + meanwhile.describe());
  }
  hold(host(node) + ", which was the leader, is down", node);
  cluster_.nodes()[node]->start_now();
  hold(host(node) + ", which was the leader, comes back", node);
  until_all_follow();
}

void LatencyTrial::go() {
  cluster_.heal();
  until_all_follow();
  work_.start_timed(cluster_.size() < 5 ? 2 : 1, interval);
  run_for(500ms);
  if (world_.failure()) return;
  healthy_ = measure("nothing is wrong", std::nullopt, scenario_.faults.lasts);
  for (int left = troubles_per_run; left > 0 && !world_.failure(); --left) {
    switch (prng_.below(5)) {
      case 0:
        take_a_follower_down(draw_follower());
        break;
      case 1:
        slow_disk(draw_follower());
        break;
      case 2:
        slow_links(draw_follower());
        break;
      case 3:
        slow_disk(leader());
        break;
      default:
        kill_the_leader();
    }
  }
}

}  // namespace verity::sim
