#include "sim/scenario.h"

#include "io/base/prng.h"
#include "sim/scenario_draws.h"

#include <algorithm>
#include <array>

namespace verity::sim {
namespace {

// In the order of Disturbance.
constexpr std::array<std::string_view, disturbance_count> disturbance_names{
    "power_cut",       "kill",       "crash_at_call", "clean_restart", "full_disk", "slow_disk",
    "network_trouble", "clock_jump", "failed_sync",   "damage",        "partition", "lost_disk",
    "other_release",   "pause",      "failed_names",  "slow_peer"};

// In the order of DamageClass.
constexpr std::array<std::string_view, 8> damage_names{
    "none",           "log_rot",    "derived_rot",       "state_rot",
    "log_unreadable", "lost_write", "misdirected_write", "stale_read"};

constexpr std::string_view cluster_name = "cluster";
constexpr std::string_view repair_name = "repair";

node::SyncMode sometimes_async(std::uint64_t seed) {
  return Prng(seed).fork("sync mode").chance(1, 5) ? node::SyncMode::async : node::SyncMode::fsync;
}

struct Weight {
  Disturbance what;
  std::uint64_t weight;
};

struct Entry {
  ScenarioName name;
  std::vector<Weight> weights;
  DamageClass damage_class = DamageClass::none;
  void (*tune)(Scenario& scenario) = [](Scenario&) {};
};

const std::vector<Entry>& entries() {
  using enum Disturbance;
  static const std::vector<Weight> damaging{{power_cut, 2}, {kill, 1}, {damage, 2}};
  static const std::vector<Entry> all{
      {{"swarm", "everything, drawn anew for each seed"}, {}},
      {{"appends", "clients only, no fault"},
       {},
       DamageClass::none,
       [](Scenario& s) { s.faults.interval = Duration::zero(); }},
      {{"restarts", "clean stops and starts"}, {{clean_restart, 1}}},
      {{"crashes", "power cuts and kills at any moment"}, {{power_cut, 3}, {kill, 2}, {crash_at_call, 2}}},
      {{"torn", "power cuts in the middle of large flushes"},
       {{power_cut, 1}},
       DamageClass::none,
       [](Scenario& s) {
         s.faults.interval = 300ms;
         s.work.data_bytes = 1500;
         s.work.batch_events = 4;
         s.setup.node.tuning.flush_bytes_max = 64 * KiB;
         s.setup.disk.sync_latency = 2ms;
       }},
      {{"segments", "many segment switches, with crashes around them"},
       {{power_cut, 2}, {crash_at_call, 2}, {failed_names, 1}},
       DamageClass::none,
       [](Scenario& s) {
         s.setup.node.segment_bytes = 64 * KiB;
         s.work.data_bytes = 2500;
         s.work.reads = 10;
         s.faults.interval = 400ms;
       }},
      {{"rot", "a flipped bit in a segment"}, damaging, DamageClass::log_rot},
      {{"derived_rot", "a flipped bit in a checkpoint or sidecar"}, damaging, DamageClass::derived_rot},
      {{"state_rot", "a flipped bit in one copy of the node's state"}, damaging, DamageClass::state_rot},
      {{"unreadable", "a sector of a segment that cannot be read"}, damaging, DamageClass::log_unreadable},
      {{"lost_write", "writes that never happen"}, damaging, DamageClass::lost_write},
      {{"misdirected", "writes that land elsewhere"}, damaging, DamageClass::misdirected_write},
      {{"stale_read", "reads that answer what was there before"}, damaging, DamageClass::stale_read},
      {{"full_disk", "the disk fills up and is freed again"},
       {{full_disk, 3}, {power_cut, 1}},
       DamageClass::none,
       [](Scenario& s) { s.work.data_bytes = 1500; }},
      {{"sync_failure", "syncs, durable writes and names that fail"},
       {{failed_sync, 3}, {failed_names, 3}, {power_cut, 1}, {kill, 1}}},
      {{"idempotency", "the same requests again and again, across crashes"},
       {{power_cut, 1}, {kill, 1}, {clean_restart, 1}, {network_trouble, 2}},
       DamageClass::none,
       [](Scenario& s) {
         s.work.keys = 95;
         s.work.conflicts = 10;
       }},
      {{"sessions", "native clients that send again what was lost, across crashes"},
       {{power_cut, 1}, {kill, 1}, {clean_restart, 1}, {network_trouble, 3}},
       DamageClass::none,
       [](Scenario& s) {
         s.work.native_writers = 4;
         s.work.native_followers = 1;
       }},
      {{"subscriptions", "followers across crashes and resets"},
       {{power_cut, 1}, {network_trouble, 3}, {clean_restart, 1}},
       DamageClass::none,
       [](Scenario& s) { s.work.subscribers = 4; }},
      {{"async", "sync_mode = async: a crash may cut the end, and nothing else"},
       {{power_cut, 2}, {kill, 1}, {clean_restart, 1}},
       DamageClass::none,
       [](Scenario& s) { s.setup.node.sync_mode = node::SyncMode::async; }},
      {{cluster_name,
        "three, five or seven nodes that replicate: crashes, restarts, partitions, slow, full and damaged "
        "disks"},
       {}},
      {{"pauses", "nodes of a cluster stand still for a while and go on, one or all of them, the leader too"},
       {{pause, 8}, {power_cut, 1}, {kill, 1}, {partition, 2}},
       DamageClass::none,
       [](Scenario& s) { s.faults.interval = s.faults.interval / 2; }},
      {{repair_name, "three or five nodes whose logs rot, at different places at once"},
       {{power_cut, 2}, {kill, 2}, {crash_at_call, 1}, {clean_restart, 1}, {damage, 6}, {partition, 4}},
       DamageClass::log_rot,
       [](Scenario& s) {
         s.setup.node.segment_bytes = 64 * KiB;
         s.work.data_bytes = 800;
         s.work.reads = 20;
         s.faults.interval = 250ms;
       }},
      {{"lying_disks",
        "the disks of a minority lose writes, put them elsewhere, or show what was there before"},
       {{power_cut, 2}, {kill, 2}, {crash_at_call, 1}, {clean_restart, 1}, {damage, 4}, {partition, 4}},
       DamageClass::none,
       [](Scenario& s) {
         Prng prng = Prng(s.seed).fork("lies");
         s.faults.damage_class = draw_lie(prng);
         s.setup.disk.refuses_direct = false;
         s.setup.node.segment_bytes = 64 * KiB;
         s.faults.interval = s.faults.interval / 2;
       }},
      {{"lost_disks", "nodes of a cluster lose their disks at any moment, also while a view changes"},
       {{lost_disk, 4},
        {power_cut, 2},
        {kill, 2},
        {partition, 1},
        {full_disk, 0},
        {failed_sync, 0},
        {failed_names, 0},
        {damage, 0}},
       DamageClass::none,
       [](Scenario& s) {
         s.faults.damage_class = DamageClass::none;
         s.faults.lasts = s.faults.lasts * 2;
         s.faults.interval = s.faults.interval / 2;
         // An old copy that is forced to go on alone hears the others, however long the links stay cut.
         s.setup.node.tuning.recover_hearing = 24h;
         s.copies_disks = true;
       }},
      {{"async_cluster",
        "nodes acknowledge what is in memory; a minority may forget it, and nothing is lost"},
       {{power_cut, 3},
        {kill, 3},
        {partition, 6},
        {full_disk, 0},
        {failed_sync, 0},
        {failed_names, 0},
        {damage, 0}},
       DamageClass::none,
       [](Scenario& s) {
         s.faults.damage_class = DamageClass::none;
         s.faults.lasts = s.faults.lasts * 2;
         s.faults.interval = s.faults.interval / 2;
         s.setup.node.sync_mode = node::SyncMode::async;
         s.setup.disk.sync_latency =
             s.setup.disk.sync_latency * 10;  // acknowledgements run ahead of the disk
       }},
      {{"slow_links", "large appends over links that take longer for one than an election does"},
       {},
       DamageClass::none,
       [](Scenario& s) {
         Prng prng = Prng(s.seed).fork("links");
         s.faults.weights = {};
         s.keeps_views = true;
         s.network.bytes_per_second = prng.between(30, 120) * KiB;
         s.network.pipe_bytes = 64 * KiB;
         node::ConsensusOptions& consensus = s.setup.node.consensus;
         consensus.small_message_bytes_max = prng.between(512, 1024);
         consensus.heartbeat_interval = 50ms;
         consensus.election_timeout_min = 150ms;
         consensus.election_timeout_max = 300ms;
         s.work.clients = prng.between(3, 6);
         s.work.data_bytes = prng.between(3, 8) * KiB;
         s.work.batch_events = 2;
         s.work.reads = 10;
         s.work.think = milliseconds(prng.between(5, 100));
         s.faults.lasts = s.faults.lasts * 2;
       }},
      {{"growth", "one node with data becomes three, or three five, under crashes and partitions"},
       {{full_disk, 0}, {failed_sync, 0}, {failed_names, 0}, {damage, 0}},
       DamageClass::none,
       [](Scenario& s) {
         s.faults.damage_class = DamageClass::none;
         s.first_nodes = s.nodes - 2;
         s.setup.node.sync_mode = sometimes_async(s.seed);
       }},
      {{"destroyed_majority", "all nodes but one are destroyed; it goes on alone, and others come back"},
       {{full_disk, 0}, {failed_sync, 0}, {failed_names, 0}, {damage, 0}, {clock_jump, 0}},
       DamageClass::none,
       [](Scenario& s) {
         s.faults.damage_class = DamageClass::none;
         s.faults.lasts = s.faults.lasts / 2;
         s.setup.node.tuning.recover_hearing = 2s;
         s.destroys_majority = true;
         s.setup.node.sync_mode = sometimes_async(s.seed);
       }},
      {{"latency", "what clients of the others notice of a node that is down or slow"},
       {},
       DamageClass::none,
       [](Scenario& s) {
         s.measures_latency = true;
         s.faults = {};
         s.faults.lasts = 800ms;
         s.work.clients = s.work.subscribers = s.work.native_writers = s.work.native_followers = 0;
         s.work.tenants = 1;
         s.work.leaves = 0;
         s.work.data_bytes = std::min<std::uint64_t>(s.work.data_bytes, 200);
         // A load that is far from any limit.
         s.setup.node.segment_bytes = 4 * MiB;
         s.setup.node.tuning.flush_bytes_max = 64 * KiB;
         s.setup.node.tuning.queue_entries_max = 200;
         s.setup.node.tuning.queue_bytes_max = 1 * MiB;
         s.setup.node.tuning.sessions_max = 100;
         s.setup.node.tuning.session_requests_kept = 64;
         s.network.latency = s.network.latency / 4;
         s.network.pipe_bytes = 64 * KiB;
       }},
      {{"upgrade", "nodes of a cluster go to the next release and back, one by one, until it is activated"},
       {{other_release, 6}, {damage, 0}},
       DamageClass::none,
       [](Scenario& s) {
         s.faults.damage_class = DamageClass::none;
         s.faults.lasts = s.faults.lasts * 2;
         s.faults.interval = s.faults.interval / 2;
         Prng prng = Prng(s.seed).fork("upgrade");
         s.setup.node.tuning.watch_interval = milliseconds(prng.between(5, 100));
         s.setup.node.activate_after = milliseconds(prng.between(1, 150));
         if (prng.chance(1, 5)) s.setup.node.activate_after.reset();
       }},
  };
  return all;
}

}  // namespace

std::string_view name_of(Disturbance what) {
  return disturbance_names[static_cast<std::size_t>(what)];
}

std::string_view describe(DamageClass damage) {
  return damage_names[static_cast<std::size_t>(damage)];
}

io::Address Scenario::address_of(std::uint64_t node) const {
  return {"node" + std::to_string(node), setup.server.client_address.port};
}

io::Address Scenario::peer_address_of(std::uint64_t node) const {
  return {address_of(node).host, setup.peers.listen_address.port};
}

NodeSetup Scenario::setup_of(std::uint64_t node) const {
  NodeSetup its = setup;
  // A node alone may be one that others can be let in to.
  if (nodes == 1) {
    its.has_links = Prng(seed).fork("links").chance(1, 2);
    return its;
  }
  its.node.node_id = NodeId{node};
  its.server.client_address = address_of(node);
  its.peers.listen_address.host = its.server.client_address.host;
  its.has_links = true;
  // The first ones know nothing of those that come later.
  const std::uint64_t known = grows() && node <= first_nodes ? first_nodes : nodes;
  for (std::uint64_t other = 1; other <= known; ++other) {
    if (other != node) its.peers.others.push_back(peer_address_of(other));
  }
  if (setup.node.sync_mode == node::SyncMode::async &&
      Prng(seed).fork("mode").fork(std::to_string(node)).chance(1, 4))
    its.node.sync_mode = node::SyncMode::fsync;
  // No two machines are the same.
  Prng prng = Prng(seed).fork("node " + std::to_string(node));
  its.clock.drift_ppb = static_cast<std::int64_t>(prng.below(400'000)) - 200'000;
  its.clock.skew = milliseconds(prng.below(20'000)) - 10s;
  if (clocks_are_kept) its.clock.skew = its.clock.skew / 100;
  const auto halves = static_cast<std::int64_t>(prng.between(1, 4));
  // But where one is to stand for another, they are.
  if (!measures_latency) its.disk.sync_latency = setup.disk.sync_latency * halves / 2;
  return its;
}

std::string Scenario::describe() const {
  const auto number = [](std::uint64_t value) { return std::to_string(value); };
  std::string text = name + " seed " + number(seed) + ": " + (nodes > 1 ? number(nodes) + " nodes, " : "") +
                     "segment " + describe_bytes(setup.node.segment_bytes) + ", flush " +
                     describe_bytes(setup.node.tuning.flush_bytes_max) + ", sector " +
                     number(setup.disk.sector_bytes) + ", checkpoint every " +
                     number(setup.node.tuning.checkpoint_entries) + ", " + number(work.clients) +
                     " clients, " + number(work.subscribers) + " subscribers";
  if (setup.node.sync_mode == node::SyncMode::async) text += ", async";
  for (std::size_t i = 0; i < disturbance_count; ++i) {
    if (faults.weights[i] == 0) continue;
    const bool is_damage = static_cast<Disturbance>(i) == Disturbance::damage;
    text += ", " + std::string(is_damage ? sim::describe(faults.damage_class) : disturbance_names[i]) + " " +
            number(faults.weights[i]);
  }
  return text;
}

const std::vector<ScenarioName>& scenario_names() {
  static const std::vector<ScenarioName> names = [] {
    std::vector<ScenarioName> all;
    for (const Entry& entry : entries()) all.push_back(entry.name);
    return all;
  }();
  return names;
}

std::optional<Scenario> draw_scenario(std::string_view name, std::uint64_t seed) {
  const auto entry =
      std::find_if(entries().begin(), entries().end(), [&](const Entry& e) { return e.name.name == name; });
  if (entry == entries().end()) return std::nullopt;
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
  if (name == "swarm") draw_swarm(prng.fork("faults"), scenario);
  if (name == cluster_name || name == repair_name || name == "lost_disks" || name == "async_cluster" ||
      name == "slow_links" || name == "growth" || name == "destroyed_majority" || name == "latency" ||
      name == "upgrade" || name == "pauses" || name == "lying_disks")
    draw_cluster(prng.fork("cluster"), scenario);
  Prng links = prng.fork("links");
  if (name == cluster_name && links.chance(1, 5))
    scenario.network.bytes_per_second = 20 * KiB << links.below(7);
  for (const auto& [what, weight] : entry->weights) scenario.faults[what] = weight;
  if (entry->damage_class != DamageClass::none) scenario.faults.damage_class = entry->damage_class;
  entry->tune(scenario);
  return scenario;
}

}  // namespace verity::sim
