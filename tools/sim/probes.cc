#include "tools/sim/probes.h"

#include "io/base/probe.h"

#include <algorithm>
#include <cstdio>

namespace verity::sim_tool {

ProbeCounts count_probes() {
  ProbeCounts counts;
  for (const Probe* const probe : Probe::all()) counts[std::string(probe->name())] = probe->count();
  return counts;
}

void print_probes(const ProbeCounts& probes) {
  const auto reached = std::ranges::count_if(probes, [](const auto& probe) { return probe.second != 0; });
  std::printf("%lld of %zu probes were reached\n", static_cast<long long>(reached), probes.size());
  for (const bool never : {false, true}) {
    for (const auto& [name, count] : probes) {
      if ((count == 0) != never) continue;
      std::printf("%10s  %s\n", never ? "NEVER" : std::to_string(count).c_str(), name.c_str());
    }
  }
}

}  // namespace verity::sim_tool
