#include "sim/append_request.h"

#include "sim/json_scan.h"

#include <algorithm>
#include <array>
#include <map>

namespace verity::sim {

SentEvent draw_event(Client& client) {
  Prng& prng = client.prng;
  const std::uint64_t unique = ++client.crowd.event_sequence;
  SentEvent event;
  constexpr std::array<std::string_view, 4> types{"admitted", "moved", "a.b-c", "\xe2\x82\xac"};
  event.type = types[prng.below(types.size())];
  std::size_t size = static_cast<std::size_t>(
      prng.exponential(Duration(static_cast<std::int64_t>(client.plan.data_bytes))).count());
  size = std::min<std::size_t>(size, 6'000);
  std::string filling(size, ' ');
  for (char& c : filling) c = static_cast<char>('a' + prng.below(26));
  // Every shape a client might send, none of which may be tidied up.
  switch (prng.below(6)) {
    case 0:
      event.data = "{\"n\":" + std::to_string(unique) + ",\"text\":\"" + filling + "\"}";
      break;
    case 1:
      event.data = "{ \"text\" : \"" + filling + "\\u00e9\\/\" , \"n\" :  " + std::to_string(unique) + " }";
      break;
    case 2:
      event.data = "[" + std::to_string(unique) + ", 1.50, 1e2, -0, null, \"" + filling + "\"]";
      break;
    case 3:
      event.data = "\"" + std::to_string(unique) + " " + filling + "\"";
      break;
    case 4:
      event.data =
          "{\"n\":" + std::to_string(unique) + ",\"n\":0,\"z\":[],\"a\":{\n\"" + filling + "\":true}}";
      break;
    // Zeros in the log are what space that was never written looks like.
    default:
      event.data = "[" + std::to_string(unique) + ",\"" + std::string(filling.size(), '0') + "\"]";
      break;
  }
  if (prng.chance(1, 4)) event.metadata = "{\"by\": \"client " + std::to_string(client.number) + "\"}";
  if (prng.chance(1, 4)) event.id = "id-" + std::to_string(unique);
  if (prng.chance(1, 3)) event.subject = client.draw_subject();
  return event;
}

namespace {

// Mostly what is known to be true; `last` as far as it is known.
Expected draw_expectation(Prng& prng, std::optional<std::uint64_t> last) {
  switch (prng.below(4)) {
    case 0:
      return {ExpectationKind::none};
    case 1:
      return {ExpectationKind::exists};
    default:
      if (!last) return {ExpectationKind::none};
      return {ExpectationKind::exact, *last + (prng.chance(1, 5) ? prng.between(1, 3) : 0)};
  }
}

SentStream draw_stream(Client& client, const std::string& tenant, std::uint64_t& bytes_left, bool is_first) {
  Prng& prng = client.prng;
  const WorkloadPlan& plan = client.plan;
  SentStream part;
  part.stream = Client::stream_name(prng.below(plan.streams));
  if (client.chance_of_100(plan.expectations))
    part.expected = draw_expectation(prng, client.history.last_revision(tenant, part.stream));
  const std::uint64_t count =
      prng.chance(1, 40) ? 1 + plan.batch_events * 4 : prng.between(1, plan.batch_events);
  std::map<std::string, std::uint64_t> own;  // events of a subject before this one
  for (std::uint64_t i = 0; i < count; ++i) {
    SentEvent event = draw_event(client);
    if (!event.subject.empty()) {
      const auto known = client.history.last_subject_revision(tenant, part.stream, event.subject);
      const std::uint64_t before = own[event.subject]++;
      const auto last = before == 0 ? known : known.value_or(0) + before - (known ? 0 : 1);
      if (client.chance_of_100(plan.expectations / 2)) event.subject_expected = draw_expectation(prng, last);
    }
    const std::uint64_t bytes = event.data.size() + event.metadata.size() + 200;
    const bool must_be = is_first && part.events.empty();
    if (bytes > bytes_left && !must_be) break;
    bytes_left -= std::min(bytes_left, bytes);
    part.events.push_back(std::move(event));
  }
  return part;
}

// What a CloudEvent must have, and cannot.
void make_cloud_event(Client& client, SentEvent& event) {
  event.subject_expected = {};
  if (event.id.empty()) event.id = "cloud-" + std::to_string(++client.crowd.key_sequence);
  event.metadata = "{\"specversion\":\"1.0\",\"source\":\"/ward/" + std::to_string(client.number) + "\"";
  if (client.prng.chance(1, 2)) event.metadata += ",\"priority\":1.50,\"note\":\"\\u00e9\"";
  event.metadata += "}";
}

std::string print_json(const Expected& expected) {
  return expected.kind == ExpectationKind::exact ? expected.describe() : "\"" + expected.describe() + "\"";
}

}  // namespace

SentRequest draw_request(Client& client) {
  const WorkloadPlan& plan = client.plan;
  SentRequest request;
  request.tenant = client.draw_tenant();
  std::uint64_t bytes_left = 20'000;
  const int streams = client.chance_of_100(plan.several_streams) ? 3 : 1;
  for (int i = 0; i < streams; ++i) {
    SentStream part = draw_stream(client, request.tenant, bytes_left, i == 0);
    const bool is_known = std::any_of(request.streams.begin(), request.streams.end(),
                                      [&](const SentStream& other) { return other.stream == part.stream; });
    if (!part.events.empty() && !is_known) request.streams.push_back(std::move(part));
  }
  if (client.chance_of_100(plan.keys)) {
    request.idempotency_key =
        "key-" + std::to_string(client.number) + "-" + std::to_string(++client.crowd.key_sequence);
  }
  request.as_cloud_events = request.streams.size() == 1 && client.chance_of_100(plan.cloud_events);
  if (request.as_cloud_events) {
    for (SentEvent& event : request.streams.front().events) make_cloud_event(client, event);
  }
  return request;
}

namespace {

constexpr std::string_view json_type = "application/json";

std::string print_event(const SentEvent& event) {
  std::string text = "{\"type\":" + quote_json(event.type) + ",\"data\":" + event.data;
  if (!event.metadata.empty()) text += ", \"metadata\": " + event.metadata;
  if (!event.id.empty()) text += ",\"id\":" + quote_json(event.id);
  if (!event.subject.empty()) text += ",\"subject\":" + quote_json(event.subject);
  if (event.subject_expected.kind != ExpectationKind::any)
    text += ",\"expected_subject_revision\":" + print_json(event.subject_expected);
  return text + "}";
}

// Its metadata is what its further attributes become.
std::string print_cloud_event(const SentEvent& event) {
  const std::string attributes = event.metadata.substr(1, event.metadata.size() - 2);
  std::string text = "{ \"type\" : " + quote_json(event.type) + "," + attributes +
                     ",\n\"id\":" + quote_json(event.id) + ",\"data\":" + event.data;
  if (!event.subject.empty()) text += ",\"subject\":" + quote_json(event.subject);
  return text + "}";
}

std::string print_list(const std::vector<SentEvent>& events, std::string (*print)(const SentEvent&)) {
  std::string list;
  for (const SentEvent& event : events) list += (list.empty() ? "[" : ", ") + print(event);
  return list + "]";
}

void print_stream(Client& client, const SentRequest& request, HttpRequest& http) {
  const SentStream& stream = request.streams.front();
  http.target = "/v1/tenants/" + percent_encode(request.tenant) + "/streams/" +
                percent_encode(stream.stream) + "/events";
  if (stream.expected.kind != ExpectationKind::any)
    http.headers.emplace_back("Expected-Revision", stream.expected.describe());
  const bool is_alone = stream.events.size() == 1 && client.prng.chance(1, 2);
  const auto print = request.as_cloud_events ? print_cloud_event : print_event;
  // Lines may not contain line feeds, which one shape of data does.
  const bool has_feed = std::any_of(stream.events.begin(), stream.events.end(), [](const SentEvent& event) {
    return event.data.find('\n') != std::string::npos;
  });
  std::string type(json_type);
  if (request.as_cloud_events) {
    type = is_alone ? "application/cloudevents+json" : "application/cloudevents-batch+json";
  } else if (!has_feed && client.prng.chance(1, 3)) {
    type = "application/x-ndjson";
    for (const SentEvent& event : stream.events) http.body += print(event) + "\n";
  }
  if (http.body.empty())
    http.body = is_alone ? print(stream.events.front()) : print_list(stream.events, print);
  http.headers.emplace_back("Content-Type", type);
}

void print_streams(const SentRequest& request, HttpRequest& http) {
  http.target = "/v1/tenants/" + percent_encode(request.tenant) + "/events";
  http.headers.emplace_back("Content-Type", json_type);
  for (const SentStream& stream : request.streams) {
    http.body += http.body.empty() ? "{\"streams\":[" : ",";
    http.body += "{\"stream\":" + quote_json(stream.stream);
    if (stream.expected.kind != ExpectationKind::any)
      http.body += ",\"expected_revision\":" + print_json(stream.expected);
    http.body += ",\"events\":" + print_list(stream.events, print_event) + "}";
  }
  http.body += "]}";
}

}  // namespace

HttpRequest to_http(Client& client, const SentRequest& request) {
  HttpRequest http;
  http.method = "POST";
  if (!request.idempotency_key.empty()) http.headers.emplace_back("Idempotency-Key", request.idempotency_key);
  if (request.as_cloud_events || (request.streams.size() == 1 && client.prng.chance(5, 6))) {
    print_stream(client, request, http);
  } else {
    print_streams(request, http);
  }
  return http;
}

}  // namespace verity::sim
