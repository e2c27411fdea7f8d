#include "sim/stopwatch.h"

#include "sim/append_request.h"
#include "sim/writer.h"

#include <algorithm>
#include <cstdio>

namespace verity::sim {
namespace {

constexpr int attempts_max = 100;

std::string milliseconds(Duration time) {
  char text[40];
  std::snprintf(text, sizeof(text), "%.3f ms", std::chrono::duration<double, std::milli>(time).count());
  return text;
}

}  // namespace

Latencies Latencies::of(std::vector<Duration> taken) {
  if (taken.empty()) return {};
  std::sort(taken.begin(), taken.end());
  const auto at = [&](std::size_t of_100) { return taken[(taken.size() - 1) * of_100 / 100]; };
  return {taken.size(), at(50), at(99), taken.back()};
}

std::string Latencies::describe() const {
  return "p50 " + milliseconds(p50) + ", p99 " + milliseconds(p99) + ", max " + milliseconds(max) + " of " +
         std::to_string(count);
}

void append_on_time(io::Wait& wait, Client& client, std::uint64_t node, Duration interval,
                    std::vector<TimedAppend>& log) {
  client.stay_at(node);
  client.http.send_at_once();
  Writer writer(client, Writer::Temper::patient);
  Instant due = client.now() + Duration(client.prng.below(static_cast<std::uint64_t>(interval.count())));
  while (!client.should_end(wait)) {
    if (due > client.now() && !wait.sleep(due - client.now())) return;
    const std::size_t entry = log.size();
    log.push_back({client.number, node, due, {}});
    SentRequest request;
    request.tenant = "default";
    request.streams.push_back({client.draw_stream(), {}, {draw_event(client)}});
    request.idempotency_key = "timed-" + std::to_string(++client.crowd.key_sequence);
    const HttpRequest http = to_http(client, request);
    const std::uint64_t id = client.history.sent(std::move(request));
    if (writer.carry_out(wait, id, http, attempts_max)) log[entry].took = client.now() - due;
    due = due + interval;
  }
}

}  // namespace verity::sim
