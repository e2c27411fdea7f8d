#include "sim/reader.h"

#include "sim/answers.h"
#include "sim/read_judge.h"

#include <array>
#include <string_view>

namespace verity::sim {

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

  const ReadFloor floor{client.history.last_position(), last};
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
    judge_page(client.history, read, *page, floor, client.now(),
               [&](const std::string& what) { client.fail(what); });
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
