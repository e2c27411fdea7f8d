#include "tools/sim/single.h"

#include "sim/trace_page.h"
#include "tools/sim/probes.h"
#include "tools/sim/shrink_command.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>

namespace verity::sim_tool {
namespace {

bool is_written(std::ofstream& file, const std::string& path) {
  if (file.flush()) return true;
  std::fprintf(stderr, "verity-sim: cannot write %s: %s\n", path.c_str(), std::strerror(errno));
  return false;
}

void print(const sim::RunResult& result, double took) {
  std::printf("%s\n", result.about.c_str());
  if (result.failure) std::printf("%s", result.last_lines.c_str());
  std::printf("%s", result.measured.c_str());
  std::printf(
      "%s: %llu boots, %llu requests, %llu acknowledged, %llu lost, %llu faults of the disk; %.3f s "
      "simulated in %.3f s\n",
      result.verdict.c_str(), static_cast<unsigned long long>(result.boots),
      static_cast<unsigned long long>(result.requests), static_cast<unsigned long long>(result.acked),
      static_cast<unsigned long long>(result.lost), static_cast<unsigned long long>(result.damages),
      std::chrono::duration<double>(result.simulated).count(), took);
  std::printf("digest %s over %llu lines\n", result.digest.c_str(),
              static_cast<unsigned long long>(result.trace_lines));
}

}  // namespace

int run_single(const Options& options) {
  const std::string name = options.scenario == "all" ? "swarm" : options.scenario;
  const std::string replay = replay_line(options.seed, name, options.assignments);
  const sim::Scenario scenario = *make_scenario(options, options.seed, name);
  if (options.shrink) return shrink_and_print(options, scenario);
  note_for_assertions(replay);

  std::ofstream text;
  std::ofstream page;
  if (!options.trace.empty()) text.open(options.trace, std::ios::trunc);
  if (!options.page.empty()) page.open(options.page, std::ios::trunc);
  sim::TracePage lanes(replay);
  sim::Trace::Sink sink;
  if (!options.trace.empty() || !options.page.empty()) {
    sink = [&](std::string_view line) {
      if (!options.trace.empty()) text << line << std::flush;
      if (!options.page.empty()) lanes.add(line);
    };
  }
  const auto start = std::chrono::steady_clock::now();
  const sim::RunResult result = sim::run_scenario(scenario, sink);
  const double took = seconds_since(start);
  print(result, took);
  if (options.probes) print_probes(count_probes());
  if (!options.trace.empty() && !is_written(text, options.trace)) return 2;
  if (!options.page.empty()) {
    page << lanes.html(result.failure.value_or(result.verdict));
    if (!is_written(page, options.page)) return 2;
  }
  if (!options.json.empty()) {
    std::ofstream json(options.json, std::ios::trunc);
    json << "{\"seed\":" << options.seed << ",\"scenario\":\"" << name << "\",\"digest\":\"" << result.digest
         << "\",\"failed\":" << (result.failure ? "true" : "false") << ",\"seconds\":" << took << "}\n";
    if (!is_written(json, options.json)) return 2;
  }
  if (!result.failure) return 0;
  std::printf("FAILED %s\nReplay: %s\nSmaller: %s --shrink\n", result.failure->c_str(), replay.c_str(),
              replay.c_str());
  return 1;
}

}  // namespace verity::sim_tool
