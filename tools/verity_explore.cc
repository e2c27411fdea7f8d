// verity-explore: drives the real core of replication through every interleaving of small worlds, or through long random
// stories. A violation ends with the story that leads to it, as a script of engine/consensus/scripts/.
#include "engine/consensus/testing/script.h"
#include "sim/explorer/explorer.h"
#include "sim/explorer/founding_search.h"
#include "sim/explorer/walk.h"

#include <CLI/CLI.hpp>

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

namespace {

using namespace verity::explorer;

struct Options {
  std::string world;
  bool list = false;
  bool walk = false;
  bool quiet = false;
  double minutes = 1;
  std::uint64_t states = 10'000'000;
  std::size_t depth = 0;
  std::string resume;
  std::uint64_t seed = 1;
  std::uint64_t seeds = 0;
  std::size_t length = 400;
  std::uint32_t heals_once_in = 100;
  std::string json;
  std::string script;
};

class Deadline {
 public:
  explicit Deadline(double minutes) : minutes_(minutes) {}
  double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }
  bool passed() const { return seconds() > minutes_ * 60; }

 private:
  double minutes_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

// ---- stories that fail

// In a process of its own, because it may end in a broken assertion. Whether `work` came to an end, and said so.
template <typename Work>
bool in_child(const Work& work) {
  std::fflush(nullptr);
  const pid_t child = ::fork();
  if (child == 0) {
    std::signal(SIGABRT, SIG_DFL);
    static_cast<void>(std::freopen("/dev/null", "w", stderr));
    std::_Exit(work() ? 0 : 1);
  }
  int status = 0;
  return child > 0 && ::waitpid(child, &status, 0) == child && status == 0;
}

bool fails(const ExploredWorld& world, const std::vector<Action>& story, Flaw flaw) {
  return !in_child([&] { return !flaw_of(world, story, flaw); });
}

std::string healing_of(const ExploredWorld& world, const std::vector<Action>& story) {
  const std::string why = flaw_of(world, story, Flaw::standstill).value_or("");
  return why.substr(0, why.find(':')) + "\n";
}

// What is told of a story whose end would be an assertion stops before it.
void tell(const ExploredWorld& world, std::vector<Action> story, bool asserted, Flaw flaw = Flaw::violation) {
  const auto still_fails = [&](const std::vector<Action>& some) { return fails(world, some, flaw); };
  story = shrink(std::move(story), still_fails);
  const Action last = story.empty() ? Action{} : story.back();
  if (asserted) story.pop_back();
  const std::string script = script_of(world, story) + (asserted ? last.describe() + "\n" : "") +
                             (flaw == Flaw::standstill ? healing_of(world, story) : "");
  std::printf("---- the shortest story found (%zu things happen)\n%s", story.size() + (asserted ? 1 : 0),
              script.c_str());
  std::printf("---- the same with what the nodes did\n");
  if (!in_child([&] {
        std::fputs(verity::consensus::testing::run_script(script).c_str(), stdout);
        std::fflush(stdout);
        return true;
      }))
    std::printf("(the script ends in an assertion, too)\n");
  std::fflush(stdout);
}

void write_json(const Options& options, bool failed, const std::string& by, std::uint64_t count,
                double seconds, const std::string& why) {
  if (options.json.empty()) return;
  std::string quoted;
  for (const char letter : why) {
    if (letter == '"' || letter == '\\') quoted += '\\';
    if (letter != '\n') quoted += letter;
  }
  std::ofstream(options.json) << "{\"failed\": " << (failed ? "true" : "false") << ", \"by\": \"" << by
                              << "\", \"count\": " << count << ", \"seconds\": " << seconds << ", \"why\": \""
                              << quoted << "\"}\n";
}

// ---- a broken assertion is a find as well

std::function<void()> on_assertion;

void on_abort(int) {
  std::signal(SIGABRT, SIG_DFL);
  on_assertion();
  std::fflush(nullptr);
  std::_Exit(1);
}

// ---- the two ways

volatile std::sig_atomic_t is_to_stop = 0;

constexpr double seconds_between_saves = 300;
constexpr double seconds_between_lines = 5;

double memory_gib() {
  std::ifstream statm("/proc/self/statm");
  double size = 0;
  double resident = 0;
  statm >> size >> resident;
  return resident * static_cast<double>(::sysconf(_SC_PAGESIZE)) / (1024.0 * 1024 * 1024);
}

// Whole or not at all: what was there before stays if the process ends meanwhile.
void save(const Explorer& explorer, const std::string& path) {
  const std::string fresh = path + ".new";
  std::ofstream out(fresh, std::ios::binary | std::ios::trunc);
  explorer.save(out);
  out.close();
  if (!out || std::rename(fresh.c_str(), path.c_str()) != 0)
    std::fprintf(stderr, "%s could not be written\n", path.c_str());
}

void go_on(Explorer& explorer, const Options& options, const std::string& name, const Deadline& deadline) {
  const std::uint64_t states_before = explorer.states();
  double told = deadline.seconds();
  double saved = told;
  while (is_to_stop == 0 && explorer.advance(500) == Outcome::running && !deadline.passed()) {
    const double now = deadline.seconds();
    if (!options.resume.empty() && now - saved >= seconds_between_saves) {
      save(explorer, options.resume);
      saved = deadline.seconds();
    }
    if (options.quiet || now - told < seconds_between_lines) continue;
    told = now;
    std::fprintf(stderr, "%s: %llu states, %llu visited, depth %zu, %.0f states/s, %.2f GiB\n", name.c_str(),
                 static_cast<unsigned long long>(explorer.states()),
                 static_cast<unsigned long long>(explorer.visited()), explorer.depth(),
                 static_cast<double>(explorer.states() - states_before) / now, memory_gib());
  }
  const double seconds = deadline.seconds();
  std::printf("%s: %s. %llu states, %llu transitions, depth %zu, %.1f s, %.0f states/s, %.2f GiB\n",
              name.c_str(), std::string(describe(explorer.outcome())).c_str(),
              static_cast<unsigned long long>(explorer.states()),
              static_cast<unsigned long long>(explorer.transitions()), explorer.depth(), seconds,
              static_cast<double>(explorer.states() - states_before) / seconds, memory_gib());
  if (!options.quiet) std::printf("%s", describe(explorer.coverage()).c_str());
  if (!options.resume.empty()) save(explorer, options.resume);
}

int explore(const Options& options, const ExploredWorld& world, const Deadline& deadline) {
  ExplorerLimits limits{.states_max = options.states, .heals_once_in = options.heals_once_in};
  if (options.depth > 0) limits.depth_max = options.depth;
  Explorer explorer(world, limits);
  if (!options.resume.empty()) {
    std::ifstream in(options.resume, std::ios::binary);
    if (in && !explorer.load(in)) {
      std::fprintf(stderr, "%s is not of this world and this program\n", options.resume.c_str());
      return 2;
    }
  }
  const std::string by = "world " + std::string(world.name);
  on_assertion = [&] {
    std::printf("VIOLATION an assertion\n");
    write_json(options, true, by, explorer.states(), deadline.seconds(), "assertion");
    tell(world, explorer.story(), true);
  };
  go_on(explorer, options, std::string(world.name), deadline);
  const bool stands_still = explorer.outcome() == Outcome::stands_still;
  const bool failed = stands_still || explorer.outcome() == Outcome::violated;
  const Flaw flaw = stands_still ? Flaw::standstill : Flaw::violation;
  const std::string why = failed ? flaw_of(world, explorer.story(), flaw).value_or("") : "";
  write_json(options, failed, by, explorer.states(), deadline.seconds(), why);
  if (!failed) return 0;
  std::printf("%s %s\n", stands_still ? "STANDS STILL:" : "VIOLATION", why.c_str());
  tell(world, explorer.story(), false, flaw);
  return 1;
}

// A story with its golden answer, as in engine/consensus/scripts: does it still go as it is told?
int play(const Options& options, const Deadline& deadline) {
  std::ifstream in(options.script);
  std::stringstream whole;
  whole << in.rdbuf();
  const std::string text = whole.str();
  const std::size_t line = text.find("----\n");
  if (line == std::string::npos) {
    std::fprintf(stderr, "%s is no story with an answer\n", options.script.c_str());
    return 2;
  }
  const std::string expected = text.substr(line + 5);
  const std::string told = verity::consensus::testing::run_script(text.substr(0, line));
  const std::string name = std::filesystem::path(options.script).stem();
  const auto at = std::mismatch(told.begin(), told.end(), expected.begin(), expected.end()).first;
  const std::size_t begin = told.rfind('\n', static_cast<std::size_t>(at - told.begin())) + 1;
  const std::string why = told == expected ? "" : told.substr(begin, told.find('\n', begin) - begin);
  write_json(options, told != expected, "story " + name, 1, deadline.seconds(), why);
  std::printf("%s: %s\n", name.c_str(),
              told == expected ? "as it is told" : ("VIOLATION, it goes otherwise: " + why).c_str());
  return told == expected ? 0 : 1;
}

// The nodes are no replicas yet, and have a world of their own.
constexpr std::string_view founding = "founding";

int explore_founding(const Options& options, const Deadline& deadline) {
  FoundingSearch search({}, options.states, options.heals_once_in);
  while (search.advance(500) == Outcome::running && !deadline.passed()) {
  }
  std::printf("founding: %s. %llu states, %llu transitions, depth %zu, %.1f s\n",
              std::string(describe(search.outcome())).c_str(),
              static_cast<unsigned long long>(search.states()),
              static_cast<unsigned long long>(search.transitions()), search.depth(), deadline.seconds());
  const bool stands_still = search.outcome() == Outcome::stands_still;
  const bool failed = stands_still || search.outcome() == Outcome::violated;
  write_json(options, failed, "world founding", search.states(), deadline.seconds(), search.why());
  if (!failed) return 0;
  std::printf("%s %s\n---- a shortest story\n%s", stands_still ? "STANDS STILL:" : "VIOLATION",
              search.why().c_str(), search.story().c_str());
  return 1;
}

int walk_through_founding(const Options& options, const Deadline& deadline) {
  std::uint64_t seed = options.seed;
  std::optional<std::string> story;
  for (; options.seeds == 0 ? !deadline.passed() : seed < options.seed + options.seeds; ++seed) {
    const FoundingBounds bounds{.nodes = seed % 4 == 0 ? 5U : 3U,
                                .restarts = static_cast<std::uint8_t>(seed % 3),
                                .wipes = static_cast<std::uint8_t>(1 + seed % 5),
                                .prompt_disks = seed % 2 == 0};
    story = verity::explorer::walk_through_founding(bounds, seed);
    if (story) break;
  }
  const std::uint64_t count = seed - options.seed + (story ? 1 : 0);
  std::printf("%llu foundings from seed %llu on%s, %.1f s\n%s", static_cast<unsigned long long>(count),
              static_cast<unsigned long long>(options.seed), story ? ": VIOLATION" : ", nothing found",
              deadline.seconds(), story.value_or("").c_str());
  write_json(options, story.has_value(), "founding walk", count, deadline.seconds(),
             story ? story->substr(story->rfind('\n', story->size() - 2) + 1, story->size()) : "");
  return story ? 1 : 0;
}

// Without a world each seed draws one.
int walk(const Options& options, const ExploredWorld* fixed, const Deadline& deadline) {
  std::uint64_t seed = options.seed;
  ExploredWorld world;
  Walk walk;
  const std::string where = fixed == nullptr ? "" : "--world " + std::string(fixed->name) + " ";
  const std::string by = fixed == nullptr ? "walk" : "walk in " + std::string(fixed->name);
  on_assertion = [&] {
    std::printf("VIOLATION an assertion. Replay: verity-explore --walk %s--seed %llu --seeds 1\n",
                where.c_str(), static_cast<unsigned long long>(seed));
    write_json(options, true, by, seed - options.seed + 1, deadline.seconds(), "assertion");
    tell(world, walk.actions, true);
  };
  for (; options.seeds == 0 ? !deadline.passed() : seed < options.seed + options.seeds; ++seed) {
    world = fixed == nullptr ? draw_world(seed) : *fixed;
    walk = {};
    walk_randomly(world, seed, options.length, walk);
    if (!walk.failed) continue;
    const Flaw flaw = walk.stands_still ? Flaw::standstill : Flaw::violation;
    const std::string why = flaw_of(world, walk.actions, flaw).value_or("");
    std::printf("%s %s. Replay: verity-explore --walk %s--seed %llu --seeds 1\n",
                walk.stands_still ? "STANDS STILL:" : "VIOLATION", why.c_str(), where.c_str(),
                static_cast<unsigned long long>(seed));
    write_json(options, true, by, seed - options.seed + 1, deadline.seconds(), why);
    tell(world, walk.actions, false, flaw);
    return 1;
  }
  std::printf("%llu walks from seed %llu on, nothing found, %.1f s\n",
              static_cast<unsigned long long>(seed - options.seed),
              static_cast<unsigned long long>(options.seed), deadline.seconds());
  write_json(options, false, by, seed - options.seed, deadline.seconds(), "");
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app(
      "Explores the states of the replication core. Exit 0: nothing found; 1: a violation, "
      "with its story; 2: wrong use.");
  app.add_option("--world", options.world, "explore this world, exhaustively unless --walk");
  app.add_flag("--list", options.list, "list the worlds");
  app.add_flag("--walk", options.walk,
               "random stories instead, one per seed; in --world, or in worlds drawn from the seeds");
  app.add_option("--minutes", options.minutes, "stop after so many (1)");
  app.add_option("--states", options.states, "keep at most so many states (10000000; about 45 bytes each)");
  app.add_option("--depth", options.depth, "visit no state this deep or deeper");
  app.add_option(
      "--resume", options.resume,
      "go on from this file if it is there; it is written every five minutes and at the end, also by Ctrl-C");
  app.add_option("--seed", options.seed, "of the first walk (1)");
  app.add_option("--seeds", options.seeds, "so many walks, however long they take");
  app.add_option("--length", options.length, "of a walk (400)");
  app.add_option(
      "--heals", options.heals_once_in,
      "of so many states of a world one is asked whether it goes on, should all faults end (100; 0: none)");
  app.add_option("--script", options.script, "play this story instead, and compare it with its answer");
  app.add_option("--json", options.json, "write the result here");
  app.add_flag("--quiet", options.quiet, "no progress, no coverage table");
  for (CLI::Option* const option : app.get_options())
    option->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  if (options.list) {
    for (const ExploredWorld& world : explored_worlds())
      std::printf("%-18s %s\n", std::string(world.name).c_str(), std::string(world.what).c_str());
    std::printf("%-18s %s\n", std::string(founding).c_str(),
                "three blank nodes become a cluster, while disks are lost");
    return 0;
  }
  const Deadline deadline(options.minutes);
  std::signal(SIGABRT, on_abort);
  if (!options.resume.empty()) {
    std::signal(SIGINT, [](int) { is_to_stop = 1; });
    std::signal(SIGTERM, [](int) { is_to_stop = 1; });
  }
  if (!options.script.empty()) return play(options, deadline);
  if (options.world == founding)
    return options.walk ? walk_through_founding(options, deadline) : explore_founding(options, deadline);
  const ExploredWorld* const world = find_explored_world(options.world);
  if (world == nullptr && (!options.walk || !options.world.empty())) {
    std::fprintf(stderr, "no world \"%s\"; --list names them, --walk needs none\n", options.world.c_str());
    return 2;
  }
  if (options.walk) return walk(options, world, deadline);
  return explore(options, *world, deadline);
}
