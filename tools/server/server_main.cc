#include "tools/server/server_main.h"

#include "tools/server/config.h"
#include "tools/server/process_input.h"
#include "tools/server/serve.h"

#include <cstdio>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace verity::tools {
namespace {

enum ExitCode : int { exit_fine = 0, exit_failure = 1, exit_usage = 2 };

int wrong_use(const CommandLine& line) {
  for (const std::string& problem : line.problems)
    std::fprintf(stderr, "verity-server: %s\n", problem.c_str());
  std::fputs("For help: verity-server --help\n", stderr);
  return exit_usage;
}

int refuse(const std::vector<std::string>& problems) {
  for (const std::string& problem : problems) std::fprintf(stderr, "verity-server: %s\n", problem.c_str());
  std::fprintf(stderr, "verity-server: %zu %s in the configuration; nothing was started\n", problems.size(),
               problems.size() == 1 ? "problem" : "problems");
  return exit_failure;
}

}  // namespace

int server_main(int count, char** arguments, const node::Releases& releases) {
  const std::vector<std::string_view> words(arguments + 1, arguments + count);
  const CommandLine line = parse_command_line(words);
  if (!line.problems.empty()) return wrong_use(line);
  if (line.action == CommandLine::Action::help) {
    std::fputs(help_text().c_str(), stdout);
    return exit_fine;
  }
  if (line.action == CommandLine::Action::version) {
    const std::string known =
        releases.oldest == releases.newest ? "" : std::to_string(releases.oldest) + " to ";
    std::printf("verity-server %s, release %s%u\n", VERITY_VERSION, known.c_str(), releases.newest);
    return exit_fine;
  }

  const auto variables = process_environment();
  std::optional<std::string> path = line.config_path;
  if (const auto named = variables.find("VERITY_CONFIG"); !path && named != variables.end())
    path = named->second;
  std::optional<ConfigFile> file;
  if (path) {
    auto config = read_config_file(*path);
    if (!config) return refuse({config.error().message});
    file = *std::move(config);
  }
  auto loaded = load_config(file, variables, line.settings);
  if (!loaded.problems.empty()) return refuse(loaded.problems);
  if (line.action == CommandLine::Action::validate) {
    std::fputs(describe_config(loaded.config).c_str(), stdout);
    for (const std::string& note : loaded.notes) std::printf("%s\n", note.c_str());
    std::puts("The configuration is fine.");
    return exit_fine;
  }
  loaded.config.node.releases = releases;
  loaded.config.node.force_recover = line.force_recover;
  loaded.config.node.force_recover_epoch = line.force_recover_epoch;
  return serve(loaded.config, loaded.notes);
}

}  // namespace verity::tools
