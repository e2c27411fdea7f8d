#include "sim/scenario_draws.h"

#include <algorithm>
#include <array>

namespace verity::sim {
namespace {

void draw_pauses(Prng prng, FaultPlan& faults) {
  if (prng.chance(3, 10)) faults[Disturbance::pause] = prng.between(1, 4);
}

void draw_failing_names(Prng prng, FaultPlan& faults) {
  if (prng.chance(1, 5)) faults[Disturbance::failed_names] = prng.between(1, 2);
}

// They cost much time, and what they add is in who is a majority.
void draw_seven(Scenario& scenario) {
  scenario.nodes = 7;
  scenario.faults.lasts = std::min<Duration>(scenario.faults.lasts, 2s);
  WorkloadPlan& work = scenario.work;
  work.clients = std::min<std::uint64_t>(work.clients, 2);
  work.subscribers = std::min<std::uint64_t>(work.subscribers, 1);
  work.native_writers = std::min<std::uint64_t>(work.native_writers, 1);
  work.think = std::max<Duration>(work.think, 5ms);
}

}  // namespace

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
  tuning.scrub_pause = 10ms * (1 << prng.below(9));
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

  tuning.sessions_max = prng.between(2, 20);
  tuning.session_requests_kept = prng.between(1, 64);
  server.native_requests_max = static_cast<std::uint32_t>(prng.between(1, 64));
  server.native_bytes_max = 4 * KiB << prng.below(10);
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
  work.cloud_events = prng.below(30);
  work.proofs = prng.below(30);
  work.leaves = prng.below(8);
  if (prng.chance(1, 2)) work.tenant_lifetime = milliseconds(prng.between(50, 1500));
  work.native_writers = prng.below(3);
  work.native_followers = prng.below(2);
  return work;
}

DamageClass draw_lie(Prng& prng) {
  constexpr std::array lies{DamageClass::lost_write, DamageClass::misdirected_write, DamageClass::stale_read};
  return lies[prng.below(lies.size())];
}

void draw_cluster(Prng prng, Scenario& scenario) {
  scenario.nodes = prng.chance(1, 5) ? 5 : 3;
  node::ConsensusOptions& consensus = scenario.setup.node.consensus;
  consensus.heartbeat_interval = milliseconds(prng.between(10, 100));
  consensus.election_timeout_min = consensus.heartbeat_interval * prng.between(2, 4) + 20ms;
  consensus.election_timeout_max = consensus.election_timeout_min * prng.between(1, 3);
  consensus.entries_per_message_max = prng.chance(1, 3) ? prng.between(1, 4) : prng.between(5, 100);
  peer::PeerOptions& peers = scenario.setup.peers;
  peers.reconnect_delay_min = milliseconds(prng.between(5, 50));
  peers.reconnect_delay_max = milliseconds(prng.between(50, 1000));
  peers.keep_alive_interval = milliseconds(prng.between(100, 500));
  peers.silence_timeout = peers.keep_alive_interval * prng.between(3, 6);
  peers.control.queue_frames_max = prng.between(16, 1024);
  peers.bulk.queue_frames_max = prng.between(8, 256);
  scenario.work.tenant_lifetime = {};  // a node that lags behind tells of the tenant that was
  // How many seeds of ten have it at all, in the order of Disturbance.
  constexpr std::array<std::uint64_t, 12> of_10{7, 6, 5, 5, 2, 3, 5, 2, 2, 0, 6, 0};
  for (std::size_t i = 0; i < of_10.size(); ++i)
    scenario.faults.weights[i] = prng.chance(of_10[i], 10) ? prng.between(1, 4) : 0;
  draw_pauses(prng.fork("pauses"), scenario.faults);
  draw_failing_names(prng.fork("names"), scenario.faults);
  Prng links = prng.fork("links");
  if (links.chance(1, 5)) scenario.faults[Disturbance::slow_peer] = links.between(1, 4);
  scenario.mends_one_by_one = links.chance(1, 2);
  scenario.clocks_are_kept = prng.fork("clocks").chance(1, 2);
  if (prng.fork("seven").chance(1, 30)) draw_seven(scenario);
  if (prng.chance(1, 3)) {
    constexpr std::array kinds{DamageClass::log_rot, DamageClass::log_rot, DamageClass::derived_rot,
                               DamageClass::state_rot, DamageClass::log_unreadable};
    scenario.faults[Disturbance::damage] = prng.between(1, 3);
    scenario.faults.damage_class = kinds[prng.below(kinds.size())];
    Prng lying = prng.fork("lies");
    if (lying.chance(2, 5)) scenario.faults.damage_class = draw_lie(lying);
  }
}

void draw_swarm(Prng prng, Scenario& scenario) {
  // How many seeds of ten have it at all, in the order of Disturbance.
  constexpr std::array<std::uint64_t, 9> of_10{6, 5, 4, 4, 2, 3, 4, 2, 2};
  FaultPlan& faults = scenario.faults;
  for (std::size_t i = 0; i < of_10.size(); ++i)
    faults.weights[i] = prng.chance(of_10[i], 10) ? prng.between(1, 5) : 0;
  draw_pauses(prng.fork("pauses"), faults);
  draw_failing_names(prng.fork("names"), faults);
  if (prng.chance(1, 4)) {
    faults[Disturbance::damage] = prng.between(1, 2);
    faults.damage_class =
        static_cast<DamageClass>(prng.between(1, static_cast<std::uint64_t>(DamageClass::stale_read)));
  }
  if (prng.chance(1, 10)) scenario.setup.node.sync_mode = node::SyncMode::async;
}

}  // namespace verity::sim
