#include "sim/native_client.h"

#include "net/client/client.h"
#include "sim/append_request.h"

#include <memory>

namespace verity::sim {
namespace {

using node::Outcome;
using node::RefusalCode;

client::ClientOptions options_of(Client& client) {
  client::ClientOptions options;
  for (std::uint64_t node = 1; node <= client.crowd.scenario.nodes; ++node)
    options.nodes.push_back(client.crowd.scenario.address_of(node));
  Prng& prng = client.prng;
  const auto milliseconds = [&](std::uint64_t low, std::uint64_t high) {
    return std::chrono::milliseconds(prng.between(low, high));
  };
  options.request_timeout = milliseconds(20, 20'000);
  options.connect_timeout = milliseconds(50, 2'000);
  options.keep_alive_interval = milliseconds(20, 500);
  options.silence_timeout = options.keep_alive_interval * prng.between(2, 6);
  options.requests_max = prng.between(1, 40);
  return options;
}

node::Expectation to_expectation(const Expected& expected) {
  return {static_cast<node::Expectation::Kind>(expected.kind), Revision{expected.revision}};
}
static_assert(static_cast<int>(ExpectationKind::exact) == static_cast<int>(node::Expectation::Kind::exact) &&
              static_cast<int>(ExpectationKind::none) == static_cast<int>(node::Expectation::Kind::none) &&
              static_cast<int>(ExpectationKind::exists) == static_cast<int>(node::Expectation::Kind::exists));

node::AppendRequest to_request(const SentRequest& sent) {
  node::AppendRequest request{.tenant = sent.tenant, .streams = {}};
  for (const SentStream& stream : sent.streams) {
    node::StreamAppend& append = request.streams.emplace_back();
    append.stream = stream.stream;
    append.expected = to_expectation(stream.expected);
    for (const SentEvent& event : stream.events) {
      append.events.push_back({.type = event.type,
                               .data = event.data,
                               .metadata = event.metadata,
                               .id = event.id,
                               .subject = event.subject,
                               .subject_expected = to_expectation(event.subject_expected)});
    }
  }
  return request;
}

Ack to_ack(const node::AppendReceipt& receipt) {
  Ack ack{.position = receipt.position.value,
          .streams = {},
          .hash = receipt.hash.describe(),
          .replayed = receipt.replayed};
  for (const node::AppendedStream& stream : receipt.streams)
    ack.streams.push_back({stream.stream, stream.first_revision.value, stream.last_revision.value});
  return ack;
}

ServedEvent to_served(const node::EventView& event) {
  ServedEvent served{.stream = std::string(event.stream),
                     .revision = event.revision.value,
                     .place = {event.position.value, event.index},
                     .subject = std::string(event.subject),
                     .subject_revision = {},
                     .type = std::string(event.type),
                     .data = std::string(event.data),
                     .metadata = std::string(event.metadata),
                     .id = std::string(event.id)};
  if (!event.subject.empty()) served.subject_revision = event.subject_revision.value;
  return served;
}

// ---- appending

class NativeWriter {
 public:
  explicit NativeWriter(Client& client)
      : client_(client), native_(client.crowd.process.io_world(), options_of(client)) {}

  // A process of the client, from its start until it is stopped.
  void live(io::Wait& wait) {
    native_.start();
    const Instant until = client_.now() + client_.prng.exponential(3s);
    while (!client_.should_end(wait) && client_.now() < until) {
      if (!native_.until_room(wait)) break;
      submit();
      if (own_ && client_.prng.chance(1, 8)) read_own(wait);
      if (client_.prng.chance(1, 3)) continue;
      if (!wait.sleep(client_.prng.exponential(client_.plan.think))) break;
    }
    // What is under way is waited for, or not.
    while (under_way_ > 0 && !client_.should_end(wait) && client_.prng.chance(9, 10)) {
      if (!wait.sleep(50ms)) break;
    }
    io::Wait unconditional(wait.loop());
    native_.stop(unconditional);
  }

 private:
  void submit() {
    SentRequest sent = draw_request(client_);
    sent.idempotency_key.clear();
    sent.as_cloud_events = false;
    sent.in_session = true;
    const node::AppendRequest request = to_request(sent);
    const LastRevisions known = client_.history.last_revisions(sent);
    const History::Stand stand = client_.history.stand(sent.tenant);
    const std::uint64_t id = client_.history.sent(sent);
    ++client_.crowd.requests;
    ++under_way_;
    native_.submit(request, [this, id, known, stand](const Outcome<node::AppendReceipt>& outcome) {
      --under_way_;
      judge(id, known, stand, outcome);
    });
  }

  void judge(std::uint64_t id, const LastRevisions& known, const History::Stand& stand,
             const Outcome<node::AppendReceipt>& outcome) {
    History& history = client_.history;
    if (!history.holds(history.request(id).tenant, stand)) return;
    if (outcome) {
      own_ = Own{history.request(id).tenant, outcome->position, stand};
      return history.acked(id, to_ack(*outcome), client_.now());
    }
    const std::string code(node::describe(outcome.error().code));
    switch (outcome.error().code) {
      case RefusalCode::outcome_unknown:
        return;  // nowhere, or once
      case RefusalCode::request_given_up:
        return history.refused(id);
      case RefusalCode::expectation_failed: {
        std::vector<FailedExpectationSeen> failed;
        for (const node::FailedExpectation& one : outcome.error().failed_expectations) {
          failed.push_back({one.stream, one.subject, one.expected.describe(),
                            one.actual ? std::optional(one.actual->value) : std::nullopt});
        }
        return history.refused_expectations(id, failed, known);
      }
      default:
        if (!client_.is_excused(code))
          client_.fail("a native append was answered " + outcome.error().describe());
        history.refused(id);
    }
  }

  // What it was told of it sees at any node.
  void read_own(io::Wait& wait) {
    const Own own = *own_;
    node::ReadRequest request{.tenant = own.tenant,
                              .from = node::ReadFrom::at(node::EventToken{own.position, 0})};
    request.consistency = node::Consistency::stale;
    request.limit = 1;
    ++client_.crowd.requests;
    const auto page = native_.read(wait, request);
    if (!page || !client_.history.holds(own.tenant, own.stand)) return;
    if (page->events.empty() || page->events.front().position != own.position)
      client_.fail("a client does not see its own append at " + own.position.describe() + " any more");
  }

  // The latest append that was acknowledged.
  struct Own {
    std::string tenant;
    Position position;
    History::Stand stand;
  };

  Client& client_;
  client::Client native_;
  std::uint64_t under_way_ = 0;
  std::optional<Own> own_;
};

// ---- following

class NativeFollower {
 public:
  explicit NativeFollower(Client& client)
      : client_(client),
        native_(client.crowd.process.io_world(), options_of(client)),
        tenant_(client.draw_tenant()),
        stream_(client.prng.chance(1, 3) ? "" : client.draw_stream()) {}

  void follow(io::Wait& wait) {
    native_.start();
    while (!client_.should_end(wait)) {
      if (!client_.history.holds(tenant_, stand_)) begin_again();
      node::ReadRequest request{.tenant = tenant_, .stream = stream_, .from = from_};
      request.consistency = node::Consistency::stale;
      request.limit = static_cast<std::uint32_t>(client_.prng.between(1, 20));
      ++client_.crowd.requests;
      const auto page = native_.read(wait, request, 500ms);
      if (!client_.history.holds(tenant_, stand_)) {
        if (!wait.sleep(client_.prng.exponential(50ms))) break;
        continue;
      }
      if (page) {
        take(*page);
      } else {
        judge(page.error());
        if (!wait.sleep(50ms)) break;
      }
    }
    io::Wait unconditional(wait.loop());
    native_.stop(unconditional);
  }

 private:
  void begin_again() {
    stand_ = client_.history.stand(tenant_);
    from_ = {};
    last_.reset();
    has_seen_ = false;
  }

  void judge(const node::Refusal& refusal) {
    const std::string code(node::describe(refusal.code));
    // Once it has seen the tenant, no node answers that does not know of it.
    const bool lags = client_.is_of_cluster() && !has_seen_ && refusal.code == RefusalCode::tenant_not_found;
    if (!lags && !client_.is_excused(code)) client_.fail("a native read was answered " + refusal.describe());
  }

  void take(const node::EventPage& page) {
    has_seen_ = true;
    for (const node::EventView& event : page.events) {
      const ServedEvent served = to_served(event);
      client_.history.observed(tenant_, served, client_.now());
      if (last_ && served.place <= *last_)
        return client_.fail("a follower went from " + last_->describe() + " to " + served.place.describe());
      client_.history.check_nothing_left_out(tenant_, stream_, "", last_.value_or(Place{}), served.place, {},
                                             client_.history.mark());
      last_ = served.place;
    }
    if (page.next) from_ = *page.next;
  }

  Client& client_;
  client::Client native_;
  const std::string tenant_;
  const std::string stream_;  // or empty: the whole tenant
  node::ReadFrom from_{};
  std::optional<Place> last_;
  bool has_seen_ = false;
  History::Stand stand_{};
};

}  // namespace

void append_natively(io::Wait& wait, Client& client) {
  while (!client.should_end(wait)) {
    NativeWriter(client).live(wait);
    if (!wait.sleep(client.prng.exponential(100ms))) return;
  }
}

void follow_natively(io::Wait& wait, Client& client) {
  NativeFollower(client).follow(wait);
}

}  // namespace verity::sim
