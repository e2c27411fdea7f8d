#include "sim/nonsense.h"

#include "sim/answers.h"
#include "sim/client.h"

namespace verity::sim {
void talk_nonsense(io::Wait& wait, Client& client) {
  const std::string events = "/v1/tenants/default/streams/nonsense/events";
  HttpRequest request;
  request.method = "POST";
  request.target = events;
  request.headers.emplace_back("Content-Type", "application/json");
  switch (client.prng.below(12)) {
    case 0:
      request.body = "{\"type\":\"x\",\"data\":{\"a\":}";
      break;
    case 1:
      request.body = "[{\"type\":\"x\"}]";
      break;
    case 2:
      request.body = "{\"type\":\"x\",\"data\":1}";
      request.headers.emplace_back("Expected-Revision", "-1");
      break;
    case 3:
      request.body = "{\"type\":\"x\",\"data\":\"" + std::string(17'000, 'x') + "\"}";
      break;
    case 4:
      request.body = "[]";
      break;
    case 5:
      request.target = "/v1/tenants/nobody/streams/s/events";
      request.body = "{\"type\":\"x\",\"data\":1}";
      break;
    case 6:
      request.method = "GET";
      request.target = events + "?limit=0";
      break;
    case 7:
      request.method = "GET";
      request.target = "/v1/tenants/default/events?from=abc";
      break;
    case 8:
      request.target = "/v1/nothing/here";
      break;
    case 9:
      request.method = "DELETE";
      break;
    case 10:
      request.body = "{\"type\":\"x\",\"data\":1}";
      request.headers.emplace_back("Idempotency-Key", "a key with spaces");
      break;
    default: {
      // Some of it, and gone; all of it would be refused.
      request.body = "{\"type\":";
      io::Wait soon = wait.within(client.patience());
      client.http.leave_in_the_middle(soon, request);
      ignore(wait.sleep(client.prng.exponential(20ms)), "it is nonsense");
      return;
    }
  }
  const auto response = client.ask(wait, request);
  if (!response) return;
  const std::string code = code_of(*response);
  const bool is_refused = response->status >= 400 && response->status < 500 && !code.empty();
  // Of a node that has asked the leader, whose answer did not come.
  const bool is_lost = client.is_of_cluster() && code == "outcome_unknown";
  if (!is_refused && !is_lost && !client.is_excused(code)) client.fail("nonsense", *response);
}

}  // namespace verity::sim
