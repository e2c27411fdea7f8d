#include "sim/operator.h"

#include "sim/answers.h"

namespace verity::sim {

void let_nodes_in(io::Wait& wait, Client& client, const std::vector<std::uint64_t>& nodes) {
  const Scenario& scenario = client.crowd.scenario;
  std::string target = "/v1/cluster/members?add=";
  for (const std::uint64_t node : nodes) {
    if (target.back() != '=') target += ',';
    target += std::to_string(node) + "=" + scenario.peer_address_of(node).describe();
  }
  if (!wait.sleep(client.prng.exponential(500ms))) return;
  // Also while the others wind down: the run ends with all nodes.
  while (!client.crowd.world.failure() && !wait.is_cancelled()) {
    const auto response = client.ask(wait, {"POST", target, {}, ""});
    if (response && response->status == 200) {
      if (response->body.starts_with("{\"done\":true")) return;
    } else if (response && !client.is_excused(code_of(*response)) &&
               code_of(*response) != "outcome_unknown") {
      client.fail("letting nodes in", *response);
    }
    if (!wait.sleep(100ms)) return;
  }
}

void activate_releases(io::Wait& wait, Client& client) {
  while (!client.should_end(wait)) {
    if (!wait.sleep(client.prng.exponential(1s))) return;
    const auto response = client.ask(wait, {"POST", "/v1/cluster/activate-release", {}, ""});
    const bool is_fine = !response || response->status == 200 || client.is_excused(code_of(*response)) ||
                         code_of(*response) == "outcome_unknown";
    if (!is_fine) client.fail("activating a release", *response);
  }
}

}  // namespace verity::sim
