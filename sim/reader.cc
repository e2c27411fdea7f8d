#include "sim/reader.h"

#include <array>
#include <set>
#include <string_view>

namespace verity::sim {

std::string Read::target() const {
  std::string target = "/v1/tenants/" + percent_encode(tenant);
  if (!stream.empty()) target += "/streams/" + percent_encode(stream);
  target += "/events?limit=" + std::to_string(limit);
  if (backward) target += "&direction=backward";
  if (from_revision) target += "&from=" + std::to_string(*from_revision);
  if (from_place) target += "&from=" + from_place->describe();
  if (from_end) target += "&from=end";
  if (!subject.empty()) target += "&subject=" + percent_encode(subject);
  if (wait > Duration::zero())
    target += "&wait=" + std::to_string(static_cast<std::uint64_t>(wait / 1ms)) + "ms";
  return target;
}

namespace {

// What was known when a read was sent.
struct Known {
  explicit Known(const History& history) : mark(history.mark()), position(history.last_position()) {}

  const History::Mark mark;
  const std::uint64_t position;
  std::optional<std::uint64_t> revision;  // of the stream, if one is read
};

void judge(Client& client, const Read& read, const Page& page, const Known& known) {
  const std::string what = "a read of " + read.target();
  if (page.head < known.position) {
    client.fail(what + " has head " + std::to_string(page.head) + " although position " +
                std::to_string(known.position) + " was known before");
  }
  if (page.events.size() > read.limit)
    client.fail(what + " has " + std::to_string(page.events.size()) + " events");
  std::set<Place> served;
  const ServedEvent* previous = nullptr;
  for (const ServedEvent& event : page.events) {
    client.history.observed(read.tenant, event, client.now());
    if (!read.stream.empty() && event.stream != read.stream)
      client.fail(what + " has an event of " + event.stream);
    if (!read.subject.empty() && event.subject != read.subject)
      client.fail(what + " has an event of subject " + event.subject);
    if (previous != nullptr) {
      const bool in_order = read.backward ? event.place < previous->place : event.place > previous->place;
      if (!in_order)
        client.fail(what + " has " + event.place.describe() + " after " + previous->place.describe());
      if (!read.stream.empty() && read.subject.empty()) {
        const bool next = read.backward ? event.revision + 1 == previous->revision
                                        : event.revision == previous->revision + 1;
        if (!next)
          client.fail(what + " goes from revision " + std::to_string(previous->revision) + " to " +
                      std::to_string(event.revision));
      }
    }
    served.insert(event.place);
    previous = &event;
  }
  if (read.from_revision) {
    if (known.revision && *read.from_revision <= *known.revision) {
      if (page.events.empty() || page.events.front().revision != *read.from_revision) {
        client.fail(what + " does not begin where it was asked to");
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
    client.history.check_nothing_left_out(read.tenant, read.stream, read.subject, first, last, served,
                                          known.mark);
  } else if (!read.backward && !read.from_revision && !read.from_place && page.next &&
             *page.next > Place{known.position, 0}) {
    client.history.check_nothing_left_out(read.tenant, read.stream, read.subject, first, last, served,
                                          known.mark);
  }
}

}  // namespace

void read_events(io::Wait& wait, Client& client) {
  Prng& prng = client.prng;
  Read read;
  read.tenant = client.draw_tenant();
  if (prng.chance(2, 3)) read.stream = client.draw_stream();
  if (!read.stream.empty() && prng.chance(1, 5)) read.subject = client.draw_subject();
  read.backward = prng.chance(1, 3);
  read.limit = prng.chance(1, 4) ? 1 : prng.between(1, 60);
  const auto last =
      read.stream.empty() ? std::nullopt : client.history.last_revision(read.tenant, read.stream);
  if (read.subject.empty() && last && prng.chance(1, 2)) {
    read.from_revision = prng.chance(1, 8) ? *last + prng.between(1, 3) : prng.between(0, *last);
  } else if (client.history.last_position() > 0 && prng.chance(1, 2)) {
    read.from_place = Place{prng.between(1, client.history.last_position()), prng.below(3)};
  } else {
    read.from_end = read.backward;
  }
  if (!read.backward && prng.chance(1, 8)) read.wait = std::chrono::milliseconds(prng.between(1, 2000));

  Known known(client.history);
  known.revision = last;
  const History::Stand stand = client.history.stand(read.tenant);
  const auto response = client.get(wait, read.target());
  if (!response) return;
  const std::string code = code_of(*response);
  if (!client.history.holds(read.tenant, stand)) {
    // It may be another tenant, or a log whose end was cut: there is nothing to compare it with.
    const bool is_fine = response->status == 200 || code == "tenant_not_found" || code == "stream_not_found";
    if (!is_fine && !client.is_excused(code)) client.fail("a read of " + read.target(), *response);
  } else if (response->status == 200) {
    const auto page = parse_page(response->body);
    if (!page) {
      client.fail("a page that cannot be read: " + response->body);
      return;
    }
    judge(client, read, *page, known);
  } else if (code == "stream_not_found") {
    if (last) client.fail(read.tenant + "/" + read.stream + " was known and is not found");
  } else if (!client.is_excused(code)) {
    client.fail("a read of " + read.target(), *response);
  }
}

void ask_head(io::Wait& wait, Client& client) {
  const std::uint64_t before = client.history.last_position();
  const std::uint64_t epoch = client.history.epoch();
  const auto response = client.get(wait, "/v1/head");
  if (!response || client.history.epoch() != epoch) return;
  if (response->status != 200) {
    const std::string code = code_of(*response);
    if (!client.is_excused(code)) client.fail("the head", *response);
    return;
  }
  const auto json = scan_json(response->body);
  const JsonValue head = json.value_or(JsonValue{});
  const std::uint64_t position = head["position"].number().value_or(0);
  const std::string hash = head["hash"].string().value_or("");
  const std::string root = head["tree_root"].string().value_or("");
  if (position == 0 || hash.empty() || root.empty()) {
    client.fail("a head that cannot be read: " + response->body);
  } else if (position < before && !client.is_of_cluster()) {  // a node may lag behind
    client.fail("the head is at " + std::to_string(position) + " although position " +
                std::to_string(before) + " was known before");
  } else {
    client.history.observed_hash(position, hash, root, client.now());
  }
}

void ask_status(io::Wait& wait, Client& client) {
  constexpr std::array<std::string_view, 4> targets{"/status", "/health/live", "/health/ready", "/metrics"};
  const std::string_view target = targets[client.prng.below(targets.size())];
  const auto response = client.get(wait, std::string(target));
  if (!response) return;
  const bool fine = response->status == 200 || (response->status == 503 && target == "/health/ready");
  if (!fine) client.fail(std::string(target), *response);
}

}  // namespace verity::sim
