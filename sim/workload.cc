#include "sim/workload.h"

#include "sim/network.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace verity::sim {
namespace {

constexpr Duration patience = 20s;

std::string number(std::uint64_t value) {
  return std::to_string(value);
}

std::optional<Place> parse_place(std::string_view text) {
  Place place;
  const char* const end = text.data() + text.size();
  const auto first = std::from_chars(text.data(), end, place.position);
  if (first.ec != std::errc()) return std::nullopt;
  if (first.ptr == end) return place;
  if (*first.ptr != '.') return std::nullopt;
  const auto second = std::from_chars(first.ptr + 1, end, place.index);
  if (second.ec != std::errc() || second.ptr != end) return std::nullopt;
  return place;
}

std::string code_of(const HttpResponse& response) {
  const auto json = scan_json(response.body);
  return json ? (*json)["code"].string().value_or("") : "";
}

bool is_chunk_of(std::uint64_t of_100, Prng& prng) {
  return prng.chance(of_100, 100);
}

}  // namespace

Workload::Workload(World& world, History& history, const Scenario& scenario, Rules rules)
    : world_(world),
      history_(history),
      scenario_(scenario),
      rules_(std::move(rules)),
      prng_(world.prng("workload")),
      process_(world, {.host = "clients"}) {}

Workload::~Workload() = default;

void Workload::fail(const std::string& what) {
  world_.fail(what);
}

Workload::Client Workload::make_client(std::string_view name, std::uint64_t id) {
  const Prng prng = prng_.fork(std::string(name) + number(id));
  return {id,
          prng.fork("choices"),
          HttpClient(process_.io_world().network, scenario_.setup.server.client_address, prng.fork("http")),
          {}};
}

std::string Workload::tenant_name(std::uint64_t id) const {
  return id == 0 ? "default" : "tenant_" + number(id);
}

std::string Workload::stream_name(std::uint64_t id) const {
  constexpr std::array<std::string_view, 4> prefixes{"stream-", "ward ", "\xc3\xa9t\xc3\xa9:", "a%2F+&?"};
  return std::string(prefixes[id % prefixes.size()]) + number(id);
}

void Workload::start() {
  for (std::uint64_t i = 0; i < scenario_.work.clients; ++i) {
    process_.spawn("client " + number(i), [this, i](io::Wait& wait) {
      io::Wait mine = wait.under(process_.end());
      Client client = make_client("client", i);
      run_client(mine, client);
    });
  }
  for (std::uint64_t i = 0; i < scenario_.work.subscribers; ++i) {
    process_.spawn("subscriber " + number(i), [this, i](io::Wait& wait) {
      io::Wait mine = wait.under(process_.end());
      Client client = make_client("subscriber", i);
      run_subscriber(mine, client);
    });
  }
}

void Workload::run_client(io::Wait& wait, Client& client) {
  const WorkloadPlan& plan = scenario_.work;
  if (client.number == 0) {
    for (std::uint64_t i = 1; i < plan.tenants; ++i) {
      HttpRequest put;
      put.method = "PUT";
      put.target = "/v1/tenants/" + tenant_name(i);
      while (!should_end(wait)) {
        io::Wait soon = wait.within(patience);
        const auto response = client.http.request(soon, put);
        if (response && (response->status == 201 || response->status == 409)) break;
        if (!wait.sleep(100ms)) return;
      }
    }
  }
  while (!should_end(wait)) {
    const std::uint64_t draw = client.prng.below(100);
    if (is_chunk_of(plan.nonsense, client.prng)) {
      talk_nonsense(wait, client);
    } else if (draw < plan.reads) {
      const std::uint64_t which = client.prng.below(12);
      if (which == 0) {
        ask_head(wait, client);
      } else if (which == 1) {
        ask_status(wait, client);
      } else {
        read(wait, client);
      }
    } else if (!client.repeatable.empty() && is_chunk_of(plan.conflicts, client.prng)) {
      conflict(wait, client);
    } else if (!client.repeatable.empty() && client.prng.chance(1, 6)) {
      repeat(wait, client);
    } else {
      append(wait, client);
    }
    // Bursts, and now and then a long silence.
    if (client.prng.chance(1, 3)) continue;
    const Duration pause = client.prng.chance(1, 50) ? 200ms : client.prng.exponential(plan.think);
    if (!wait.sleep(pause)) return;
  }
}

// ---- appends

SentEvent Workload::draw_event(Client& client) {
  Prng& prng = client.prng;
  const std::uint64_t unique = ++event_sequence_;
  SentEvent event;
  constexpr std::array<std::string_view, 4> types{"admitted", "moved", "a.b-c", "\xe2\x82\xac"};
  event.type = types[prng.below(types.size())];
  std::size_t size = static_cast<std::size_t>(
      prng.exponential(Duration(static_cast<std::int64_t>(scenario_.work.data_bytes))).count());
  size = std::min<std::size_t>(size, 6'000);
  std::string filling(size, ' ');
  for (char& c : filling) c = static_cast<char>('a' + prng.below(26));
  // Every shape a client might send, none of which may be tidied up.
  switch (prng.below(6)) {
    case 0:
      event.data = "{\"n\":" + number(unique) + ",\"text\":\"" + filling + "\"}";
      break;
    case 1:
      event.data = "{ \"text\" : \"" + filling + "\\u00e9\\/\" , \"n\" :  " + number(unique) + " }";
      break;
    case 2:
      event.data = "[" + number(unique) + ", 1.50, 1e2, -0, null, \"" + filling + "\"]";
      break;
    case 3:
      event.data = "\"" + number(unique) + " " + filling + "\"";
      break;
    case 4:
      event.data = "{\"n\":" + number(unique) + ",\"n\":0,\"z\":[],\"a\":{\n\"" + filling + "\":true}}";
      break;
    // Zeros in the log are what space that was never written looks like.
    default:
      event.data = "[" + number(unique) + ",\"" + std::string(filling.size(), '0') + "\"]";
      break;
  }
  if (prng.chance(1, 4)) event.metadata = "{\"by\": \"client " + number(client.number) + "\"}";
  if (prng.chance(1, 4)) event.id = "id-" + number(unique);
  if (prng.chance(1, 3)) event.subject = "subject " + number(prng.below(scenario_.work.subjects));
  return event;
}

SentRequest Workload::draw_request(Client& client) {
  Prng& prng = client.prng;
  const WorkloadPlan& plan = scenario_.work;
  SentRequest request;
  request.tenant = tenant_name(prng.below(plan.tenants));
  std::set<std::uint64_t> chosen{prng.below(plan.streams)};
  if (is_chunk_of(plan.several_streams, prng)) {
    for (int i = 0; i < 2; ++i) chosen.insert(prng.below(plan.streams));
  }
  std::uint64_t bytes_left = 20'000;
  for (const std::uint64_t stream : chosen) {
    SentStream part;
    part.stream = stream_name(stream);
    const auto last = history_.last_revision(request.tenant, part.stream);
    if (is_chunk_of(plan.expectations, prng)) {
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
  if (is_chunk_of(plan.keys, prng))
    request.idempotency_key = "key-" + number(client.number) + "-" + number(++key_sequence_);
  return request;
}

HttpRequest Workload::to_http(Client& client, const SentRequest& request) {
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
        return number(stream.expected_revision);
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

std::optional<Ack> Workload::parse_ack(const SentRequest& sent, const HttpResponse& response) {
  const auto json = scan_json(response.body);
  if (!json) return std::nullopt;
  Ack ack;
  const auto position = (*json)["position"].number();
  const auto hash = (*json)["hash"].string();
  if (!position || !hash) return std::nullopt;
  ack.position = *position;
  ack.hash = *hash;
  ack.replayed = response.header("idempotent-replayed") == "true";
  const auto revisions = [&](JsonValue from, std::string stream) {
    const auto first = from["first_revision"].number();
    const auto last = from["last_revision"].number();
    if (!first || !last) return false;
    ack.streams.push_back({std::move(stream), *first, *last});
    return true;
  };
  if ((*json)["streams"]) {
    for (const JsonValue& stream : (*json)["streams"].items()) {
      if (!revisions(stream, stream["stream"].string().value_or(""))) return std::nullopt;
    }
  } else if (!revisions(*json, sent.streams.front().stream)) {
    return std::nullopt;
  }
  return ack;
}

bool Workload::carry_out(io::Wait& wait, Client& client, std::uint64_t id, const HttpRequest& http,
                         int attempts_max) {
  const SentRequest& sent = history_.request(id);
  bool may_be_under_way = false;
  for (int attempt = 0; attempt < attempts_max; ++attempt) {
    if (attempt > 0 && !wait.sleep(client.prng.exponential(100ms))) break;
    const auto known_before = history_.last_revisions(sent.tenant);
    const std::uint64_t epoch = history_.epoch();
    io::Wait soon = wait.within(client.prng.chance(1, 40) ? 10ms : patience);
    ++requests_;
    const auto response = client.http.request(soon, http);
    if (!response) {
      if (response.error().code == ErrorCode::corrupt) fail(response.error().message);
      if (!client.http.nothing_sent()) may_be_under_way = true;
      if (may_be_under_way && sent.idempotency_key.empty()) return false;
      if (should_end(wait)) break;
      continue;
    }
    if (history_.epoch() != epoch) {
      // The answer is from before a crash that may have undone what it says.
      may_be_under_way = true;
      if (sent.idempotency_key.empty()) return false;
      continue;
    }
    if (response->status == 201) {
      const auto ack = parse_ack(sent, *response);
      if (!ack) {
        fail("an acknowledgement that cannot be read: " + response->body);
        return false;
      }
      history_.acked(id, *ack, world_.now());
      return true;
    }
    const std::string code = code_of(*response);
    if (code == "expectation_failed") {
      if (may_be_under_way) return false;
      std::vector<FailedExpectationSeen> failed;
      const auto json = scan_json(response->body);
      for (const JsonValue& one : (*json)["failed_expectations"].items()) {
        failed.push_back({one["stream"].string().value_or(""), one["subject"].string().value_or(""),
                          one["expected"].string().value_or(""), one["actual"].number()});
      }
      if (history_.position_of(id)) {
        // It has been acknowledged before: with its key it must be answered as it was.
        fail("request " + number(id) + " with key " + sent.idempotency_key +
             " was carried out and is refused now");
        return false;
      }
      history_.refused_expectations(id, failed, known_before);
      return false;
    }
    if (code == "outcome_unknown") {
      may_be_under_way = true;
      if (sent.idempotency_key.empty()) return false;
      continue;
    }
    if (code == "tenant_not_found" && sent.tenant != "default") continue;  // it is still to be created
    if (code == "overloaded" || code == "not_ready" || code == "cancelled" || code == "idempotency_full" ||
        code == "too_many_connections" || rules_.allows(code)) {
      continue;
    }
    fail("an append was answered " + number(static_cast<std::uint64_t>(response->status)) + " " +
         response->body);
    return false;
  }
  if (!may_be_under_way && !history_.position_of(id)) history_.refused(id);
  return false;
}

void Workload::append(io::Wait& wait, Client& client) {
  SentRequest request = draw_request(client);
  const HttpRequest http = to_http(client, request);
  const std::uint64_t id = history_.sent(std::move(request));
  const bool acked = carry_out(wait, client, id, http, client.prng.chance(1, 2) ? 1 : 8);
  if (acked && !history_.request(id).idempotency_key.empty()) {
    client.repeatable.emplace_back(id, http);
    if (client.repeatable.size() > 20) client.repeatable.erase(client.repeatable.begin());
  }
}

void Workload::repeat(io::Wait& wait, Client& client) {
  const auto [id, http] = client.repeatable[client.prng.below(client.repeatable.size())];
  if (!history_.position_of(id)) return;  // lost with an asynchronous server: it would be a new request
  const std::uint64_t epoch = history_.epoch();
  io::Wait soon = wait.within(patience);
  ++requests_;
  const auto response = client.http.request(soon, http);
  if (!response || history_.epoch() != epoch) return;
  if (response->status == 201) {
    if (const auto ack = parse_ack(history_.request(id), *response)) {
      history_.acked(id, *ack, world_.now());
    } else {
      fail("an acknowledgement that cannot be read: " + response->body);
    }
    return;
  }
  const std::string code = code_of(*response);
  if (code == "overloaded" || code == "not_ready" || code == "cancelled" || rules_.allows(code)) return;
  fail("a repeated append was answered " + response->body);
}

void Workload::conflict(io::Wait& wait, Client& client) {
  const auto [id, original] = client.repeatable[client.prng.below(client.repeatable.size())];
  if (!history_.position_of(id)) return;
  SentRequest other = history_.request(id);
  other.streams.resize(1);
  other.streams[0].expected = ExpectationKind::any;
  other.streams[0].events = {draw_event(client)};
  const std::uint64_t epoch = history_.epoch();
  const HttpRequest http = to_http(client, other);
  const std::uint64_t other_id = history_.sent(std::move(other));
  io::Wait soon = wait.within(patience);
  ++requests_;
  const auto response = client.http.request(soon, http);
  if (history_.epoch() != epoch) return;
  if (!response) {
    history_.refused(other_id);  // whatever happens to it, it must not be carried out
    return;
  }
  const std::string code = code_of(*response);
  if (response->status == 422 && code == "idempotency_conflict") {
    history_.refused(other_id);
    return;
  }
  if (code == "overloaded" || code == "not_ready" || code == "cancelled" || rules_.allows(code)) return;
  fail("another body under a used key was answered " + number(static_cast<std::uint64_t>(response->status)) +
       " " + response->body);
}

// ---- reads

std::optional<ServedEvent> Workload::parse_event(JsonValue json) {
  ServedEvent event;
  const auto stream = json["stream"].string();
  const auto revision = json["revision"].number();
  const auto position = json["position"].number();
  const auto index = json["index"].number();
  const auto type = json["type"].string();
  if (!stream || !revision || !position || !index || !type || !json["data"] || !json["recorded_at"])
    return std::nullopt;
  event.stream = *stream;
  event.revision = *revision;
  event.place = {*position, *index};
  event.type = *type;
  event.data = json["data"].text;
  event.metadata = json["metadata"].text;
  event.id = json["id"].string().value_or("");
  event.subject = json["subject"].string().value_or("");
  event.subject_revision = json["subject_revision"].number();
  return event;
}

std::optional<Workload::Page> Workload::parse_page(const std::string& body) {
  const auto json = scan_json(body);
  if (!json) return std::nullopt;
  Page page;
  const auto head = (*json)["head"]["position"].number();
  if (!(*json)["events"].is_array() || !(*json)["next"] || !head) return std::nullopt;
  page.head = *head;
  for (const JsonValue& item : (*json)["events"].items()) {
    auto event = parse_event(item);
    if (!event) return std::nullopt;
    page.events.push_back(std::move(*event));
  }
  if (!(*json)["next"].is_null()) {
    page.next = parse_place((*json)["next"].string().value_or(""));
    if (!page.next) return std::nullopt;
  }
  return page;
}

std::string Workload::target_of(const Read& read) {
  std::string target = "/v1/tenants/" + percent_encode(read.tenant);
  if (!read.stream.empty()) target += "/streams/" + percent_encode(read.stream);
  target += "/events?limit=" + number(read.limit);
  if (read.backward) target += "&direction=backward";
  if (read.from_revision) target += "&from=" + number(*read.from_revision);
  if (read.from_place) target += "&from=" + read.from_place->describe();
  if (read.from_end) target += "&from=end";
  if (!read.subject.empty()) target += "&subject=" + percent_encode(read.subject);
  if (read.wait > Duration::zero())
    target += "&wait=" + number(static_cast<std::uint64_t>(read.wait / 1ms)) + "ms";
  return target;
}

void Workload::read(io::Wait& wait, Client& client) {
  Prng& prng = client.prng;
  Read read;
  read.tenant = tenant_name(prng.below(scenario_.work.tenants));
  if (prng.chance(2, 3)) read.stream = stream_name(prng.below(scenario_.work.streams));
  if (!read.stream.empty() && prng.chance(1, 5))
    read.subject = "subject " + number(prng.below(scenario_.work.subjects));
  read.backward = prng.chance(1, 3);
  read.limit = prng.chance(1, 4) ? 1 : prng.between(1, 60);
  const auto last = read.stream.empty() ? std::nullopt : history_.last_revision(read.tenant, read.stream);
  if (read.subject.empty() && last && prng.chance(1, 2)) {
    read.from_revision = prng.chance(1, 8) ? *last + prng.between(1, 3) : prng.between(0, *last);
  } else if (history_.last_position() > 0 && prng.chance(1, 2)) {
    read.from_place = Place{prng.between(1, history_.last_position()), prng.below(3)};
  } else {
    read.from_end = read.backward;
  }
  if (!read.backward && prng.chance(1, 8)) read.wait = std::chrono::milliseconds(prng.between(1, 2000));

  const History::Mark mark = history_.mark();
  const std::uint64_t position_before = history_.last_position();
  const std::uint64_t epoch = history_.epoch();
  io::Wait soon = wait.within(patience);
  ++requests_;
  const auto response = client.http.request(soon, {"GET", target_of(read), {}, ""});
  if (!response) {
    if (response.error().code == ErrorCode::corrupt) fail(response.error().message);
    return;
  }
  if (history_.epoch() != epoch) return;  // an asynchronous server has cut its end meanwhile
  const std::string code = code_of(*response);
  if (response->status == 200) {
    const auto page = parse_page(response->body);
    if (!page) {
      fail("a page that cannot be read: " + response->body);
      return;
    }
    judge_read(read, *page, mark, position_before, last);
  } else if (code == "stream_not_found") {
    if (last) fail(read.tenant + "/" + read.stream + " was known and is not found");
  } else if (code == "tenant_not_found" && read.tenant != "default") {
    return;
  } else if (code != "overloaded" && code != "not_ready" && code != "cancelled" && !rules_.allows(code)) {
    fail("a read of " + target_of(read) + " was answered " +
         number(static_cast<std::uint64_t>(response->status)) + " " + response->body);
  }
}

void Workload::judge_read(const Read& read, const Page& page, History::Mark mark,
                          std::uint64_t position_before, std::optional<std::uint64_t> revision_before) {
  const std::string what = "a read of " + target_of(read);
  if (page.head < position_before) {
    fail(what + " has head " + number(page.head) + " although position " + number(position_before) +
         " was known before");
  }
  if (page.events.size() > read.limit) fail(what + " has " + number(page.events.size()) + " events");
  std::set<Place> served;
  const ServedEvent* previous = nullptr;
  for (const ServedEvent& event : page.events) {
    history_.observed(read.tenant, event, world_.now());
    if (!read.stream.empty() && event.stream != read.stream) fail(what + " has an event of " + event.stream);
    if (!read.subject.empty() && event.subject != read.subject)
      fail(what + " has an event of subject " + event.subject);
    if (previous != nullptr) {
      const bool in_order = read.backward ? event.place < previous->place : event.place > previous->place;
      if (!in_order) fail(what + " has " + event.place.describe() + " after " + previous->place.describe());
      if (!read.stream.empty() && read.subject.empty()) {
        const bool next = read.backward ? event.revision + 1 == previous->revision
                                        : event.revision == previous->revision + 1;
        if (!next)
          fail(what + " goes from revision " + number(previous->revision) + " to " + number(event.revision));
      }
    }
    served.insert(event.place);
    previous = &event;
  }
  if (read.from_revision) {
    if (*read.from_revision <= revision_before.value_or(0) && revision_before) {
      if (page.events.empty() || page.events.front().revision != *read.from_revision) {
        fail(what + " does not begin where it was asked to");
      }
    }
  }
  // What was known before the read began and lies in its range is in it.
  Place first{0, 0};
  Place last{UINT64_MAX, 0};
  if (!page.events.empty()) {
    const Place front = page.events.front().place;
    const Place back = page.events.back().place;
    // Towards the direction of reading a page may stop anywhere, unless nothing follows.
    if (read.backward) {
      last = front;
      first = page.next ? back : Place{0, 0};
      if (read.from_end) last = Place{UINT64_MAX, 0};
    } else {
      first = front;
      last = back;
      if (!read.from_revision && !read.from_place) first = Place{0, 0};
    }
    history_.check_nothing_left_out(read.tenant, read.stream, read.subject, first, last, served, mark);
  } else if (!read.backward && !read.from_revision && !read.from_place && page.next &&
             *page.next > Place{position_before, 0}) {
    history_.check_nothing_left_out(read.tenant, read.stream, read.subject, first, last, served, mark);
  }
}

std::optional<HttpResponse> Workload::get(io::Wait& wait, Client& client, const std::string& target) {
  io::Wait soon = wait.within(patience);
  ++requests_;
  auto response = client.http.request(soon, {"GET", target, {}, ""});
  if (!response) {
    if (response.error().code == ErrorCode::corrupt) fail(response.error().message);
    return std::nullopt;
  }
  return std::move(*response);
}

void Workload::ask_head(io::Wait& wait, Client& client) {
  const std::uint64_t before = history_.last_position();
  const std::uint64_t epoch = history_.epoch();
  const auto response = get(wait, client, "/v1/head");
  if (!response || history_.epoch() != epoch) return;
  if (response->status != 200) {
    const std::string code = code_of(*response);
    if (code != "not_ready" && code != "overloaded" && !rules_.allows(code))
      fail("the head was answered " + response->body);
    return;
  }
  const auto json = scan_json(response->body);
  const JsonValue head = json.value_or(JsonValue{});
  const std::uint64_t position = head["position"].number().value_or(0);
  const std::string hash = head["hash"].string().value_or("");
  const std::string root = head["tree_root"].string().value_or("");
  if (position == 0 || hash.empty() || root.empty()) {
    fail("a head that cannot be read: " + response->body);
  } else if (position < before) {
    fail("the head is at " + number(position) + " although position " + number(before) + " was known before");
  } else {
    history_.observed_hash(position, hash, root, world_.now());
  }
}

void Workload::ask_status(io::Wait& wait, Client& client) {
  constexpr std::array<std::string_view, 4> targets{"/status", "/health/live", "/health/ready", "/metrics"};
  const std::string_view target = targets[client.prng.below(targets.size())];
  const auto response = get(wait, client, std::string(target));
  if (!response) return;
  const bool fine = response->status == 200 || (response->status == 503 && target == "/health/ready");
  if (!fine)
    fail(std::string(target) + " was answered " + number(static_cast<std::uint64_t>(response->status)) + " " +
         response->body);
}

void Workload::talk_nonsense(io::Wait& wait, Client& client) {
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
      // Half a request, and gone.
      io::Wait soon = wait.within(patience);
      auto socket = process_.io_world().network.connect(soon, scenario_.setup.server.client_address);
      if (!socket) return;
      const std::string half =
          "POST " + events + " HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{\"type\":";
      const std::size_t size = client.prng.between(1, half.size());
      ignore(io::write_all(soon, **socket, as_bytes(std::string_view(half).substr(0, size))),
             "it is nonsense");
      ignore(wait.sleep(client.prng.exponential(20ms)), "it is nonsense");
      return;
    }
  }
  io::Wait soon = wait.within(patience);
  ++requests_;
  const auto response = client.http.request(soon, request);
  if (!response) return;
  const std::string code = code_of(*response);
  const bool refused = response->status >= 400 && response->status < 500 && !code.empty();
  if (refused || code == "not_ready" || code == "overloaded" || rules_.allows(code)) return;
  fail("nonsense was answered " + number(static_cast<std::uint64_t>(response->status)) + " " +
       response->body);
}

// ---- subscriptions

void Workload::run_subscriber(io::Wait& wait, Client& client) {
  Prng& prng = client.prng;
  const std::string tenant = tenant_name(prng.below(scenario_.work.tenants));
  const std::string stream = prng.chance(1, 3) ? "" : stream_name(prng.below(scenario_.work.streams));
  std::optional<Place> last;
  std::uint64_t next_revision = 0;
  std::uint64_t epoch = history_.epoch();
  while (!should_end(wait)) {
    HttpRequest request;
    request.target = "/v1/tenants/" + percent_encode(tenant) +
                     (stream.empty() ? "" : "/streams/" + percent_encode(stream)) + "/subscribe";
    if (history_.epoch() != epoch) {
      // What it followed was cut off with the end of an asynchronous log: it begins again.
      epoch = history_.epoch();
      last.reset();
      next_revision = 0;
    }
    if (last) request.headers.emplace_back("Last-Event-ID", last->describe());
    ++requests_;
    io::Wait soon = wait.within(patience);
    const auto response = client.http.open_stream(soon, request);
    if (!response || response->status != 200) {
      if (response) {
        const std::string code = code_of(*response);
        const bool fine = code == "stream_not_found" || code == "tenant_not_found" || code == "not_ready" ||
                          code == "overloaded" || code == "cancelled" || rules_.allows(code);
        if (!fine) fail("a subscription was answered " + response->body);
        if (code == "stream_not_found" && last) fail("a stream that was followed is not found");
      }
      if (!wait.sleep(50ms + prng.exponential(100ms))) return;
      continue;
    }
    const Instant leave_at = world_.now() + prng.exponential(2s);
    while (!should_end(wait) && history_.epoch() == epoch && world_.now() < leave_at) {
      io::Wait listening = wait.within(500ms);
      auto next = client.http.next_event(listening);
      if (!next || !*next) break;
      const ServerEvent& told = **next;
      if (told.type == "error") {
        const auto problem = scan_json(told.data);
        const std::string code = problem ? (*problem)["code"].string().value_or("") : "";
        if (code.empty() ||
            (code != "not_ready" && code != "overloaded" && code != "cancelled" && !rules_.allows(code))) {
          // An event may be of type "error" too; it has no code.
          fail("a subscription ended with " + told.data);
        }
        break;
      }
      const auto json = scan_json(told.data);
      const auto event = json ? parse_event(*json) : std::nullopt;
      if (!event || told.id != event->place.describe() || told.type != event->type) {
        fail("a subscription told of something that is no event: " + told.data);
        return;
      }
      if (history_.epoch() != epoch) break;
      history_.observed(tenant, *event, world_.now());
      if (last && event->place <= *last) {
        fail("a subscription went from " + last->describe() + " to " + event->place.describe());
        return;
      }
      if (!stream.empty() && event->revision != next_revision) {
        fail("a subscription to " + stream + " went on with revision " + number(event->revision) +
             " instead of " + number(next_revision));
        return;
      }
      history_.check_nothing_left_out(tenant, stream, "", last.value_or(Place{}), event->place, {},
                                      history_.mark());
      last = event->place;
      next_revision = event->revision + 1;
      if (prng.chance(1, 20) && !wait.sleep(prng.exponential(100ms))) return;  // slow now and then
    }
    client.http.close();
  }
}

// ---- at the end

void Workload::start_probe(std::function<void()> done) {
  process_.spawn("probe", [this, done = std::move(done)](io::Wait& wait) {
    io::Wait mine = wait.under(process_.end());
    Client client = make_client("probe", ++key_sequence_);
    while (!world_.failure() && !mine.is_cancelled()) {
      SentRequest request;
      request.tenant = "default";
      request.streams.push_back({"probe", ExpectationKind::any, 0, {draw_event(client)}});
      request.idempotency_key = "probe-" + number(++key_sequence_);
      const HttpRequest http = to_http(client, request);
      const std::uint64_t id = history_.sent(std::move(request));
      if (carry_out(mine, client, id, http, 5)) {
        done();
        return;
      }
      if (!mine.sleep(200ms)) return;
    }
  });
}

void Workload::start_audit() {
  audited_ = false;
  process_.spawn("auditor", [this](io::Wait& wait) {
    io::Wait mine = wait.under(process_.end());
    Client client = make_client("auditor", ++key_sequence_);
    audit(mine, client);
  });
}

void Workload::audit(io::Wait& wait, Client& client) {
  audited_events_ = 0;
  for (std::uint64_t t = 0; t < scenario_.work.tenants; ++t) {
    const std::string tenant = tenant_name(t);
    std::vector<ServedEvent> all;
    std::set<std::uint64_t> damaged;
    Read read;
    read.tenant = tenant;
    read.limit = 100;
    History::Mark mark;
    bool unreadable = false;
    while (true) {
      mark = history_.mark();
      const auto response = get(wait, client, target_of(read));
      if (wait.is_cancelled() || world_.failure()) return;
      const std::string code = response ? code_of(*response) : "";
      if (response && response->status == 200) {
        const auto page = parse_page(response->body);
        if (!page) {
          fail("a page that cannot be read: " + response->body);
          return;
        }
        for (const ServedEvent& event : page->events) {
          history_.observed(tenant, event, world_.now());
          all.push_back(event);
        }
        if (page->events.empty() || !page->next) break;
        read.from_place = page->next;
      } else if (code == "damaged" && rules_.allows(code)) {
        const auto json = scan_json(response->body);
        const auto position = (*json)["position"].number();
        if (position && read.from_place && *position < read.from_place->position) {
          // The index is lost and ends at the damage: nothing can be found, and nothing false is said.
          unreadable = true;
          break;
        }
        if (!position || damaged.contains(*position)) {
          fail("damage without a position: " + response->body);
          return;
        }
        damaged.insert(*position);
        read.from_place = Place{*position + 1, 0};
      } else if (code == "tenant_not_found" && t > 0) {
        break;
      } else if (response && code != "not_ready" && code != "overloaded" && !rules_.allows(code)) {
        fail("the audit of " + tenant + " was answered " + response->body);
        return;
      } else if (!wait.sleep(100ms)) {
        return;
      }
    }
    audited_events_ += all.size();
    if (!unreadable) history_.check_whole(tenant, all, damaged, mark);
  }
  ask_head(wait, client);
  audited_ = true;
}

}  // namespace verity::sim
