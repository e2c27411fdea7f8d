#include "sim/append_request.h"

#include "sim/json_scan.h"

#include <algorithm>
#include <array>
#include <set>

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

SentRequest draw_request(Client& client) {
  Prng& prng = client.prng;
  const WorkloadPlan& plan = client.plan;
  SentRequest request;
  request.tenant = client.draw_tenant();
  std::set<std::uint64_t> chosen{prng.below(plan.streams)};
  if (client.chance_of_100(plan.several_streams)) {
    for (int i = 0; i < 2; ++i) chosen.insert(prng.below(plan.streams));
  }
  std::uint64_t bytes_left = 20'000;
  for (const std::uint64_t stream : chosen) {
    SentStream part;
    part.stream = Client::stream_name(stream);
    const auto last = client.history.last_revision(request.tenant, part.stream);
    if (client.chance_of_100(plan.expectations)) {
      switch (prng.below(4)) {
        case 0:
          part.expected = ExpectationKind::none;
          break;
        case 1:
          part.expected = ExpectationKind::exists;
          break;
        default:
          part.expected = last ? ExpectationKind::exact : ExpectationKind::none;
          part.expected_revision = last.value_or(0);
          if (prng.chance(1, 5)) part.expected_revision += prng.between(1, 3);
          break;
      }
    }
    const std::uint64_t count =
        prng.chance(1, 40) ? 1 + plan.batch_events * 4 : prng.between(1, plan.batch_events);
    for (std::uint64_t i = 0; i < count; ++i) {
      SentEvent event = draw_event(client);
      const std::uint64_t bytes = event.data.size() + event.metadata.size() + 200;
      const bool is_first = request.streams.empty() && part.events.empty();
      if (bytes > bytes_left && !is_first) break;
      bytes_left -= std::min(bytes_left, bytes);
      part.events.push_back(std::move(event));
    }
    if (part.events.empty()) break;
    request.streams.push_back(std::move(part));
  }
  if (client.chance_of_100(plan.keys))
    request.idempotency_key =
        "key-" + std::to_string(client.number) + "-" + std::to_string(++client.crowd.key_sequence);
  return request;
}

HttpRequest to_http(Client& client, const SentRequest& request) {
  const auto print_event = [](const SentEvent& event) {
    std::string text = "{\"type\":" + quote_json(event.type) + ",\"data\":" + event.data;
    if (!event.metadata.empty()) text += ", \"metadata\": " + event.metadata;
    if (!event.id.empty()) text += ",\"id\":" + quote_json(event.id);
    if (!event.subject.empty()) text += ",\"subject\":" + quote_json(event.subject);
    return text + "}";
  };
  const auto print_expectation = [](const SentStream& stream) -> std::string {
    switch (stream.expected) {
      case ExpectationKind::any:
        return "any";
      case ExpectationKind::none:
        return "none";
      case ExpectationKind::exists:
        return "exists";
      case ExpectationKind::exact:
        return std::to_string(stream.expected_revision);
    }
    return "any";
  };
  HttpRequest http;
  http.method = "POST";
  if (!request.idempotency_key.empty()) http.headers.emplace_back("Idempotency-Key", request.idempotency_key);
  const bool single = request.streams.size() == 1 && client.prng.chance(5, 6);
  if (single) {
    const SentStream& stream = request.streams.front();
    http.target = "/v1/tenants/" + percent_encode(request.tenant) + "/streams/" +
                  percent_encode(stream.stream) + "/events";
    if (stream.expected != ExpectationKind::any)
      http.headers.emplace_back("Expected-Revision", print_expectation(stream));
    // Lines may not contain line feeds, which one shape of data does.
    const bool has_feed = std::any_of(stream.events.begin(), stream.events.end(), [](const SentEvent& event) {
      return event.data.find('\n') != std::string::npos;
    });
    if (!has_feed && client.prng.chance(1, 3)) {
      http.headers.emplace_back("Content-Type", "application/x-ndjson");
      for (const SentEvent& event : stream.events) http.body += print_event(event) + "\n";
    } else {
      http.headers.emplace_back("Content-Type", "application/json");
      const bool alone = stream.events.size() == 1 && client.prng.chance(1, 2);
      std::string list;
      for (const SentEvent& event : stream.events) list += (list.empty() ? "" : ", ") + print_event(event);
      http.body = alone ? list : "[" + list + "]";
    }
    return http;
  }
  http.target = "/v1/tenants/" + percent_encode(request.tenant) + "/events";
  http.headers.emplace_back("Content-Type", "application/json");
  http.body = "{\"streams\":[";
  for (const SentStream& stream : request.streams) {
    if (&stream != &request.streams.front()) http.body += ",";
    http.body += "{\"stream\":" + quote_json(stream.stream);
    const std::string expected = print_expectation(stream);
    if (stream.expected == ExpectationKind::exact) {
      http.body += ",\"expected_revision\":" + expected;
    } else if (stream.expected != ExpectationKind::any) {
      http.body += ",\"expected_revision\":\"" + expected + "\"";
    }
    http.body += ",\"events\":[";
    for (const SentEvent& event : stream.events) {
      if (&event != &stream.events.front()) http.body += ",";
      http.body += print_event(event);
    }
    http.body += "]}";
  }
  http.body += "]}";
  return http;
}

}  // namespace verity::sim
