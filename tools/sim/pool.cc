#include "tools/sim/pool.h"

#include "tools/sim/probes.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <map>
#include <optional>
#include <sstream>

namespace verity::sim_tool {
namespace {

using sim::RunResult;
using sim::Scenario;

// Of three seeds one is drawn from everything, one is a cluster's, and one goes round the named scenarios.
std::string scenario_for(const Options& options, std::uint64_t index) {
  if (options.scenario != "all") return options.scenario;
  const auto& names = sim::scenario_names();
  if (index % 3 == 0) return "swarm";
  if (index % 3 == 1) return "cluster";
  return std::string(names[1 + index / 3 % (names.size() - 1)].name);
}

// What a worker tells, one line each:  B index seed scenario | E index seconds simulated boots acked lost damages refused |
// F index text | P count probe
struct Worker {
  pid_t pid = 0;
  int from = -1;
  std::string buffer;
  bool busy = false;
  std::uint64_t index = 0;
  std::uint64_t seed = 0;
  std::string scenario;
};

constexpr std::uint64_t twice_every = 16;  // of so many seeds one runs twice and must agree

void tell(int to, const std::string& line) {
  std::string_view rest = line;
  while (!rest.empty()) {
    const ssize_t written = ::write(to, rest.data(), rest.size());
    if (written <= 0) ::_exit(1);  // the parent has gone
    rest.remove_prefix(static_cast<std::size_t>(written));
  }
}

[[noreturn]] void work(const Options& options, unsigned worker, int to) {
  const auto start = std::chrono::steady_clock::now();
  for (std::uint64_t index = worker;; index += options.jobs) {
    if (options.seeds > 0 && index >= options.seeds) break;
    if (options.minutes > 0 && seconds_since(start) >= options.minutes * 60) break;
    const std::uint64_t seed = options.seed + index;
    const std::string name = scenario_for(options, index);
    tell(to, "B " + std::to_string(index) + " " + std::to_string(seed) + " " + name + "\n");
    const auto began = std::chrono::steady_clock::now();
    const Scenario scenario = *make_scenario(options, seed, name);
    RunResult result = sim::run_scenario(scenario);
    const double took = seconds_since(began);
    if (!result.failure && index % twice_every == 0) {
      const RunResult again = sim::run_scenario(scenario);
      if (again.digest != result.digest) {
        result.failure =
            "two runs of the same seed differ: digests " + result.digest + " and " + again.digest;
      }
    }
    if (result.failure) {
      std::string text = *result.failure;
      for (char& c : text) c = c == '\n' ? ' ' : c;
      tell(to, "F " + std::to_string(index) + " " + text + "\n");
      break;
    }
    char line[200];
    std::snprintf(
        line, sizeof(line), "E %llu %.6f %.6f %llu %llu %llu %llu %d\n",
        static_cast<unsigned long long>(index), took, std::chrono::duration<double>(result.simulated).count(),
        static_cast<unsigned long long>(result.boots), static_cast<unsigned long long>(result.acked),
        static_cast<unsigned long long>(result.lost), static_cast<unsigned long long>(result.damages),
        result.verdict.starts_with("refused") ? 1 : 0);
    tell(to, line);
  }
  for (const auto& [probe, count] : count_probes())
    tell(to, "P " + std::to_string(count) + " " + probe + "\n");
  ::_exit(0);
}

struct Totals {
  std::uint64_t seeds = 0;
  double simulated = 0;
  std::uint64_t boots = 0;
  std::uint64_t acked = 0;
  std::uint64_t lost = 0;
  std::uint64_t damages = 0;
  std::uint64_t refused = 0;
  std::vector<double> seconds;
  std::map<std::string, std::uint64_t> by_scenario;
};

struct Failure {
  std::uint64_t seed;
  std::string scenario;
  std::string text;
};

class Pool {
 public:
  explicit Pool(const Options& options) : options_(options), start_(std::chrono::steady_clock::now()) {}

  int run() {
    for (unsigned i = 0; i < options_.jobs; ++i) {
      int ends[2];
      if (::pipe2(ends, O_CLOEXEC) != 0) return system_error("pipe");
      std::fflush(nullptr);
      const pid_t pid = ::fork();
      if (pid < 0) return system_error("fork");
      if (pid == 0) {
        ::close(ends[0]);
        work(options_, i, ends[1]);
      }
      ::close(ends[1]);
      Worker worker;
      worker.pid = pid;
      worker.from = ends[0];
      workers_.push_back(worker);
    }
    while (!failure_ && listen()) show_progress(false);
    for (Worker& worker : workers_) {
      if (worker.from < 0) continue;
      ::kill(worker.pid, SIGKILL);  // a worker of ours: another one has found something
      ::waitpid(worker.pid, nullptr, 0);
      ::close(worker.from);
    }
    show_progress(true);
    return report();
  }

 private:
  static int system_error(const char* what) {
    std::fprintf(stderr, "verity-sim: %s: %s\n", what, std::strerror(errno));
    return 2;
  }

  // False when every worker has ended.
  bool listen() {
    std::vector<pollfd> waiting;
    for (const Worker& worker : workers_) {
      if (worker.from >= 0) waiting.push_back({worker.from, POLLIN, 0});
    }
    if (waiting.empty()) return false;
    ::poll(waiting.data(), waiting.size(), 1000);
    for (const pollfd& ready : waiting) {
      if (ready.revents == 0) continue;
      for (Worker& worker : workers_) {
        if (worker.from == ready.fd) hear(worker);
      }
    }
    return true;
  }

  void hear(Worker& worker) {
    char bytes[4096];
    const ssize_t count = ::read(worker.from, bytes, sizeof(bytes));
    if (count > 0) {
      worker.buffer.append(bytes, static_cast<std::size_t>(count));
      for (std::size_t end; (end = worker.buffer.find('\n')) != std::string::npos;) {
        take_line(worker, worker.buffer.substr(0, end));
        worker.buffer.erase(0, end + 1);
      }
      return;
    }
    ::close(worker.from);
    worker.from = -1;
    int status = 0;
    ::waitpid(worker.pid, &status, 0);
    const bool died = WIFSIGNALED(status) || WEXITSTATUS(status) != 0;
    if (died && worker.busy && !failure_) {
      failure_ =
          Failure{worker.seed, worker.scenario,
                  WIFSIGNALED(status)
                      ? "the process died of signal " + std::to_string(WTERMSIG(status)) + " (see above)"
                      : "the process ended with " + std::to_string(WEXITSTATUS(status))};
    }
  }

  void take_line(Worker& worker, const std::string& line) {
    std::istringstream in(line);
    char kind = 0;
    std::uint64_t index = 0;
    in >> kind >> index;
    if (kind == 'P') {
      std::string name;
      std::getline(in >> std::ws, name);
      probes_[name] += index;
    } else if (kind == 'B') {
      in >> worker.seed >> worker.scenario;
      worker.busy = true;
    } else if (kind == 'E') {
      double seconds = 0;
      double simulated = 0;
      std::uint64_t boots = 0, acked = 0, lost = 0, damages = 0, refused = 0;
      in >> seconds >> simulated >> boots >> acked >> lost >> damages >> refused;
      ++totals_.seeds;
      totals_.seconds.push_back(seconds);
      totals_.simulated += simulated;
      totals_.boots += boots;
      totals_.acked += acked;
      totals_.lost += lost;
      totals_.damages += damages;
      totals_.refused += refused;
      ++totals_.by_scenario[worker.scenario];
      worker.busy = false;
    } else if (kind == 'F' && !failure_) {
      std::string text;
      std::getline(in >> std::ws, text);
      failure_ = Failure{worker.seed, worker.scenario, text};
      worker.busy = false;
    }
  }

  void show_progress(bool last) {
    if (options_.quiet) return;
    const bool terminal = ::isatty(STDERR_FILENO) != 0;
    const double now = seconds_since(start_);
    if (!last && now - shown_at_ < (terminal ? 0.5 : 15.0)) return;
    shown_at_ = now;
    std::fprintf(stderr, "%s%llu seeds, %llu boots, %llu acknowledged, %.0f s simulated in %.0f s%s",
                 terminal ? "\r\033[K" : "", static_cast<unsigned long long>(totals_.seeds),
                 static_cast<unsigned long long>(totals_.boots),
                 static_cast<unsigned long long>(totals_.acked), totals_.simulated, now,
                 terminal && !last ? "" : "\n");
  }

  int report() {
    const double took = seconds_since(start_);
    std::vector<double>& seconds = totals_.seconds;
    std::sort(seconds.begin(), seconds.end());
    const double median = seconds.empty() ? 0 : seconds[seconds.size() / 2];
    if (!options_.json.empty()) {
      std::ofstream json(options_.json, std::ios::trunc);
      json << "{\"seeds\":" << totals_.seeds + (failure_ ? 1 : 0) << ",\"seconds\":" << took
           << ",\"median_seconds\":" << median << ",\"simulated_seconds\":" << totals_.simulated
           << ",\"boots\":" << totals_.boots << ",\"acknowledged\":" << totals_.acked
           << ",\"lost\":" << totals_.lost << ",\"disk_faults\":" << totals_.damages
           << ",\"refused\":" << totals_.refused << ",\"failed\":" << (failure_ ? "true" : "false");
      if (failure_)
        json << ",\"seed\":" << failure_->seed << ",\"scenario\":\"" << failure_->scenario << "\"";
      json << "}\n";
      if (!json.flush()) {
        std::fprintf(stderr, "verity-sim: cannot write %s: %s\n", options_.json.c_str(),
                     std::strerror(errno));
        return 2;
      }
    }
    std::printf(
        "%llu seeds in %.1f s (%.0f a minute, median %.3f s), %.0f s simulated (%.0f times real time)\n",
        static_cast<unsigned long long>(totals_.seeds), took,
        took > 0 ? static_cast<double>(totals_.seeds) * 60 / took : 0, median, totals_.simulated,
        took > 0 ? totals_.simulated / took : 0);
    std::printf(
        "%llu boots, %llu appends acknowledged, %llu of them lost where that is allowed, %llu faults of the "
        "disk, %llu rightly refused\n",
        static_cast<unsigned long long>(totals_.boots), static_cast<unsigned long long>(totals_.acked),
        static_cast<unsigned long long>(totals_.lost), static_cast<unsigned long long>(totals_.damages),
        static_cast<unsigned long long>(totals_.refused));
    if (!failure_ && options_.probes) print_probes(probes_);
    if (!failure_) return 0;
    std::printf("FAILED %s\nReplay: %s\n", failure_->text.c_str(),
                replay_line(failure_->seed, failure_->scenario, options_.assignments).c_str());
    return 1;
  }

  const Options options_;
  const std::chrono::steady_clock::time_point start_;
  double shown_at_ = 0;
  std::vector<Worker> workers_;
  Totals totals_;
  ProbeCounts probes_;
  std::optional<Failure> failure_;
};

}  // namespace

int run_many(const Options& options) {
  return Pool(options).run();
}

}  // namespace verity::sim_tool
