// The simulated world: one queue of events ordered by (time, sequence), and the processes that live in it.
// Everything happens on one thread, in an order that follows from the seed alone.
//
//   run: every ready fiber of every process ─► the next event or deadline ─► move the time there ─► again
//
// The world knows hosts, processes and time; disks (sim/disk.h) and the network (sim/network.h) schedule
// their completions here.
#pragma once

#include "io/base/prng.h"
#include "io/base/units.h"
#include "sim/trace.h"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace verity::sim {

class Process;
class NetworkCore;

struct WorldOptions {
  std::uint64_t seed = 0;
  Trace::Sink trace_sink;         // gets every line of the trace; may be empty
  std::uint64_t ready_swaps = 0;  // of 100 turns, how many run a fiber out of order
};

class World {
 public:
  explicit World(WorldOptions options);
  // Every process has been destroyed.
  ~World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  Instant now() const { return now_; }
  const Instant& clock_source() const { return now_; }
  Trace& trace() { return trace_; }
  NetworkCore& network() { return *network_; }
  const WorldOptions& options() const { return options_; }
  // A generator for one component; the same name always gives the same numbers.
  Prng prng(std::string_view component) const { return root_.fork(component); }

  // Runs `action` outside of all fibers when the time has come.
  void at(Instant time, std::move_only_function<void()> action);
  void after(Duration delay, std::move_only_function<void()> action) { at(now_ + delay, std::move(action)); }

  // Runs until `done` says so (true), or until `deadline`, a failure, or nothing is left to happen (false).
  bool run_until(const std::function<bool()>& done, Instant deadline = Instant::never());
  void run_for(Duration duration);

  // The first failure ends the run; later ones are kept as lines of the trace.
  void fail(std::string_view what);
  const std::optional<std::string>& failure() const { return failure_; }

  // A process that is still there, or null: completions look their process up instead of pointing at it.
  Process* find(std::uint64_t process_id) const;

 private:
  friend class Process;
  void add(Process& process);
  void remove(Process& process);
  bool run_ready();
  void drain_crashed();
  Instant next_time();

  const WorldOptions options_;
  const Prng root_;
  Prng schedule_;
  Instant now_{};
  Trace trace_;
  std::unique_ptr<NetworkCore> network_;
  std::map<std::pair<Instant, std::uint64_t>, std::move_only_function<void()>> events_;
  std::uint64_t event_sequence_ = 0;
  std::map<std::uint64_t, Process*> processes_;
  std::uint64_t process_sequence_ = 0;
  std::optional<std::string> failure_;
};

}  // namespace verity::sim
