#include "sim/client.h"

#include <array>

namespace verity::sim {

Client::Client(Crowd& its_crowd, std::string_view role, std::uint64_t its_number)
    : crowd(its_crowd),
      number(its_number),
      history(crowd.history),
      plan(crowd.scenario.work),
      prng(crowd.prng.fork(std::string(role) + std::to_string(number)).fork("choices")),
      http(crowd.process.io_world().network, crowd.scenario.address_of(1 + number % crowd.scenario.nodes),
           crowd.prng.fork(std::string(role) + std::to_string(number)).fork("http")) {}

void Client::fail(const std::string& what, const HttpResponse& response) {
  fail(what + " was answered " + std::to_string(response.status) + " " + response.body);
}

void Client::stay_at(std::uint64_t node) {
  http.turn_to(crowd.scenario.address_of(node));
  stays_ = true;
}

void Client::go_elsewhere() {
  if (is_of_cluster() && !stays_)
    http.turn_to(crowd.scenario.address_of(prng.between(1, crowd.scenario.nodes)));
}

std::optional<HttpResponse> Client::ask(io::Wait& wait, const HttpRequest& request,
                                        std::optional<Duration> within) {
  io::Wait soon = wait.within(within.value_or(patience()));
  ++crowd.requests;
  auto response = http.request(soon, request);
  const bool is_of_use = response && response->status != 503;
  if (!is_of_use || (is_of_cluster() && prng.chance(1, 20))) go_elsewhere();
  if (response) return std::move(*response);
  if (response.error().code == ErrorCode::corrupt) fail(response.error().message);
  return std::nullopt;
}

bool Client::is_excused(std::string_view code) const {
  if (is_of_cluster() && code == "not_leader") return true;
  return code == "overloaded" || code == "not_ready" || code == "cancelled" || crowd.allows(code);
}

std::string Client::tenant_name(std::uint64_t number) {
  return number == 0 ? "default" : "tenant_" + std::to_string(number);
}

std::string Client::stream_name(std::uint64_t number) {
  constexpr std::array<std::string_view, 4> prefixes{"stream-", "ward ", "\xc3\xa9t\xc3\xa9:", "a%2F+&?"};
  return std::string(prefixes[number % prefixes.size()]) + std::to_string(number);
}

}  // namespace verity::sim
