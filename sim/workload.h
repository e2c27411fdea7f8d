// The clients of a run: fibers that append, read, repeat, follow and talk nonsense over HTTP, each irregular in
// its own way, and tell the history what they were told. At the end an auditor reads everything back.
#pragma once

#include "io/base/prng.h"
#include "io/fiber/wait.h"
#include "sim/history.h"
#include "sim/http_client.h"
#include "sim/json_scan.h"
#include "sim/process.h"
#include "sim/scenario.h"

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace verity::sim {

class Workload {
 public:
  // What may be answered now, beyond success: the run knows which faults are about.
  struct Rules {
    std::function<bool(std::string_view code)> allows;
  };

  Workload(World& world, History& history, const Scenario& scenario, Rules rules);
  ~Workload();

  void start();
  // Clients finish what they are at and end.
  void wind_down() { winding_down_ = true; }
  bool is_finished() const { return process_.is_finished(); }
  // Ends clients that are still waiting; only after wind_down().
  void cut() { process_.ask_to_end(); }
  // Of a run that has failed: ends them whatever they are at.
  void abandon() {
    process_.crash("the run is over");
    process_.drain();
  }

  // Starts a fiber that reads everything back and checks it; ends with is_audited().
  void start_audit();
  bool is_audited() const { return audited_; }
  std::uint64_t audited_events() const { return audited_events_; }

  std::uint64_t requests() const { return requests_; }
  // One append that must succeed; for liveness.
  void start_probe(std::function<void()> done);

 private:
  struct Client {
    std::uint64_t number;
    Prng prng;
    HttpClient http;
    // Recent requests with keys that were acknowledged, for repetition.
    std::vector<std::pair<std::uint64_t, HttpRequest>> repeatable;
  };
  struct Read {
    std::string tenant;
    std::string stream;   // or empty
    std::string subject;  // or empty
    bool backward = false;
    std::optional<std::uint64_t> from_revision;
    std::optional<Place> from_place;
    bool from_end = false;
    std::uint64_t limit = 100;
    Duration wait{};
  };
  struct Page {
    std::vector<ServedEvent> events;
    std::optional<Place> next;
    std::uint64_t head = 0;
  };

  Client make_client(std::string_view name, std::uint64_t number);
  void run_client(io::Wait& wait, Client& client);
  void run_subscriber(io::Wait& wait, Client& client);
  void append(io::Wait& wait, Client& client);
  void repeat(io::Wait& wait, Client& client);
  void conflict(io::Wait& wait, Client& client);
  void read(io::Wait& wait, Client& client);
  void ask_head(io::Wait& wait, Client& client);
  void ask_status(io::Wait& wait, Client& client);
  void talk_nonsense(io::Wait& wait, Client& client);
  void audit(io::Wait& wait, Client& client);

  SentRequest draw_request(Client& client);
  SentEvent draw_event(Client& client);
  HttpRequest to_http(Client& client, const SentRequest& request);
  // Sends until the outcome is known or it gives up; true when acknowledged.
  bool carry_out(io::Wait& wait, Client& client, std::uint64_t id, const HttpRequest& http, int attempts_max);
  std::optional<Ack> parse_ack(const SentRequest& sent, const HttpResponse& response);
  void judge_read(const Read& read, const Page& page, History::Mark mark, std::uint64_t position_before,
                  std::optional<std::uint64_t> revision_before);
  std::optional<HttpResponse> get(io::Wait& wait, Client& client, const std::string& target);
  std::optional<Page> parse_page(const std::string& body);
  std::optional<ServedEvent> parse_event(JsonValue json);
  static std::string target_of(const Read& read);
  std::string tenant_name(std::uint64_t number) const;
  std::string stream_name(std::uint64_t number) const;
  void fail(const std::string& what);
  bool should_end(io::Wait& wait) const { return winding_down_ || world_.failure() || wait.is_cancelled(); }

  World& world_;
  History& history_;
  const Scenario scenario_;
  const Rules rules_;
  Prng prng_;
  Process process_;
  bool winding_down_ = false;
  bool audited_ = false;
  std::uint64_t audited_events_ = 0;
  std::uint64_t requests_ = 0;
  std::uint64_t event_sequence_ = 0;
  std::uint64_t key_sequence_ = 0;
};

}  // namespace verity::sim
