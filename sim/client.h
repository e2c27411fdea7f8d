// What every client of a run is made of: a generator, a connection, and one way to ask. What the roles (writer,
// reader, subscriber, ...) have in common lies in Crowd: the process they are fibers of, the history they tell, and
// which answers the faults of this run excuse.
#pragma once

#include "io/base/prng.h"
#include "io/fiber/wait.h"
#include "sim/dates.h"
#include "sim/history.h"
#include "sim/http_client.h"
#include "sim/process.h"
#include "sim/scenario.h"
#include "sim/world.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace verity::sim {

struct Crowd {
  World& world;
  History& history;
  const Scenario scenario;
  // What may be answered now, beyond success: the run knows which faults are about.
  std::function<bool(std::string_view code)> allows;
  Prng prng;
  Process process;
  Dates dates{scenario.clocks_are_kept};
  bool winding_down = false;
  std::uint64_t requests = 0;
  std::uint64_t event_sequence = 0;
  std::uint64_t key_sequence = 0;
  std::uint64_t audited = 0;  // events
};

class Client {
 public:
  Client(Crowd& crowd, std::string_view role, std::uint64_t number);
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  Crowd& crowd;
  const std::uint64_t number;
  History& history;
  const WorkloadPlan& plan;
  Prng prng;
  HttpClient http;

  // No answer takes longer; in a cluster another node may have one.
  Duration patience() const { return is_of_cluster() ? 2s : 20s; }
  bool is_of_cluster() const { return crowd.scenario.nodes > 1; }
  // Asks this node from now on, whatever it answers.
  void stay_at(std::uint64_t node);
  // Of a cluster: another node, that may know more.
  void go_elsewhere();
  Instant now() const { return crowd.world.now(); }
  bool should_end(io::Wait& wait) const {
    return crowd.winding_down || crowd.world.failure() || wait.is_cancelled();
  }
  bool chance_of_100(std::uint64_t of_100) { return prng.chance(of_100, 100); }
  void fail(const std::string& what) { crowd.world.fail(what); }
  // `what` was answered in a way that nothing excuses.
  void fail(const std::string& what, const HttpResponse& response);

  // Nothing if there is no answer; one that is not HTTP fails the run.
  std::optional<HttpResponse> ask(io::Wait& wait, const HttpRequest& request,
                                  std::optional<Duration> within = {});
  std::optional<HttpResponse> get(io::Wait& wait, const std::string& target) {
    return ask(wait, {"GET", target, {}, ""});
  }
  // The server may say so at any time, or the faults of this run are a reason.
  bool is_excused(std::string_view code) const;

  // The last tenant comes and goes.
  bool lets_a_tenant_go() const { return plan.tenant_lifetime > Duration::zero() && plan.tenants > 1; }
  bool may_go(std::string_view tenant) const {
    return lets_a_tenant_go() && tenant == tenant_name(plan.tenants - 1);
  }

  std::string draw_tenant() { return tenant_name(prng.below(plan.tenants)); }
  std::string draw_stream() { return stream_name(prng.below(plan.streams)); }
  std::string draw_subject() { return "subject " + std::to_string(prng.below(plan.subjects)); }
  static std::string tenant_name(std::uint64_t number);
  static std::string stream_name(std::uint64_t number);

 private:
  bool stays_ = false;
};

}  // namespace verity::sim
