#include "sim/writer.h"

#include "sim/answers.h"
#include "sim/append_request.h"

namespace verity::sim {

bool Writer::acknowledge(std::uint64_t id, const HttpResponse& response, Instant sent) {
  const auto ack = parse_ack(client_.history.request(id), response);
  if (ack) {
    client_.history.acked(id, *ack, client_.now());
    judge_date(*ack, sent);
  } else {
    client_.fail("an acknowledgement that cannot be read: " + response.body);
  }
  return ack.has_value();
}

// A node alone dates by its own clock, and its clock jumps.
void Writer::judge_date(const Ack& ack, Instant sent) {
  if (!client_.is_of_cluster() || ack.replayed) return;
  const auto date = parse_date(ack.recorded_at);
  const auto wrong = date ? client_.crowd.dates.judge(ack.position, *date, sent, client_.now())
                          : std::optional<std::string>("an entry is dated " + ack.recorded_at);
  if (wrong) client_.fail(*wrong);
}

bool Writer::carry_out(io::Wait& wait, std::uint64_t id, const HttpRequest& http, int attempts_max) {
  Attempts attempts{id};
  for (int i = 0; i < attempts_max; ++i) {
    if (i > 0 && !wait.sleep(client_.prng.exponential(100ms))) break;
    const Step step = attempt(wait, attempts, http);
    if (step == Step::settled) return false;
    if (step == Step::acknowledged) return true;
    if (step == Step::give_up) break;
  }
  if (!attempts.may_be_under_way && !client_.history.position_of(id)) client_.history.refused(id);
  return false;
}

Writer::Step Writer::attempt(io::Wait& wait, Attempts& attempts, const HttpRequest& http) {
  const SentRequest& sent = client_.history.request(attempts.id);
  const auto known_before = client_.history.last_revisions(sent);
  const History::Stand stand = client_.history.stand(sent.tenant);
  // Without a key nobody can ask again what became of it, nor of a tenant that may be another one by then.
  const auto unknown = [&] {
    attempts.may_be_under_way = true;
    return sent.idempotency_key.empty() || client_.may_go(sent.tenant) ? Step::settled : Step::again;
  };
  if (!sent.idempotency_key.empty() && client_.chance_of_100(client_.plan.leaves)) {
    client_.http.leave_in_the_middle(wait, http);
    if (unknown() == Step::settled || !wait.sleep(client_.prng.exponential(500ms))) return Step::settled;
    return Step::again;
  }
  const Instant asked = client_.now();
  const bool is_hasty = temper_ == Temper::hasty && client_.prng.chance(1, 40);
  const auto response = client_.ask(wait, http, is_hasty ? 10ms : client_.patience());
  if (!response) {
    const bool is_unknown = !client_.http.nothing_sent() || attempts.may_be_under_way;
    if (is_unknown && unknown() == Step::settled) return Step::settled;
    return client_.should_end(wait) ? Step::give_up : Step::again;
  }
  // An answer about another tenant, or from before a crash that may have undone what it says.
  if (!client_.history.holds(sent.tenant, stand)) return unknown();
  if (response->status == 201)
    return acknowledge(attempts.id, *response, asked) ? Step::acknowledged : Step::settled;
  const std::string code = code_of(*response);
  if (code == "outcome_unknown") return unknown();
  if (code == "expectation_failed") {
    if (!attempts.may_be_under_way) judge_refusal(attempts.id, *response, known_before);
    return Step::settled;
  }
  if (code == "idempotency_full" || code == "too_many_connections" || client_.is_excused(code))
    return Step::again;
  client_.fail("an append", *response);
  return Step::settled;
}

void Writer::judge_refusal(std::uint64_t id, const HttpResponse& response,
                           const LastRevisions& known_before) {
  if (client_.history.position_of(id)) {
    // It has been acknowledged before: with its key it must be answered as it was.
    client_.fail("request " + std::to_string(id) + " with key " +
                 client_.history.request(id).idempotency_key + " was carried out and is refused now");
    return;
  }
  client_.history.refused_expectations(id, parse_failed_expectations(response.body), known_before);
}

// Who led once and is cut off does not know the key, takes the request, and cannot carry it out.
bool Writer::may_be_deposed(const HttpResponse& response) const {
  return client_.is_of_cluster() && code_of(response) == "outcome_unknown";
}

void Writer::append(io::Wait& wait) {
  SentRequest request = draw_request(client_);
  const HttpRequest http = to_http(client_, request);
  const std::uint64_t id = client_.history.sent(std::move(request));
  const bool acked = carry_out(wait, id, http, client_.prng.chance(1, 2) ? 1 : 8);
  const SentRequest& sent = client_.history.request(id);
  if (acked && !sent.idempotency_key.empty() && !client_.may_go(sent.tenant)) {
    repeatable_.emplace_back(id, http);
    if (repeatable_.size() > 20) repeatable_.erase(repeatable_.begin());
  }
}

void Writer::repeat(io::Wait& wait) {
  const auto [id, http] = repeatable_[client_.prng.below(repeatable_.size())];
  if (!client_.history.position_of(id)) return;  // lost with an asynchronous server: a new request
  const std::string& tenant = client_.history.request(id).tenant;
  const History::Stand stand = client_.history.stand(tenant);
  const Instant asked = client_.now();
  const auto response = client_.ask(wait, http);
  if (!response || !client_.history.holds(tenant, stand)) return;
  if (response->status == 201) {
    acknowledge(id, *response, asked);
  } else if (!client_.is_excused(code_of(*response)) && !may_be_deposed(*response)) {
    client_.fail("a repeated append", *response);
  }
}

void Writer::conflict(io::Wait& wait) {
  const auto [id, original] = repeatable_[client_.prng.below(repeatable_.size())];
  if (!client_.history.position_of(id)) return;
  SentRequest other = client_.history.request(id);
  other.streams.resize(1);
  other.streams[0].expected = {};
  other.as_cloud_events = false;
  other.streams[0].events = {draw_event(client_)};
  const std::string tenant = other.tenant;
  const History::Stand stand = client_.history.stand(tenant);
  const HttpRequest http = to_http(client_, other);
  const std::uint64_t other_id = client_.history.sent(std::move(other));
  const auto response = client_.ask(wait, http);
  if (!client_.history.holds(tenant, stand)) return;
  const std::string code = response ? code_of(*response) : "";
  if (!response || may_be_deposed(*response) || (response->status == 422 && code == "idempotency_conflict")) {
    client_.history.refused(other_id);  // whatever happens to it, it must not be carried out
  } else if (!client_.is_excused(code)) {
    client_.fail("another body under a used key", *response);
  }
}

}  // namespace verity::sim
