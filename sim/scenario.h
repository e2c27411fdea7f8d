// What one run does, drawn from its seed: constants shrunk until rare things are common, which faults there are
// and how often, and how the clients behave. A named scenario leaves out everything but its subject; "swarm"
// draws from everything.
#pragma once

#include "sim/disk.h"
#include "sim/network.h"
#include "sim/node_host.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace verity::sim {

// What a run's disk may do to data at rest or in flight, beyond losing what was not synced. One per run, so
// that every finding has one possible reason (docs/faults.md).
enum class DamageClass : std::uint8_t {
  none,
  log_rot,         // a bit of a segment flips
  derived_rot,     // a bit of a checkpoint or sidecar flips
  state_rot,       // a bit of one copy of the node's state flips
  log_unreadable,  // a sector of a segment cannot be read
  lost_write,      // a durable write to a segment never happens
  misdirected_write,
  stale_read,
};
std::string_view describe(DamageClass damage);

// What may happen from outside, again and again, until everything heals.
enum class Disturbance : std::uint8_t {
  power_cut,
  kill,
  crash_at_call,  // at a call soon after the next start
  clean_restart,
  full_disk,
  slow_disk,
  network_trouble,
  clock_jump,
  failed_sync,
  damage,
  partition,      // links between nodes are cut, or all are mended
  lost_disk,      // a node's disk is replaced by an empty one, if the membership stands that now
  other_release,  // a node is started again with the program of the next release, or the one before
  pause,          // a process, or all of them, does not run for 10 ms to 5 s
  failed_names,   // files cannot be made, renamed or removed, directories not synced
  slow_peer,      // what a node sends and gets takes many times as long
};
inline constexpr std::size_t disturbance_count = 16;
std::string_view name_of(Disturbance what);  // "power_cut"

struct FaultPlan {
  Duration lasts = 5s;                                     // then everything heals
  Duration interval = 1s;                                  // mean time between two disturbances; zero: none
  std::array<std::uint64_t, disturbance_count> weights{};  // 0: never
  DamageClass damage_class = DamageClass::none;
  std::uint64_t stale_read_ppm = 50'000;  // of that kind
  std::set<std::uint64_t> skipped;  // of the disturbances, counted from 0: they are drawn and do not happen

  std::uint64_t& operator[](Disturbance what) { return weights[static_cast<std::size_t>(what)]; }
};

struct WorkloadPlan {
  std::uint64_t clients = 3;
  std::uint64_t subscribers = 1;
  std::uint64_t tenants = 1;
  std::uint64_t streams = 3;  // per tenant
  std::uint64_t subjects = 3;
  Duration think = 2ms;            // mean pause of a client
  std::uint64_t data_bytes = 80;   // mean
  std::uint64_t batch_events = 1;  // mean
  // Of 100.
  std::uint64_t reads = 30;
  std::uint64_t keys = 40;  // appends with an idempotency key
  std::uint64_t expectations = 30;
  std::uint64_t several_streams = 15;
  std::uint64_t conflicts = 3;  // a used key with another body
  std::uint64_t nonsense = 2;   // requests that must be refused
  std::uint64_t cloud_events = 10;
  std::uint64_t proofs = 5;  // of the reads
  std::uint64_t leaves = 3;  // clients that crash in the middle of an append, and come back
  std::uint64_t native_writers = 0;
  std::uint64_t native_followers = 0;
  Duration tenant_lifetime{};  // mean, of the last tenant; zero: it stays
};

struct Scenario {
  std::string name;
  std::uint64_t seed = 0;
  std::uint64_t ready_swaps = 0;
  std::uint64_t nodes = 1;
  std::uint64_t first_nodes = 0;   // found the cluster; the others are let in; 0: all
  bool destroys_majority = false;  // when the faults end (destroyed_majority.h)
  bool keeps_views = false;        // nothing happens that would need another leader
  bool copies_disks = false;       // and puts old copies back, as another way to lose a disk
  bool measures_latency = false;   // instead of any other fault (latency_trial.h)
  bool mends_one_by_one = false;   // links that were cut, in any order
  bool clocks_are_kept = false;    // those of a majority show the time of day; only the others jump
  NodeSetup setup;                 // of node 1, and what it has in common with the others
  NetworkOptions network;
  FaultPlan faults;
  WorkloadPlan work;

  NodeSetup setup_of(std::uint64_t node) const;      // from 1
  io::Address address_of(std::uint64_t node) const;  // for clients
  io::Address peer_address_of(std::uint64_t node) const;
  bool upgrades() const { return faults.weights[static_cast<std::size_t>(Disturbance::other_release)] != 0; }
  bool grows() const { return first_nodes != 0 && first_nodes < nodes; }
  std::string describe() const;
};

struct ScenarioName {
  std::string_view name;
  std::string_view about;
};
const std::vector<ScenarioName>& scenario_names();

// Nothing if there is no scenario of that name.
std::optional<Scenario> draw_scenario(std::string_view name, std::uint64_t seed);

}  // namespace verity::sim
