#include "sim/workload.h"

#include "sim/append_request.h"
#include "sim/auditor.h"
#include "sim/landlord.h"
#include "sim/native_client.h"
#include "sim/nonsense.h"
#include "sim/operator.h"
#include "sim/prover.h"
#include "sim/reader.h"
#include "sim/subscriber.h"
#include "sim/writer.h"

namespace verity::sim {

Workload::Workload(World& world, History& history, const Scenario& scenario,
                   std::function<bool(std::string_view code)> allows)
    : crowd_{.world = world,
             .history = history,
             .scenario = scenario,
             .allows = std::move(allows),
             .prng = world.prng("workload"),
             .process = Process(world, {.host = "clients"})} {}

Workload::~Workload() = default;

void Workload::abandon() {
  crowd_.process.crash("the run is over");
  crowd_.process.drain();
}

void Workload::spawn(std::string_view role, std::uint64_t number,
                     std::function<void(io::Wait&, Client&)> body) {
  const std::string name(role);
  crowd_.process.spawn(name + " " + std::to_string(number),
                       [this, name, number, body = std::move(body)](io::Wait& wait) {
                         io::Wait mine = wait.under(crowd_.process.end());
                         Client client(crowd_, name, number);
                         body(mine, client);
                       });
}

void Workload::start() {
  for (std::uint64_t i = 0; i < crowd_.scenario.work.clients; ++i)
    spawn("client", i, [this](io::Wait& wait, Client& client) { run_client(wait, client); });
  for (std::uint64_t i = 0; i < crowd_.scenario.work.subscribers; ++i) spawn("subscriber", i, follow);
  for (std::uint64_t i = 0; i < crowd_.scenario.work.native_writers; ++i)
    spawn("native writer", i, append_natively);
  for (std::uint64_t i = 0; i < crowd_.scenario.work.native_followers; ++i)
    spawn("native follower", i, follow_natively);
  if (crowd_.scenario.work.tenants > 1) spawn("landlord", 0, keep_tenants);
  if (crowd_.scenario.upgrades()) spawn("operator", 1, activate_releases);
  if (!crowd_.scenario.grows()) return;
  std::vector<std::uint64_t> later;
  for (std::uint64_t node = crowd_.scenario.first_nodes + 1; node <= crowd_.scenario.nodes; ++node)
    later.push_back(node);
  let_in(std::move(later));
}

void Workload::let_in(std::vector<std::uint64_t> nodes) {
  spawn("operator", 0,
        [nodes = std::move(nodes)](io::Wait& wait, Client& client) { let_nodes_in(wait, client, nodes); });
}

void Workload::run_client(io::Wait& wait, Client& client) {
  const WorkloadPlan& plan = client.plan;
  Writer writer(client);
  while (!client.should_end(wait)) {
    const std::uint64_t draw = client.prng.below(100);
    if (client.chance_of_100(plan.nonsense)) {
      talk_nonsense(wait, client);
    } else if (draw < plan.reads) {
      const std::uint64_t which = client.prng.below(12);
      if (which == 0) {
        ask_head(wait, client);
      } else if (which == 1) {
        ask_status(wait, client);
      } else if (client.chance_of_100(plan.proofs)) {
        client.prng.chance(1, 2) ? ask_inclusion(wait, client) : ask_consistency(wait, client);
      } else {
        read_events(wait, client);
      }
    } else if (writer.can_repeat() && client.chance_of_100(plan.conflicts)) {
      writer.conflict(wait);
    } else if (writer.can_repeat() && client.prng.chance(1, 6)) {
      writer.repeat(wait);
    } else {
      writer.append(wait);
    }
    // Bursts, and now and then a long silence.
    if (client.prng.chance(1, 3)) continue;
    const Duration pause = client.prng.chance(1, 50) ? 200ms : client.prng.exponential(plan.think);
    if (!wait.sleep(pause)) return;
  }
}

void Workload::start_probe(ByteCount bytes, std::function<void()> done) {
  spawn("probe", ++crowd_.key_sequence, [bytes, done = std::move(done)](io::Wait& wait, Client& client) {
    Writer writer(client);
    ByteCount answered = 0;
    while (!client.should_end(wait)) {  // nobody answers it once the node is found to be damaged
      SentRequest request;
      request.tenant = "default";
      request.streams.push_back({"probe", {}, {draw_event(client)}});
      SentEvent& event = request.streams[0].events[0];
      if (bytes > 0)
        event.data = "\"" + std::to_string(client.crowd.event_sequence) + std::string(5000, '.') + "\"";
      const ByteCount size = event.data.size();
      request.idempotency_key = "probe-" + std::to_string(++client.crowd.key_sequence);
      const HttpRequest http = to_http(client, request);
      const std::uint64_t id = client.history.sent(std::move(request));
      const bool is_answered = writer.carry_out(wait, id, http, 5);
      if (is_answered && (answered += size) >= bytes) {
        done();
        return;
      }
      if (!is_answered && !wait.sleep(200ms)) return;
    }
  });
}

void Workload::start_timed(std::uint64_t clients_per_node, Duration interval) {
  for (std::uint64_t i = 0; i < clients_per_node * crowd_.scenario.nodes; ++i) {
    spawn("timed", i, [this, i, interval](io::Wait& wait, Client& client) {
      append_on_time(wait, client, 1 + i % crowd_.scenario.nodes, interval, timed_);
    });
  }
}

void Workload::start_audit() {
  audited_ = false;
  spawn("auditor", ++crowd_.key_sequence,
        [this](io::Wait& wait, Client& client) { audited_ = audit(wait, client); });
}

}  // namespace verity::sim
