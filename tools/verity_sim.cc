// verity-sim: runs the production node in the simulated world, one seed after another. A failure ends with the
// line that replays it.
#include "tools/sim/check_history.h"
#include "tools/sim/options.h"
#include "tools/sim/pool.h"
#include "tools/sim/single.h"

#include <CLI/CLI.hpp>

#include <cstdio>
#include <random>
#include <string>

namespace {

int list_scenarios() {
  for (const auto& [name, about] : verity::sim::scenario_names()) {
    std::printf("%-14.*s %.*s\n", static_cast<int>(name.size()), name.data(), static_cast<int>(about.size()),
                about.data());
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  using namespace verity;
  using namespace verity::sim_tool;
  Options options;
  bool list = false;
  std::string seed_text;
  std::string history;
  CLI::App app{
      "Runs the VerityDB node in a simulated world of crashes, broken disks and irregular clients.\n"
      "With --seed alone one run is made and its digest printed: the same seed gives the same digest."};
  app.add_option("--seed", seed_text,
                 "the seed, or the first of several (decimal or 0x...); drawn if not given");
  app.add_option("--scenario", options.scenario, "one scenario, or all (see --list)")->capture_default_str();
  app.add_option("--seeds", options.seeds, "how many seeds")->check(CLI::PositiveNumber);
  app.add_option("--minutes", options.minutes, "for how long")->check(CLI::PositiveNumber);
  app.add_option("--jobs", options.jobs, "processes")->check(CLI::Range(1u, 256u))->capture_default_str();
  app.add_option("--json", options.json, "a summary for machines goes to this file");
  app.add_option("--trace", options.trace, "every line of a single run goes to this file");
  app.add_option("--page", options.page, "the trace of a single run as one HTML page goes to this file");
  app.add_option("--set", options.assignments,
                 "NAME=VALUE: something else than the seed draws; again and again")
      ->allow_extra_args(false);
  app.add_flag("--shrink", options.shrink,
               "looks for the smallest scenario that fails as this seed does (--minutes, at most: 5)");
  app.add_flag("--probes", options.probes,
               "says which of the named rare places in the code the runs came to, and which never");
  app.add_flag("--quiet", options.quiet, "no progress on standard error");
  app.add_option(
      "--check-history", history,
      "simulates nothing: asks whether the history in this file can be true (sim/recorded_history.h)");
  app.add_flag("--list", list, "lists the scenarios");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  if (list) return list_scenarios();
  if (!history.empty()) return check_history(history);
  if (options.scenario != "all" && !sim::draw_scenario(options.scenario, 1)) {
    std::fprintf(stderr, "verity-sim: there is no scenario \"%s\"; these are:\n", options.scenario.c_str());
    list_scenarios();
    return 2;
  }
  if (!seed_text.empty()) {
    std::size_t used = 0;
    try {
      options.seed = std::stoull(seed_text, &used, 0);
    } catch (const std::exception&) {
      used = 0;
    }
    if (used == 0 || used != seed_text.size() || seed_text[0] == '-') {
      std::fprintf(stderr, "verity-sim: --seed \"%s\" is not a number of 0..2^64-1\n", seed_text.c_str());
      return 2;
    }
    options.seed_given = true;
  } else {
    std::random_device device;
    options.seed = device();
  }
  if (const auto scenario =
          make_scenario(options, options.seed, options.scenario == "all" ? "swarm" : options.scenario);
      !scenario) {
    std::fprintf(stderr, "verity-sim: --set: %s\n", scenario.error().message.c_str());
    return 2;
  }
  const bool many = !options.shrink && (options.seeds > 1 || options.minutes > 0);
  if (!many) {
    if (!options.seed_given) std::printf("seed %llu\n", static_cast<unsigned long long>(options.seed));
    return run_single(options);
  }
  if (!options.trace.empty() || !options.page.empty()) {
    std::fprintf(stderr, "verity-sim: --trace and --page are for a single seed\n");
    return 2;
  }
  return run_many(options);
}
