#include "sim/run.h"

#include "engine/node/node.h"
#include "sim/history.h"
#include "sim/network.h"
#include "sim/node_keeper.h"
#include "sim/workload.h"
#include "sim/world.h"

#include <algorithm>
#include <numeric>

namespace verity::sim {
namespace {

// How long a healed node may take until it answers, and the clients until they are done.
constexpr Duration liveness_bound = 120s;
constexpr Duration quiet_bound = 120s;

class Run {
 public:
  Run(const Scenario& scenario, const Trace::Sink& sink)
      : scenario_(scenario),
        world_({.seed = scenario.seed, .trace_sink = sink, .ready_swaps = scenario.ready_swaps}),
        prng_(world_.prng("disturbances")),
        history_([this](const std::string& what) { world_.fail(what); }),
        node_(world_, history_, scenario_, prng_),
        work_(world_, history_, scenario_, [this](std::string_view code) { return node_.allows(code); }) {
    world_.network().options() = scenario_.network;
  }

  RunResult go();

 private:
  bool is_over() const { return world_.failure().has_value() || node_.has_refused_rightly(); }
  // Runs on until `done` or `until`, looking after the node meanwhile.
  bool run_until(const std::function<bool()>& done, Instant until);
  // As run_until() with a bound; when that is passed, the run has failed.
  void expect(const std::function<bool()>& done, Duration within,
              const std::function<std::string()>& otherwise);

  void let_faults_happen();
  void disturb();
  void heal();
  void check_liveness();
  void audit(std::string_view which);
  void start_once_more();
  void end();
  RunResult result();

  const Scenario scenario_;
  World world_;
  Prng prng_;
  History history_;
  NodeKeeper node_;
  Workload work_;
  bool probe_answered_ = false;
};

bool Run::run_until(const std::function<bool()>& done, Instant until) {
  while (!is_over()) {
    node_.look_after();
    if (is_over()) return false;
    if (done()) return true;
    if (world_.now() >= until) return false;
    const Instant step = std::min(until, node_.next_start());
    world_.run_until([&] { return done() || node_.has_ended(); }, step);
    // With nothing left to happen the time would stand still.
    if (!world_.failure() && !done() && world_.now() < step && !node_.has_ended())
      world_.run_for(step - world_.now());
  }
  return false;
}

void Run::expect(const std::function<bool()>& done, Duration within,
                 const std::function<std::string()>& otherwise) {
  if (!run_until(done, world_.now() + within) && !is_over()) world_.fail(otherwise());
}

// ---- faults

void Run::let_faults_happen() {
  const FaultPlan& plan = scenario_.faults;
  const Instant end_of_faults = world_.now() + plan.lasts;
  while (!is_over() && world_.now() < end_of_faults) {
    const Duration pause = plan.interval == Duration::zero() ? plan.lasts : prng_.exponential(plan.interval);
    run_until([] { return false; }, std::min(end_of_faults, world_.now() + pause));
    if (!is_over() && world_.now() < end_of_faults) disturb();
  }
}

void Run::disturb() {
  const auto& weights = scenario_.faults.weights;
  const std::uint64_t sum = std::accumulate(weights.begin(), weights.end(), std::uint64_t{0});
  if (sum == 0) return;
  std::uint64_t drawn = prng_.below(sum);
  std::size_t index = 0;
  while (drawn >= weights[index]) drawn -= weights[index++];
  const auto what = static_cast<Disturbance>(index);
  if (what != Disturbance::network_trouble) return node_.disturb(what);
  NetworkOptions& network = world_.network().options();
  const bool trouble = prng_.chance(2, 3);
  network.reset_ppm = trouble ? prng_.below(60'000) : 0;
  network.refuse_ppm = trouble ? prng_.below(200'000) : 0;
  network.stall_ppm = trouble ? prng_.below(60'000) : 0;
}

void Run::heal() {
  world_.network().options() = scenario_.network;
  node_.heal();
  world_.trace().line(world_.now(), "world", "everything heals");
}

// ---- verdicts

void Run::check_liveness() {
  NodeHost& host = node_.host();
  const auto stays_damaged = [&] { return node_.may_stay_damaged() && node_.is_read_only(); };
  expect([&] { return host.is_ready() || stays_damaged(); }, liveness_bound,
         [&] {
           return "the node is not ready " + std::to_string(liveness_bound / 1s) +
                  " s after everything healed: " +
                  (host.node() == nullptr
                       ? "it is not running"
                       : host.node()->status().state + ": " + host.node()->status().reason);
         });
  if (is_over() || node_.is_read_only()) return;
  work_.start_probe([this] { probe_answered_ = true; });
  expect([&] { return probe_answered_ || stays_damaged(); }, liveness_bound,
         [] { return "the node answers no append although everything healed"; });
}

void Run::audit(std::string_view which) {
  if (is_over()) return;
  work_.start_audit();
  expect([&] { return work_.is_audited(); }, quiet_bound,
         [&] { return "the " + std::string(which) + " audit does not come to an end"; });
}

// From what is on the disk.
void Run::start_once_more() {
  if (is_over()) return;
  node_.end();
  // Not a fault: what a clean stop leaves unsynced a power cut may take.
  if (!is_over() && node_.host().disk().has_unsynced()) node_.host().disk().crash();
  node_.start_now();
  expect([&] { return node_.host().is_serving(); }, liveness_bound,
         [] { return "the node does not serve after one more start"; });
}

// Everybody goes.
void Run::end() {
  node_.end();
  work_.cut();
  world_.run_until([&] { return work_.is_finished(); }, world_.now() + quiet_bound);
  if (!work_.is_finished()) {
    if (!world_.failure()) world_.fail("clients do not come to an end");
    work_.abandon();
  }
  if (!world_.failure()) node_.verify_directory();
  const std::size_t sockets = world_.network().open_sockets();
  if (sockets != 0 && !world_.failure())
    world_.fail(std::to_string(sockets) + " sockets are open after everybody has gone");
}

RunResult Run::result() {
  RunResult result;
  result.failure = world_.failure();
  result.digest = world_.trace().digest();
  result.about = scenario_.describe();
  result.verdict = result.failure                ? "FAILED"
                   : node_.has_refused_rightly() ? "refused: " + node_.refusal()
                                                 : "survived";
  result.simulated = world_.now() - Instant{};
  result.boots = node_.host().boots();
  result.requests = work_.requests();
  result.acked = history_.acked_count();
  result.lost = history_.lost_count();
  result.damages = node_.host().disk().damages().size();
  result.trace_lines = world_.trace().line_count();
  if (result.failure) {
    for (const std::string& line : world_.trace().last_lines()) result.last_lines += line;
  }
  return result;
}

RunResult Run::go() {
  world_.trace().line(world_.now(), "world", scenario_.describe());
  node_.look_after();
  work_.start();
  let_faults_happen();
  if (!is_over()) heal();
  check_liveness();
  work_.wind_down();
  audit("first");
  start_once_more();
  audit("second");
  end();
  return result();
}

}  // namespace

RunResult run_scenario(const Scenario& scenario, const Trace::Sink& sink) {
  return Run(scenario, sink).go();
}

}  // namespace verity::sim
