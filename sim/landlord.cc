#include "sim/landlord.h"

#include "sim/answers.h"

namespace verity::sim {
namespace {

// Bytes of a request without an answer may be late; after this they have come or never will.
constexpr Duration until_all_came = 15s;

class Landlord {
 public:
  Landlord(io::Wait& wait, Client& client) : wait_(wait), client_(client) {}

  void run() {
    while (!client_.should_end(wait_)) {
      bool is_whole = true;
      for (std::uint64_t i = 1; i < client_.plan.tenants; ++i) {
        const std::string tenant = Client::tenant_name(i);
        if (!client_.history.stand(tenant).is_settled) is_whole = create(tenant) && is_whole;
      }
      const Duration pause =
          is_whole ? client_.prng.exponential(client_.lets_a_tenant_go() ? client_.plan.tenant_lifetime : 1s)
                   : 100ms;
      if (!wait_.sleep(pause) || client_.should_end(wait_)) return;
      if (is_whole && client_.lets_a_tenant_go()) remove(Client::tenant_name(client_.plan.tenants - 1));
    }
  }

 private:
  // Nothing if there is none; the request may be under way then, and one waits until it has arrived.
  std::optional<HttpResponse> change(const std::string& method, const std::string& tenant) {
    auto response = client_.ask(wait_, {method, "/v1/tenants/" + tenant, {}, ""});
    if (!response && !client_.http.nothing_sent())
      ignore(wait_.sleep(until_all_came), "the next request notices");
    return response;
  }

  // False: not now.
  bool create(const std::string& tenant) {
    const std::uint64_t epoch = client_.history.epoch();
    auto response = change("PUT", tenant);
    if (!response) return false;
    if (response->status == 409) {
      // By a request whose answer was lost.
      response = client_.get(wait_, "/v1/tenants/" + tenant);
      if (!response) return false;
    }
    if (client_.history.epoch() != epoch) return false;
    const JsonValue json = scan_json(response->body).value_or(JsonValue{});
    const auto position = json["created_position"].number();
    if (response->status / 100 == 2 && position && json["name"].string() == tenant) {
      client_.history.tenant_began(tenant, *position);
      return true;
    }
    if (!is_excused(*response)) client_.fail("the creation of " + tenant, *response);
    return false;
  }

  void remove(const std::string& tenant) {
    client_.history.tenant_changes(tenant);
    while (!client_.should_end(wait_)) {
      const std::uint64_t epoch = client_.history.epoch();
      const auto response = change("DELETE", tenant);
      if (response && response->status == 200) {
        if (client_.history.epoch() == epoch) check_nothing_is_left(tenant);
        return;
      }
      // By a request whose answer was lost.
      if (response && code_of(*response) == "tenant_not_found") return;
      if (response && !is_excused(*response)) client_.fail("the deletion of " + tenant, *response);
      if (!wait_.sleep(100ms)) return;
    }
  }

  // Until it is created again.
  void check_nothing_is_left(const std::string& tenant) {
    const std::uint64_t epoch = client_.history.epoch();
    const std::string all = "/v1/tenants/" + tenant;
    const std::string some = all + "/streams/" + percent_encode(client_.draw_stream());
    for (const std::string& target : {all, all + "/events", some + "/events", some + "/subscribe"}) {
      const auto response = client_.get(wait_, target);
      if (!response || client_.history.epoch() != epoch) return;
      const std::string code = code_of(*response);
      if (code != "tenant_not_found" && !client_.is_excused(code))
        client_.fail(target + " of a tenant that was deleted", *response);
    }
  }

  bool is_excused(const HttpResponse& response) const {
    const std::string code = code_of(response);
    return code == "outcome_unknown" || code == "tenant_not_found" || client_.is_excused(code);
  }

  io::Wait& wait_;
  Client& client_;
};

}  // namespace

void keep_tenants(io::Wait& wait, Client& client) {
  Landlord(wait, client).run();
}

}  // namespace verity::sim
