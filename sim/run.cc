#include "sim/run.h"

#include "sim/cluster.h"
#include "sim/destroyed_majority.h"
#include "sim/history.h"
#include "sim/latency_trial.h"
#include "sim/network.h"
#include "sim/resource_judge.h"
#include "sim/workload.h"
#include "sim/world.h"

#include <algorithm>
#include <numeric>

namespace verity::sim {
namespace {

// How long healed nodes may take until they answer, and the clients until they are done.
constexpr Duration liveness_bound = 120s;
constexpr Duration quiet_bound = 120s;
constexpr Duration audit_bound = 20min;

class Run {
 public:
  Run(const Scenario& scenario, const Trace::Sink& sink)
      : scenario_(scenario),
        world_({.seed = scenario.seed, .trace_sink = sink, .ready_swaps = scenario.ready_swaps}),
        prng_(world_.prng("disturbances")),
        history_([this](const std::string& what) { world_.fail(what); }),
        cluster_(world_, history_, scenario_, prng_),
        resources_(world_, cluster_, scenario_),
        work_(world_, history_, scenario_, [this](std::string_view code) { return cluster_.allows(code); }) {
    world_.network().options() = scenario_.network;
  }

  RunResult go();

 private:
  bool is_over() const { return world_.failure().has_value() || cluster_.has_refused_rightly(); }
  // Runs on until `done` or `until`, looking after the nodes meanwhile.
  bool run_until(const std::function<bool()>& done, Instant until);
  // As run_until() with a bound; when that is passed, the run has failed.
  void expect(const std::function<bool()>& done, Duration within,
              const std::function<std::string()>& otherwise);

  void let_faults_happen();
  void check_views();
  void disturb();
  void heal();
  void destroy_majority();
  void measure_latency();
  void check_liveness();
  void heal_the_rest();
  void audit(std::string_view which);
  void come_to_rest();
  void start_once_more();
  void end();
  RunResult result();

  const Scenario scenario_;
  World world_;
  Prng prng_;
  History history_;
  Cluster cluster_;
  ResourceJudge resources_;
  Workload work_;
  bool probe_answered_ = false;
  std::string measured_;
  std::uint64_t disturbances_ = 0;
};

bool Run::run_until(const std::function<bool()>& done, Instant until) {
  while (!is_over()) {
    cluster_.look_after();
    if (is_over()) return false;
    if (done()) return true;
    if (world_.now() >= until) return false;
    const Instant step = std::min(until, cluster_.next_start());
    world_.run_until(
        [&] {
          resources_.look();
          return done() || cluster_.has_ended();
        },
        step);
    // With nothing left to happen the time would stand still.
    if (!world_.failure() && !done() && world_.now() < step && !cluster_.has_ended())
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

// Nobody was elected who need not be.
void Run::check_views() {
  if (scenario_.keeps_views && !is_over() && !cluster_.is_in_first_view())
    world_.fail("nothing has failed, and yet: " + cluster_.describe());
}

void Run::disturb() {
  const auto& weights = scenario_.faults.weights;
  const std::uint64_t sum = std::accumulate(weights.begin(), weights.end(), std::uint64_t{0});
  if (sum == 0) return;
  std::uint64_t drawn = prng_.below(sum);
  std::size_t index = 0;
  while (drawn >= weights[index]) drawn -= weights[index++];
  const auto what = static_cast<Disturbance>(index);
  const std::uint64_t number = disturbances_++;
  const bool is_skipped = scenario_.faults.skipped.contains(number);
  world_.trace().line(world_.now(), "world",
                      "disturbance " + std::to_string(number) + ": " + std::string(name_of(what)) +
                          (is_skipped ? ", skipped" : ""));
  if (is_skipped) return;
  if (what != Disturbance::network_trouble) return cluster_.disturb(what);
  NetworkOptions& network = world_.network().options();
  const bool trouble = prng_.chance(2, 3);
  network.reset_ppm = trouble ? prng_.below(60'000) : 0;
  network.refuse_ppm = trouble ? prng_.below(200'000) : 0;
  network.stall_ppm = trouble ? prng_.below(60'000) : 0;
}

void Run::heal() {
  world_.network().options() = scenario_.network;
  world_.network().options().bytes_per_second = 0;
  cluster_.heal_majority();
  world_.trace().line(world_.now(), "world", cluster_.size() == 1 ? "everything heals" : "a majority heals");
}

void Run::destroy_majority() {
  world_.network().options() = scenario_.network;
  DestroyedMajority(
      world_, cluster_, work_, prng_,
      [this](const auto& done, Duration within, const auto& otherwise) { expect(done, within, otherwise); })
      .go();
}

void Run::measure_latency() {
  LatencyTrial trial(
      world_, cluster_, work_, scenario_, prng_,
      [this](const auto& done, Duration within, const auto& otherwise) { expect(done, within, otherwise); });
  trial.go();
  measured_ = trial.report();
}

// ---- verdicts

void Run::check_liveness() {
  const std::string healed = cluster_.size() == 1 ? "everything healed: " : "a majority healed: ";
  const auto stays_damaged = [&] { return cluster_.may_stay_damaged() && cluster_.is_read_only(); };
  expect([&] { return cluster_.is_ready() || stays_damaged(); }, liveness_bound,
         [&] {
           return "nobody is ready " + std::to_string(liveness_bound / 1s) + " s after " + healed +
                  cluster_.describe();
         });
  if (is_over() || cluster_.is_read_only()) return;
  // A disk that is full is noticed when the segment and the spare one are.
  const ByteCount bytes = cluster_.has_full_disk() ? 3 * scenario_.setup.node.segment_bytes : 0;
  work_.start_probe(bytes, [this] { probe_answered_ = true; });
  expect([&] { return probe_answered_ || stays_damaged(); }, liveness_bound,
         [&] { return "no append is answered although " + healed + cluster_.describe(); });
}

// The rest comes back and learns what it missed.
void Run::heal_the_rest() {
  if (is_over() || cluster_.size() == 1) return;
  cluster_.heal();
  world_.trace().line(world_.now(), "world", "everything heals");
  work_.wind_down();
  expect([&] { return work_.is_finished(); }, quiet_bound, [] { return "clients do not come to an end"; });
  expect([&] { return cluster_.is_level(); }, liveness_bound,
         [&] { return "the nodes do not become equal: " + cluster_.describe(); });
}

void Run::audit(std::string_view which) {
  if (is_over()) return;
  work_.start_audit();
  const auto is_audited = [&] { return work_.is_audited(); };
  // As long as it gets on: much takes long on a slow link.
  const Instant end = world_.now() + audit_bound;
  std::uint64_t before = 0;
  do {
    before = work_.audited_events();
  } while (!run_until(is_audited, world_.now() + quiet_bound) && !is_over() &&
           work_.audited_events() != before && world_.now() < end);
  expect(is_audited, 0s, [&] { return "the " + std::string(which) + " audit does not come to an end"; });
}

// What nobody asks for any more is let go within the patience of those who asked.
void Run::come_to_rest() {
  if (is_over()) return;
  expect([&] { return work_.is_finished(); }, quiet_bound, [] { return "clients do not come to an end"; });
  expect([&] { return resources_.are_at_rest(); }, quiet_bound, [&] { return resources_.describe_unrest(); });
}

// From what is on the disk.
void Run::start_once_more() {
  if (is_over()) return;
  cluster_.end();
  // Not a fault: what a clean stop leaves unsynced a power cut may take.
  for (const auto& node : cluster_.nodes()) {
    if (!is_over() && node->host().disk().has_unsynced()) node->host().disk().crash();
  }
  cluster_.start_now();
  expect([&] { return cluster_.is_serving(); }, liveness_bound,
         [&] { return "not all serve after one more start: " + cluster_.describe(); });
}

// Everybody goes.
void Run::end() {
  if (cluster_.size() > 1) {
    expect([&] { return cluster_.is_level(); }, liveness_bound,
           [&] { return "the nodes do not become equal after one more start: " + cluster_.describe(); });
  }
  cluster_.end();
  work_.cut();
  world_.run_until([&] { return work_.is_finished(); }, world_.now() + quiet_bound);
  if (!work_.is_finished()) {
    if (!world_.failure()) world_.fail("clients do not come to an end");
    work_.abandon();
  }
  cluster_.verify_directories();
  const std::size_t sockets = world_.network().open_sockets();
  if (sockets != 0 && !world_.failure())
    world_.fail(std::to_string(sockets) + " sockets are open after everybody has gone");
}

RunResult Run::result() {
  RunResult result;
  result.failure = world_.failure();
  result.digest = world_.trace().digest();
  result.about = scenario_.describe();
  result.verdict = result.failure                   ? "FAILED"
                   : cluster_.has_refused_rightly() ? "refused: " + cluster_.refusal()
                                                    : "survived";
  result.measured = measured_ + resources_.describe() + "\n";
  result.simulated = world_.now() - Instant{};
  result.boots = cluster_.boots();
  result.requests = work_.requests();
  result.acked = history_.acked_count();
  result.lost = history_.lost_count();
  result.damages = cluster_.damages();
  result.pauses = cluster_.pauses();
  result.disturbances = disturbances_;
  result.trace_lines = world_.trace().line_count();
  if (result.failure) {
    for (const std::string& line : world_.trace().last_lines()) result.last_lines += line;
  }
  return result;
}

RunResult Run::go() {
  world_.trace().line(world_.now(), "world", scenario_.describe());
  cluster_.look_after();
  work_.start();
  scenario_.measures_latency ? measure_latency() : let_faults_happen();
  check_views();
  if (!is_over()) scenario_.destroys_majority ? destroy_majority() : heal();
  check_liveness();
  heal_the_rest();
  work_.wind_down();
  audit("first");
  come_to_rest();
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
