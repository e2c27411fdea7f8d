#include "tools/sim/options.h"

#include "sim/settings.h"

#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace verity::sim_tool {
namespace {

char abort_note[1024];

void on_abort(int) {
  const ssize_t ignored = ::write(STDERR_FILENO, abort_note, std::strlen(abort_note));
  static_cast<void>(ignored);
  std::_Exit(1);
}

}  // namespace

Result<sim::Scenario> make_scenario(const Options& options, std::uint64_t seed, const std::string& name) {
  std::optional<sim::Scenario> scenario = sim::draw_scenario(name, seed);
  if (!scenario) return fail(ErrorCode::not_found, "there is no scenario \"" + name + "\" (see --list)");
  for (const std::string& assignment : options.assignments) VERITY_TRY(sim::assign(*scenario, assignment));
  return std::move(*scenario);
}

std::string replay_line(std::uint64_t seed, const std::string& scenario,
                        const std::vector<std::string>& assignments) {
  std::string line = "verity-sim --seed " + std::to_string(seed) + " --scenario " + scenario;
  for (const std::string& assignment : assignments) line += " --set " + assignment;
  return line;
}

void note_for_assertions(const std::string& replay) {
  std::snprintf(abort_note, sizeof(abort_note), "FAILED by an assertion. Replay: %s\n", replay.c_str());
  std::signal(SIGABRT, on_abort);
}

}  // namespace verity::sim_tool
