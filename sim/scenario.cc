#include "sim/scenario.h"

#include "io/base/prng.h"

#include <algorithm>
#include <array>

namespace verity::sim {
namespace {

Duration microseconds(std::uint64_t count) {
  return Duration(static_cast<std::int64_t>(count) * 1000);
}
Duration milliseconds(std::uint64_t count) {
  return microseconds(count * 1000);
}

// The constants of a node, small enough that a few hundred requests meet every boundary.
NodeSetup draw_setup(Prng prng) {
  NodeSetup setup;
  node::NodeOptions& node = setup.node;
  node.cluster_name = "simulated";
  node.lock_holder = "simulated process";
  node.segment_bytes = 64 * KiB << prng.below(3);
  node.limits.record_bytes_max = 16 * KiB;
  node.limits.batch_bytes_max = 24 * KiB;
  node::Tuning& tuning = node.tuning;
  tuning.flush_bytes_max = ByteCount{2048} << prng.below(6);
  tuning.mark_delay = microseconds(prng.between(200, 20'000));
  tuning.checkpoint_entries = prng.between(5, 200);
  tuning.checkpoint_bytes = 16 * KiB << prng.below(4);
  tuning.queue_entries_max = prng.between(2, 200);
  tuning.queue_bytes_max = 64 * KiB << prng.below(4);
  tuning.scrub_pause = milliseconds(prng.between(50, 3000));
  tuning.read_cache_bytes = prng.chance(1, 3) ? 0 : 4 * KiB << prng.below(6);

  setup.disk.sector_bytes = prng.chance(1, 2) ? 512 : 4096;
  setup.disk.refuses_direct = prng.chance(1, 10);
  setup.disk.sync_latency = microseconds(prng.between(50, 2000));
  setup.disk.write_latency = microseconds(prng.between(10, 300));
  setup.disk.read_latency = microseconds(prng.between(10, 300));

  setup.clock.drift_ppb = static_cast<std::int64_t>(prng.between(0, 400'000)) - 200'000;
  setup.clock.skew = milliseconds(prng.below(20'000)) - 10s;

  server::ServerOptions& server = setup.server;
  server.client_address = {"node1", 7000};
  server.io_backend = "simulated";
  server.batch_bytes_max = node.limits.batch_bytes_max;
  server.read_page_bytes_max = 1 * KiB << prng.below(8);
  server.subscription_page_bytes_max = 1 * KiB << prng.below(6);
  server.heartbeat_interval = milliseconds(prng.between(100, 5000));
  server.stop_patience = milliseconds(prng.between(10, 2000));
  return setup;
}

WorkloadPlan draw_work(Prng prng) {
  WorkloadPlan work;
  work.clients = prng.between(1, 6);
  work.subscribers = prng.below(3);
  work.tenants = prng.between(1, 3);
  work.streams = prng.between(1, 6);
  work.subjects = prng.between(1, 5);
  work.think = microseconds(prng.between(200, 20'000));
  work.data_bytes = std::uint64_t{20} << prng.below(7);
  work.batch_events = prng.between(1, 6);
  work.reads = prng.below(70);
  work.keys = prng.below(100);
  work.expectations = prng.below(80);
  work.several_streams = prng.below(40);
  work.conflicts = prng.below(8);
  work.nonsense = prng.below(6);
  return work;
}

void draw_swarm(Prng prng, Scenario& scenario) {
  FaultPlan& faults = scenario.faults;
  const auto maybe = [&](std::uint64_t of_10) { return prng.chance(of_10, 10) ? prng.between(1, 5) : 0; };
  faults.power_cut = maybe(6);
  faults.kill = maybe(5);
  faults.crash_at_call = maybe(4);
  faults.clean_restart = maybe(4);
  faults.full_disk = maybe(2);
  faults.slow_disk = maybe(3);
  faults.network_trouble = maybe(4);
  faults.clock_jump = maybe(2);
  faults.failed_sync = maybe(2);
  if (prng.chance(1, 4)) {
    faults.damage = prng.between(1, 2);
    faults.damage_class = static_cast<DamageClass>(prng.between(1, 7));
  }
  if (prng.chance(1, 10)) scenario.setup.node.sync_mode = node::SyncMode::async;
}

struct Entry {
  ScenarioName name;
  void (*draw)(Prng prng, Scenario& scenario);
};

void damage(Scenario& scenario, DamageClass kind) {
  scenario.faults.power_cut = 2;
  scenario.faults.kill = 1;
  scenario.faults.damage = 2;
  scenario.faults.damage_class = kind;
}

constexpr std::array entries{
    Entry{{"swarm", "everything, drawn anew for each seed"}, draw_swarm},
    Entry{{"appends", "clients only, no fault"},
          [](Prng, Scenario& s) { s.faults.interval = Duration::zero(); }},
    Entry{{"restarts", "clean stops and starts"}, [](Prng, Scenario& s) { s.faults.clean_restart = 1; }},
    Entry{{"crashes", "power cuts and kills at any moment"},
          [](Prng, Scenario& s) {
            s.faults.power_cut = 3;
            s.faults.kill = 2;
            s.faults.crash_at_call = 2;
          }},
    Entry{{"torn", "power cuts in the middle of large flushes"},
          [](Prng, Scenario& s) {
            s.faults.power_cut = 1;
            s.faults.interval = 300ms;
            s.work.data_bytes = 1500;
            s.work.batch_events = 4;
            s.setup.node.tuning.flush_bytes_max = 64 * KiB;
            s.setup.disk.sync_latency = 2ms;
          }},
    Entry{{"segments", "many segment switches, with crashes around them"},
          [](Prng, Scenario& s) {
            s.setup.node.segment_bytes = 64 * KiB;
            s.work.data_bytes = 2500;
            s.work.reads = 10;
            s.faults.power_cut = 2;
            s.faults.crash_at_call = 2;
            s.faults.interval = 400ms;
          }},
    Entry{{"rot", "a flipped bit in a segment"}, [](Prng, Scenario& s) { damage(s, DamageClass::log_rot); }},
    Entry{{"derived_rot", "a flipped bit in a checkpoint or sidecar"},
          [](Prng, Scenario& s) { damage(s, DamageClass::derived_rot); }},
    Entry{{"state_rot", "a flipped bit in one copy of the node's state"},
          [](Prng, Scenario& s) { damage(s, DamageClass::state_rot); }},
    Entry{{"unreadable", "a sector of a segment that cannot be read"},
          [](Prng, Scenario& s) { damage(s, DamageClass::log_unreadable); }},
    Entry{{"lost_write", "writes that never happen"},
          [](Prng, Scenario& s) { damage(s, DamageClass::lost_write); }},
    Entry{{"misdirected", "writes that land elsewhere"},
          [](Prng, Scenario& s) { damage(s, DamageClass::misdirected_write); }},
    Entry{{"stale_read", "reads that answer what was there before"},
          [](Prng, Scenario& s) { damage(s, DamageClass::stale_read); }},
    Entry{{"full_disk", "the disk fills up and is freed again"},
          [](Prng, Scenario& s) {
            s.faults.full_disk = 3;
            s.faults.power_cut = 1;
            s.work.data_bytes = 1500;
          }},
    Entry{{"sync_failure", "syncs and durable writes that fail"},
          [](Prng, Scenario& s) {
            s.faults.failed_sync = 3;
            s.faults.power_cut = 1;
            s.faults.kill = 1;
          }},
    Entry{{"idempotency", "the same requests again and again, across crashes"},
          [](Prng, Scenario& s) {
            s.work.keys = 95;
            s.work.conflicts = 10;
            s.faults.power_cut = 1;
            s.faults.kill = 1;
            s.faults.clean_restart = 1;
            s.faults.network_trouble = 2;
          }},
    Entry{{"subscriptions", "followers across crashes and resets"},
          [](Prng, Scenario& s) {
            s.work.subscribers = 4;
            s.faults.power_cut = 1;
            s.faults.network_trouble = 3;
            s.faults.clean_restart = 1;
          }},
    Entry{{"async", "sync_mode = async: a crash may cut the end, and nothing else"},
          [](Prng, Scenario& s) {
            s.setup.node.sync_mode = node::SyncMode::async;
            s.faults.power_cut = 2;
            s.faults.kill = 1;
            s.faults.clean_restart = 1;
          }},
};

}  // namespace

std::string_view describe(DamageClass damage) {
  switch (damage) {
    case DamageClass::none:
      return "none";
    case DamageClass::log_rot:
      return "log_rot";
    case DamageClass::derived_rot:
      return "derived_rot";
    case DamageClass::state_rot:
      return "state_rot";
    case DamageClass::log_unreadable:
      return "log_unreadable";
    case DamageClass::lost_write:
      return "lost_write";
    case DamageClass::misdirected_write:
      return "misdirected_write";
    case DamageClass::stale_read:
      return "stale_read";
  }
  return "?";
}

std::string Scenario::describe() const {
  const auto number = [](std::uint64_t value) { return std::to_string(value); };
  std::string text =
      name + " seed " + number(seed) + ": segment " + describe_bytes(setup.node.segment_bytes) + ", flush " +
      describe_bytes(setup.node.tuning.flush_bytes_max) + ", sector " + number(setup.disk.sector_bytes) +
      ", checkpoint every " + number(setup.node.tuning.checkpoint_entries) + ", " + number(work.clients) +
      " clients, " + number(work.subscribers) + " subscribers";
  if (setup.node.sync_mode == node::SyncMode::async) text += ", async";
  const auto add = [&](std::string_view what, std::uint64_t weight) {
    if (weight > 0) text += ", " + std::string(what) + " " + number(weight);
  };
  add("power cuts", faults.power_cut);
  add("kills", faults.kill);
  add("crashes at a call", faults.crash_at_call);
  add("clean restarts", faults.clean_restart);
  add("full disk", faults.full_disk);
  add("slow disk", faults.slow_disk);
  add("network trouble", faults.network_trouble);
  add("clock jumps", faults.clock_jump);
  add("failed syncs", faults.failed_sync);
  if (faults.damage > 0) add(sim::describe(faults.damage_class), faults.damage);
  return text;
}

const std::vector<ScenarioName>& scenario_names() {
  static const std::vector<ScenarioName> names = [] {
    std::vector<ScenarioName> all;
    for (const Entry& entry : entries) all.push_back(entry.name);
    return all;
  }();
  return names;
}

std::optional<Scenario> draw_scenario(std::string_view name, std::uint64_t seed) {
  const auto entry =
      std::find_if(entries.begin(), entries.end(), [&](const Entry& e) { return e.name.name == name; });
  if (entry == entries.end()) return std::nullopt;
  const Prng prng = Prng(seed).fork("scenario").fork(name);
  Scenario scenario;
  scenario.name = name;
  scenario.seed = seed;
  scenario.setup = draw_setup(prng.fork("setup"));
  scenario.work = draw_work(prng.fork("work"));
  Prng rest = prng.fork("rest");
  scenario.ready_swaps = rest.chance(1, 2) ? 0 : rest.between(1, 50);
  scenario.network.latency = microseconds(rest.between(20, 2000));
  scenario.network.short_io_of_100 = rest.below(60);
  scenario.network.pipe_bytes = 512u << rest.below(9);
  scenario.faults.lasts = milliseconds(rest.between(500, 6000));
  scenario.faults.interval = milliseconds(rest.between(100, 2000));
  entry->draw(prng.fork("faults"), scenario);
  return scenario;
}

}  // namespace verity::sim
