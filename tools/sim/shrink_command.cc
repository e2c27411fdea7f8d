#include "tools/sim/shrink_command.h"

#include "sim/settings.h"
#include "sim/shrink.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <optional>

namespace verity::sim_tool {
namespace {

constexpr double minutes_if_not_said = 5;
// A scenario that was made smaller and then does not end has not been found.
constexpr unsigned seconds_per_try_max = 60;

// In a process of its own, as a failure may be its end. What it writes: the number of disturbances, then the failure.
std::optional<sim::Finding> try_apart(const sim::Scenario& scenario) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return std::nullopt;
  std::fflush(nullptr);
  const pid_t pid = ::fork();
  if (pid < 0) return std::nullopt;
  if (pid == 0) {
    ::close(ends[0]);
    const int nowhere = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
    ::dup2(nowhere, STDERR_FILENO);
    ::alarm(seconds_per_try_max);
    const sim::RunResult result = sim::run_scenario(scenario);
    const std::string text = std::to_string(result.disturbances) + " " + result.failure.value_or("");
    const ssize_t ignored = ::write(ends[1], text.data(), text.size());
    static_cast<void>(ignored);
    ::_exit(0);
  }
  ::close(ends[1]);
  std::string text;
  char bytes[4096];
  for (ssize_t count; (count = ::read(ends[0], bytes, sizeof(bytes))) > 0;)
    text.append(bytes, static_cast<std::size_t>(count));
  ::close(ends[0]);
  int status = 0;
  ::waitpid(pid, &status, 0);
  if (WIFSIGNALED(status)) {
    if (WTERMSIG(status) == SIGALRM) return std::nullopt;
    // How many disturbances there were is not known any more; none beyond the last can be skipped.
    return sim::Finding{"the process died of signal " + std::to_string(WTERMSIG(status)), 64};
  }
  const std::size_t space = text.find(' ');
  if (space == std::string::npos || space + 1 == text.size()) return std::nullopt;
  return sim::Finding{text.substr(space + 1), std::stoull(text)};
}

// Everything that happened to the world, and how it ended.
void tell_story(const sim::Scenario& scenario) {
  std::string story;
  const sim::RunResult result = sim::run_scenario(scenario, [&](std::string_view line) {
    const bool is_skipped = line.ends_with(", skipped\n");
    const bool is_world = line.find(" world  ") != std::string_view::npos && !is_skipped;
    const bool is_end = line.find("  crash  ") != std::string_view::npos;
    const bool is_role = line.find(": Became ") != std::string_view::npos;
    if (is_world || is_end || is_role) story += "  " + std::string(line);
  });
  std::printf("%sFAILED %s\n", story.c_str(), result.failure.value_or("not this time").c_str());
}

}  // namespace

int shrink_and_print(const Options& options, const sim::Scenario& scenario) {
  std::optional<sim::Finding> found = try_apart(scenario);
  if (!found) {
    std::printf("%s\nIt does not fail: there is nothing to make smaller.\n", scenario.describe().c_str());
    return 0;
  }
  std::printf("%s\nfails: %s\n", scenario.describe().c_str(), found->failure.c_str());
  std::fflush(stdout);
  const auto start = std::chrono::steady_clock::now();
  const double seconds = 60 * (options.minutes > 0 ? options.minutes : minutes_if_not_said);
  std::uint64_t tries = 0;
  const bool terminal = ::isatty(STDERR_FILENO) != 0;
  const sim::Shrunk shrunk = sim::shrink(
      scenario, std::move(*found),
      [&](const sim::Scenario& smaller) {
        ++tries;
        if (!options.quiet && (terminal || tries % 50 == 0))
          std::fprintf(stderr, "%s%llu tries%s", terminal ? "\r" : "", static_cast<unsigned long long>(tries),
                       terminal ? "" : "\n");
        return try_apart(smaller);
      },
      [&] { return seconds_since(start) < seconds; });
  if (terminal && !options.quiet) std::fprintf(stderr, "\n");
  const sim::Scenario drawn = *sim::draw_scenario(scenario.name, scenario.seed);
  const std::string replay =
      replay_line(scenario.seed, scenario.name, sim::differences(drawn, shrunk.scenario));
  note_for_assertions(replay);
  std::printf("\nThe smallest of %llu tries:\n", static_cast<unsigned long long>(shrunk.tries));
  std::fflush(stdout);
  tell_story(shrunk.scenario);
  std::printf("Replay: %s\n", replay.c_str());
  return 1;
}

}  // namespace verity::sim_tool
