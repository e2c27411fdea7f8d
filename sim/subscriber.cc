#include "sim/subscriber.h"

#include "sim/answers.h"

namespace verity::sim {
namespace {

class Subscriber {
 public:
  explicit Subscriber(Client& client)
      : client_(client),
        tenant_(client.draw_tenant()),
        stream_(client.prng.chance(1, 3) ? "" : client.draw_stream()),
        stand_(client.history.stand(tenant_)) {}

  void run(io::Wait& wait) {
    while (!client_.should_end(wait) && come(wait)) {
    }
  }

 private:
  // One visit. False: there is no other.
  bool come(io::Wait& wait) {
    if (!holds()) {
      // The tenant is another one, or what it followed was cut off with the end of an asynchronous log: it begins again.
      stand_ = client_.history.stand(tenant_);
      last_.reset();
      next_revision_ = 0;
    }
    HttpRequest request;
    request.target = "/v1/tenants/" + percent_encode(tenant_) +
                     (stream_.empty() ? "" : "/streams/" + percent_encode(stream_)) + "/subscribe";
    if (last_) request.headers.emplace_back("Last-Event-ID", last_->describe());
    ++client_.crowd.requests;
    io::Wait soon = wait.within(client_.patience());
    const auto response = client_.http.open_stream(soon, request);
    if (!response || response->status != 200) {
      if (response) judge_refusal(*response);
      client_.go_elsewhere();
      return wait.sleep(50ms + client_.prng.exponential(100ms)).has_value();
    }
    const Instant leave_at = client_.now() + client_.prng.exponential(2s);
    bool stays = true;
    while (stays && !client_.should_end(wait) && holds() && client_.now() < leave_at) {
      io::Wait listening = wait.within(500ms);
      const auto next = client_.http.next_event(listening);
      if (!next || !*next || (*next)->type == "error") {
        if (next && *next) judge_end(**next);
        break;
      }
      if (!judge_event(**next)) return false;
      // Slow now and then.
      if (client_.prng.chance(1, 20)) stays = wait.sleep(client_.prng.exponential(100ms)).has_value();
    }
    client_.http.close();
    client_.go_elsewhere();
    // Nothing to follow while nobody knows whether the tenant is there.
    if (!holds()) stays = stays && wait.sleep(client_.prng.exponential(50ms)).has_value();
    return stays;
  }

  bool holds() const { return client_.history.holds(tenant_, stand_); }

  bool may_be_refused(std::string_view code) const {
    return client_.is_excused(code) ||
           (!holds() && (code == "tenant_not_found" || code == "stream_not_found"));
  }

  void judge_refusal(const HttpResponse& response) {
    const std::string code = code_of(response);
    if (may_be_refused(code) || (code == "stream_not_found" && !last_)) return;
    if (client_.is_of_cluster() && code == "tenant_not_found") return;  // a node may lag behind
    client_.fail("a subscription", response);
  }

  // An event may be of type "error" too; it has no code.
  void judge_end(const ServerEvent& told) {
    if (!may_be_refused(code_in(told.data))) client_.fail("a subscription ended with " + told.data);
  }

  // False: it makes no sense to listen on.
  bool judge_event(const ServerEvent& told) {
    const auto json = scan_json(told.data);
    const auto event = json ? parse_event(*json) : std::nullopt;
    if (!event || told.id != event->place.describe() || told.type != event->type) {
      client_.fail("a subscription told of something that is no event: " + told.data);
      return false;
    }
    if (!holds()) return true;
    client_.history.observed(tenant_, *event, client_.now());
    if (last_ && event->place <= *last_) {
      client_.fail("a subscription went from " + last_->describe() + " to " + event->place.describe());
      return false;
    }
    if (!stream_.empty() && event->revision != next_revision_) {
      client_.fail("a subscription to " + stream_ + " went on with revision " +
                   std::to_string(event->revision) + " instead of " + std::to_string(next_revision_));
      return false;
    }
    client_.history.check_nothing_left_out(tenant_, stream_, "", last_.value_or(Place{}), event->place, {},
                                           client_.history.mark());
    last_ = event->place;
    next_revision_ = event->revision + 1;
    return true;
  }

  Client& client_;
  const std::string tenant_;
  const std::string stream_;  // or empty: the whole tenant
  std::optional<Place> last_;
  std::uint64_t next_revision_ = 0;
  History::Stand stand_;
};

}  // namespace

void follow(io::Wait& wait, Client& client) {
  Subscriber(client).run(wait);
}

}  // namespace verity::sim
