// What verity-sim was asked for, and what its parts share.
#pragma once

#include "io/base/result.h"
#include "sim/run.h"
#include "sim/scenario.h"

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace verity::sim_tool {

struct Options {
  std::uint64_t seed = 0;
  bool seed_given = false;
  std::string scenario = "all";
  std::uint64_t seeds = 0;
  double minutes = 0;
  unsigned jobs = 1;
  std::string json;
  std::string trace;
  std::string page;
  std::vector<std::string> assignments;  // of --set
  bool shrink = false;
  bool probes = false;
  bool quiet = false;
};

// The scenario as the seed draws it, with what was set by hand.
Result<sim::Scenario> make_scenario(const Options& options, std::uint64_t seed, const std::string& name);

// The line that runs this again.
std::string replay_line(std::uint64_t seed, const std::string& scenario,
                        const std::vector<std::string>& assignments);

// From now on a broken assertion says how to replay it before the process ends.
void note_for_assertions(const std::string& replay);

inline double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace verity::sim_tool
