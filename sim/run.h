// One run: a seed and a scenario, from empty disks to a verdict.
//
//   faults ──────────────► heal ──► liveness: ready and answering within a bound ──► audit ──► restart, audit
//   clients work all the time                (or a refusal that the faults justify)
//
// In a cluster a majority heals first and must answer without the rest; then the rest heals, and all nodes become equal.
#pragma once

#include "sim/scenario.h"
#include "sim/trace.h"

#include <cstdint>
#include <optional>
#include <string>

namespace verity::sim {

struct RunResult {
  std::optional<std::string> failure;
  std::string digest;
  std::string about;     // the scenario as drawn
  std::string verdict;   // "survived", "refused: …"
  std::string measured;  // lines
  Duration simulated{};
  std::uint64_t boots = 0;
  std::uint64_t requests = 0;
  std::uint64_t acked = 0;
  std::uint64_t lost = 0;  // acknowledged, and gone where that is allowed
  std::uint64_t damages = 0;
  std::uint64_t pauses = 0;
  std::uint64_t disturbances = 0;  // skipped ones included
  std::uint64_t trace_lines = 0;
  std::string last_lines;  // of the trace, after a failure
};

RunResult run_scenario(const Scenario& scenario, const Trace::Sink& sink = {});

}  // namespace verity::sim
