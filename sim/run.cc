#include "sim/run.h"

#include "engine/node/node.h"
#include "sim/history.h"
#include "sim/json_scan.h"
#include "sim/network.h"
#include "sim/node_host.h"
#include "sim/workload.h"
#include "sim/world.h"

#include <algorithm>
#include <array>

namespace verity::sim {
namespace {

// How long a healed node may take until it answers, and the clients until they are done.
constexpr Duration liveness_bound = 120s;
constexpr Duration quiet_bound = 120s;

enum class Disturbance : std::uint8_t {
  none,
  power_cut,
  kill,
  crash_at_call,
  clean_restart,
  full_disk,
  slow_disk,
  network_trouble,
  clock_jump,
  failed_sync,
  damage,
};

class Run {
 public:
  Run(const Scenario& scenario, const Trace::Sink& sink)
      : scenario_(scenario),
        world_({.seed = scenario.seed, .trace_sink = sink, .ready_swaps = scenario.ready_swaps}),
        prng_(world_.prng("disturbances")),
        history_([this](const std::string& what) { world_.fail(what); }),
        host_(world_, scenario.setup),
        work_(world_, history_, scenario, {[this](std::string_view code) { return allows(code); }}) {
    world_.network().options() = scenario.network;
    host_.on_recovered = [this](std::uint64_t position, const std::string& hash) {
      history_.recovered(position, hash, may_lose_since(), world_.now());
      ended_hard_ = false;
      check_state_goes_on();
      recovered_at_ = world_.now();
    };
  }

  RunResult go();

 private:
  bool is_over() const { return world_.failure().has_value() || refused_rightly_; }
  // Runs on until `done` or `until`, looking after the node meanwhile.
  bool run_until(const std::function<bool()>& done, Instant until);
  void look_after_node();
  void judge_refusal(const Error& error);
  Ending take_ending();
  void start_node();

  Disturbance draw();
  void disturb(Disturbance what);
  void do_damage();
  void heal();
  void end_node();

  // A node that acts on an older state than it ever acted on has forgotten its promises.
  void check_state_goes_on();
  bool allows(std::string_view code) const;
  // Failed syncs do not count: they must be survived.
  bool damage_was_done() const {
    const auto& all = host_.disk().damages();
    return std::any_of(all.begin(), all.end(),
                       [](const Damage& d) { return d.kind != DamageKind::failed_sync; });
  }
  Instant may_lose_since() const;
  const NodeSetup& setup() const { return scenario_.setup; }

  const Scenario scenario_;
  World world_;
  Prng prng_;
  History history_;
  mutable NodeHost host_;
  Workload work_;

  bool restart_asked_ = false;
  bool disk_is_full_ = false;
  bool disk_was_full_ = false;
  bool sync_may_fail_ = false;
  bool sync_was_failing_ = false;
  bool sync_failed_ = false;
  bool refused_rightly_ = false;
  bool healed_ = false;
  bool ended_hard_ = false;  // by a crash or a failure, at least once since it last recovered
  Instant recovered_at_{};
  std::uint64_t last_boot_ = 0;
  std::optional<CrashKind> crash_early_;
  Instant start_at_{};
  std::string refusal_;
  int refusals_ = 0;
};

void Run::check_state_goes_on() {
  std::uint64_t boot = 0;
  for (const std::string_view name : {"meta/state.json", "meta/state.copy.json"}) {
    const Bytes bytes = host_.disk().durable_content(name);
    const auto json = scan_json(as_text(bytes));
    if (!json) continue;  // rot, while the other copy is good
    boot = std::max(boot, (*json)["boot_number"].number().value_or(0));
  }
  if (boot <= last_boot_) {
    world_.fail("the node's state went back: boot number " + std::to_string(boot) + " after " +
                std::to_string(last_boot_));
  }
  last_boot_ = boot;
}

bool Run::allows(std::string_view code) const {
  // Without a spare segment there is no room, whether the disk is full or its syncs fail.
  if (code == "out_of_space") return disk_was_full_ || sync_was_failing_;
  const bool damaged = damage_was_done();
  if (code == "damaged") return damaged;
  if (code == "read_only") return damaged || sync_failed_;
  return false;
}

// From when on what clients were told may be gone after a restart.
Instant Run::may_lose_since() const {
  if (setup().node.sync_mode == node::SyncMode::async && ended_hard_) return recovered_at_;
  // The last flush before a crash, if the disk lost it or hides it (docs/faults.md).
  Instant first = Instant::never();
  for (const Damage& damage : host_.disk().damages()) {
    const bool hides = damage.kind == DamageKind::lost_write || damage.kind == DamageKind::stale_read;
    if (hides) first = std::min(first, damage.kind == DamageKind::stale_read ? recovered_at_ : damage.at);
  }
  return first;
}

void Run::judge_refusal(const Error& error) {
  const bool is_damage = error.code == ErrorCode::corrupt || error.code == ErrorCode::io_error;
  if (error.code == ErrorCode::out_of_space && disk_was_full_ && !healed_) return;
  if (error.code == ErrorCode::io_error && sync_may_fail_ && !healed_) return;
  const bool must_survive = scenario_.faults.damage_class == DamageClass::derived_rot;
  if (is_damage && damage_was_done() && !must_survive) {
    // A refusal is for ever: the next start says the same.
    refusal_ = error.describe();
    if (++refusals_ >= 2) refused_rightly_ = true;
    return;
  }
  world_.fail("the node refused to start without a reason: " + error.describe());
}

void Run::look_after_node() {
  if (host_.process() == nullptr) {
    if (world_.now() >= start_at_) start_node();
    return;
  }
  if (host_.is_running()) return;
  const auto error = [&] { return host_.error(); };
  const Ending ending = take_ending();
  switch (ending) {
    case Ending::none:
      world_.fail("the node's fibers ended by themselves");
      break;
    case Ending::refused:
      judge_refusal(error());
      break;
    case Ending::failed:
      if (error().code == ErrorCode::io_error && sync_may_fail_) {
        sync_failed_ = true;
        sync_may_fail_ = false;  // the device works again after the restart
        host_.disk().options().faults.failed_sync_ppm = 0;
      } else if (!(error().code == ErrorCode::out_of_space && disk_was_full_) && !damage_was_done()) {
        world_.fail("the node failed without a reason: " + error().describe());
      }
      break;
    case Ending::stopped:
      if (!restart_asked_) world_.fail("the node stopped by itself");
      break;
    case Ending::crashed:
      break;
  }
  restart_asked_ = false;
  start_at_ = world_.now() + (prng_.chance(1, 2) ? Duration(1ms) : prng_.exponential(200ms));
}

Ending Run::take_ending() {
  const Ending ending = host_.take_ending();
  if (ending == Ending::crashed || ending == Ending::failed) ended_hard_ = true;
  return ending;
}

void Run::start_node() {
  host_.start();
  if (crash_early_) {
    // Somewhere in recovery, or soon after it.
    host_.process()->crash_at_call(prng_.between(1, prng_.chance(1, 2) ? 40 : 400), *crash_early_);
    crash_early_.reset();
  }
}

bool Run::run_until(const std::function<bool()>& done, Instant until) {
  while (!is_over()) {
    look_after_node();
    if (is_over()) return false;
    if (done()) return true;
    if (world_.now() >= until) return false;
    const Instant step = host_.process() == nullptr ? std::min(until, start_at_) : until;
    world_.run_until([&] { return done() || (host_.process() != nullptr && !host_.is_running()); }, step);
    // With nothing left to happen the time would stand still.
    if (!world_.failure() && !done() && world_.now() < step &&
        (host_.process() == nullptr || host_.is_running()))
      world_.run_for(step - world_.now());
  }
  return false;
}

Disturbance Run::draw() {
  const FaultPlan& plan = scenario_.faults;
  const std::array<std::pair<Disturbance, std::uint64_t>, 10> weights{
      {{Disturbance::power_cut, plan.power_cut},
       {Disturbance::kill, plan.kill},
       {Disturbance::crash_at_call, plan.crash_at_call},
       {Disturbance::clean_restart, plan.clean_restart},
       {Disturbance::full_disk, plan.full_disk},
       {Disturbance::slow_disk, plan.slow_disk},
       {Disturbance::network_trouble, plan.network_trouble},
       {Disturbance::clock_jump, plan.clock_jump},
       {Disturbance::failed_sync, plan.failed_sync},
       {Disturbance::damage, plan.damage}}};
  std::uint64_t sum = 0;
  for (const auto& [what, weight] : weights) sum += weight;
  if (sum == 0) return Disturbance::none;
  std::uint64_t drawn = prng_.below(sum);
  for (const auto& [what, weight] : weights) {
    if (drawn < weight) return what;
    drawn -= weight;
  }
  return Disturbance::none;
}

void Run::do_damage() {
  Disk& disk = host_.disk();
  FaultOptions& faults = disk.options().faults;
  switch (scenario_.faults.damage_class) {
    case DamageClass::none:
      return;
    case DamageClass::log_rot:
      disk.rot_somewhere(".segment");
      return;
    case DamageClass::derived_rot: {
      constexpr std::array<std::string_view, 3> places{"index/", ".offsets", "merkle.nodes"};
      disk.rot_somewhere(places[prng_.below(places.size())]);
      return;
    }
    case DamageClass::state_rot:
      // Always the same copy: one good one is kept.
      disk.rot_somewhere(scenario_.seed % 2 == 0 ? "meta/state.json" : "meta/state.copy.json");
      return;
    case DamageClass::log_unreadable:
      faults.only_path = ".segment";
      faults.read_error_ppm = 20'000;
      return;
    case DamageClass::lost_write:
      faults.only_path = "current.segment";
      faults.lost_write_ppm = 30'000;
      return;
    case DamageClass::misdirected_write:
      faults.only_path = "current.segment";
      faults.misdirected_write_ppm = 30'000;
      return;
    case DamageClass::stale_read:
      faults.only_path = ".segment";
      faults.stale_read_ppm = 50'000;
      return;
  }
}

void Run::disturb(Disturbance what) {
  const bool is_up = host_.process() != nullptr && host_.is_running();
  Disk& disk = host_.disk();
  switch (what) {
    case Disturbance::none:
      return;
    case Disturbance::power_cut:
      if (is_up) host_.crash(CrashKind::power, "a disturbance");
      return;
    case Disturbance::kill:
      if (is_up) host_.crash(CrashKind::kill, "a disturbance");
      return;
    case Disturbance::crash_at_call:
      crash_early_ = prng_.chance(2, 3) ? CrashKind::power : CrashKind::kill;
      if (is_up) host_.crash(prng_.chance(1, 2) ? CrashKind::power : CrashKind::kill, "a disturbance");
      return;
    case Disturbance::clean_restart:
      if (!is_up) return;
      restart_asked_ = true;
      host_.ask_to_stop();
      return;
    case Disturbance::full_disk:
      disk_is_full_ = !disk_is_full_;
      disk_was_full_ = true;
      disk.options().capacity = disk_is_full_ ? disk.used() + prng_.below(64 * KiB) : UINT64_MAX;
      world_.trace().line(world_.now(), "world",
                          disk_is_full_ ? "the disk is full" : "the disk has room again");
      return;
    case Disturbance::slow_disk:
      disk.options().slowness = prng_.chance(1, 2) ? 1 : prng_.between(2, 200);
      return;
    case Disturbance::network_trouble: {
      NetworkOptions& network = world_.network().options();
      const bool trouble = prng_.chance(2, 3);
      network.reset_ppm = trouble ? prng_.below(60'000) : 0;
      network.refuse_ppm = trouble ? prng_.below(200'000) : 0;
      network.stall_ppm = trouble ? prng_.below(60'000) : 0;
      return;
    }
    case Disturbance::clock_jump:
      if (is_up) {
        const auto by = static_cast<std::int64_t>(prng_.below(7'200'000)) - 3'600'000;
        world_.trace().line(world_.now(), "world", "the time of day jumps by " + std::to_string(by) + " ms");
        host_.process()->clock().jump_realtime(std::chrono::milliseconds(by));
      }
      return;
    case Disturbance::failed_sync:
      sync_may_fail_ = true;
      sync_was_failing_ = true;
      disk.options().faults.failed_sync_ppm = prng_.between(20'000, 300'000);
      return;
    case Disturbance::damage:
      do_damage();
      return;
  }
}

void Run::heal() {
  healed_ = true;
  DiskOptions& disk = host_.disk().options();
  disk.faults = {};
  disk.slowness = 1;
  disk.capacity = UINT64_MAX;
  disk_is_full_ = false;
  NetworkOptions& network = world_.network().options();
  network = scenario_.network;
  crash_early_.reset();
  world_.trace().line(world_.now(), "world", "everything heals");
  // A failed sync leaves a node that must be started anew; one that is crashing at a call still may.
  if (host_.process() != nullptr && host_.is_running()) host_.process()->crash_at_call(0);
}

void Run::end_node() {
  if (host_.process() == nullptr) return;
  if (host_.is_running()) {
    restart_asked_ = true;
    host_.ask_to_stop();
    const bool ended = world_.run_until([&] { return !host_.is_running(); }, world_.now() + 60s);
    if (!ended) {
      if (!world_.failure()) world_.fail("the node does not end within a minute of being asked to");
      host_.crash(CrashKind::power, "the run is over");
      host_.process()->drain();
    }
  }
  if (take_ending() == Ending::failed && !damage_was_done() && !world_.failure()) {
    world_.fail("the node failed while it stopped: " + host_.error().describe());
  }
}

RunResult Run::go() {
  world_.trace().line(world_.now(), "world", scenario_.describe());
  look_after_node();
  work_.start();

  // ---- faults
  const FaultPlan& plan = scenario_.faults;
  const Instant end_of_faults = world_.now() + plan.lasts;
  while (!is_over() && world_.now() < end_of_faults) {
    const Duration pause = plan.interval == Duration::zero() ? plan.lasts : prng_.exponential(plan.interval);
    run_until([] { return false; }, std::min(end_of_faults, world_.now() + pause));
    if (!is_over() && world_.now() < end_of_faults) disturb(draw());
  }

  // ---- liveness
  if (!is_over()) {
    heal();
    const Instant bound = world_.now() + liveness_bound;
    const bool may_stay_damaged = damage_was_done() && plan.damage_class != DamageClass::derived_rot &&
                                  plan.damage_class != DamageClass::state_rot;
    const auto is_read_only = [&] {
      return host_.is_serving() && host_.node()->status().state == "read_only";
    };
    const bool ready =
        run_until([&] { return host_.is_ready() || (may_stay_damaged && is_read_only()); }, bound);
    if (!ready && !is_over()) {
      const std::string why = host_.node() == nullptr
                                  ? "it is not running"
                                  : host_.node()->status().state + ": " + host_.node()->status().reason;
      world_.fail("the node is not ready " + std::to_string(liveness_bound / 1s) +
                  " s after everything healed: " + why);
    }
    bool answered = false;
    if (!is_over() && !is_read_only()) {
      work_.start_probe([&] { answered = true; });
      const bool fine = run_until([&] { return answered || (may_stay_damaged && is_read_only()); }, bound);
      if (!fine && !is_over()) world_.fail("the node answers no append although everything healed");
    }
    work_.wind_down();
    if (!is_over()) {
      work_.start_audit();
      run_until([&] { return work_.is_audited(); }, world_.now() + quiet_bound);
      if (!work_.is_audited() && !is_over()) world_.fail("the audit does not come to an end");
    }
  }

  // ---- one more start from what is on the disk, then everything is read again
  work_.wind_down();
  if (!is_over()) {
    end_node();
    if (!is_over() && host_.disk().has_unsynced()) {
      // Not a fault: what a clean stop leaves unsynced a power cut may take.
      host_.disk().crash();
    }
    start_at_ = world_.now();
    run_until([&] { return host_.is_serving(); }, world_.now() + liveness_bound);
    if (!is_over()) {
      work_.start_audit();
      run_until([&] { return work_.is_audited(); }, world_.now() + quiet_bound);
      if (!work_.is_audited() && !is_over()) world_.fail("the second audit does not come to an end");
    }
  }

  // ---- everybody goes
  RunResult result;
  end_node();
  work_.cut();
  world_.run_until([&] { return work_.is_finished(); }, world_.now() + quiet_bound);
  if (!work_.is_finished()) {
    if (!world_.failure()) world_.fail("clients do not come to an end");
    work_.abandon();
  }
  if (world_.network().open_sockets() != 0 && !world_.failure()) {
    world_.fail(std::to_string(world_.network().open_sockets()) +
                " sockets are open after everybody has gone");
  }
  result.failure = world_.failure();
  result.digest = world_.trace().digest();
  result.about = scenario_.describe();
  result.verdict = result.failure ? "FAILED" : refused_rightly_ ? "refused: " + refusal_ : "survived";
  result.simulated = world_.now() - Instant{};
  result.boots = host_.boots();
  result.requests = work_.requests();
  result.acked = history_.acked_count();
  result.lost = history_.lost_count();
  result.damages = host_.disk().damages().size();
  result.trace_lines = world_.trace().line_count();
  if (result.failure) {
    for (const std::string& line : world_.trace().last_lines()) result.last_lines += line;
  }
  return result;
}

}  // namespace

RunResult run_scenario(const Scenario& scenario, const Trace::Sink& sink) {
  return Run(scenario, sink).go();
}

}  // namespace verity::sim
