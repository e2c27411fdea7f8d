// The clients of a run: fibers that append, read, repeat, follow and talk nonsense over HTTP, each irregular in
// its own way, and tell the history what they were told. At the end an auditor reads everything back.
#pragma once

#include "sim/client.h"
#include "sim/stopwatch.h"

#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

namespace verity::sim {

class Workload {
 public:
  // `allows`: what the server may answer now beyond success, because of faults.
  Workload(World& world, History& history, const Scenario& scenario,
           std::function<bool(std::string_view code)> allows);
  ~Workload();

  void start();
  // Clients finish what they are at and end.
  void wind_down() { crowd_.winding_down = true; }
  bool is_finished() const { return crowd_.process.is_finished(); }
  // Ends clients that are still waiting; only after wind_down().
  void cut() { crowd_.process.ask_to_end(); }
  // Of a run that has failed: ends them whatever they are at.
  void abandon();

  // Starts a fiber that reads everything back and checks it; ends with is_audited().
  void start_audit();
  bool is_audited() const { return audited_; }
  // Events that were read back so far, by all audits.
  std::uint64_t audited_events() const { return crowd_.audited; }

  // What was acknowledged after `position` is lost.
  void forget_after(std::uint64_t position) { crowd_.dates.forget_after(position); }
  // An operator lets these nodes in.
  void let_in(std::vector<std::uint64_t> nodes);

  // Appends that must succeed, one after another until they have so many bytes of data, at least one; for liveness.
  void start_probe(ByteCount bytes, std::function<void()> done);

  // Clients that append to each of the nodes every `interval`, and how long each append took.
  void start_timed(std::uint64_t clients_per_node, Duration interval);
  const std::vector<TimedAppend>& timed_appends() const { return timed_; }

  std::uint64_t requests() const { return crowd_.requests; }

 private:
  void spawn(std::string_view role, std::uint64_t number, std::function<void(io::Wait&, Client&)> body);
  void run_client(io::Wait& wait, Client& client);

  Crowd crowd_;
  bool audited_ = false;
  std::vector<TimedAppend> timed_;
};

}  // namespace verity::sim
