// What one run does, drawn from its seed: constants shrunk until rare things are common, which faults there are
// and how often, and how the clients behave. A named scenario leaves out everything but its subject; "swarm"
// draws from everything.
#pragma once

#include "sim/disk.h"
#include "sim/network.h"
#include "sim/node_host.h"

#include <optional>
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

struct FaultPlan {
  Duration lasts = 5s;     // then everything heals
  Duration interval = 1s;  // mean time between two disturbances; zero: none
  // Weights of disturbances; 0: never.
  std::uint64_t power_cut = 0;
  std::uint64_t kill = 0;
  std::uint64_t crash_at_call = 0;  // at a call soon after the next start
  std::uint64_t clean_restart = 0;
  std::uint64_t full_disk = 0;
  std::uint64_t slow_disk = 0;
  std::uint64_t network_trouble = 0;
  std::uint64_t clock_jump = 0;
  std::uint64_t failed_sync = 0;
  std::uint64_t damage = 0;
  DamageClass damage_class = DamageClass::none;
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
};

struct Scenario {
  std::string name;
  std::uint64_t seed = 0;
  std::uint64_t ready_swaps = 0;
  NodeSetup setup;
  NetworkOptions network;
  FaultPlan faults;
  WorkloadPlan work;

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
