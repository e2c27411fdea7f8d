#include "sim/auditor.h"

#include "sim/answers.h"
#include "sim/read_judge.h"
#include "sim/reader.h"

#include <set>
#include <vector>

namespace verity::sim {
namespace {

// True: the node says what it said before, at the same place.
bool is_served(io::Wait& wait, Client& client, const Read& read, const ServedEvent& event,
               std::optional<HttpResponse>& response) {
  response = client.get(wait, read.target());
  if (!response || response->status != 200) return false;
  const auto page = parse_page(response->body);
  return page && page->events.size() == 1 && page->events[0].place == event.place;
}

// An event that is served at its place is found by its revision as well, whatever has become of its neighbours.
void audit_by_revision(io::Wait& wait, Client& client, const std::string& tenant,
                       const std::vector<ServedEvent>& all, bool is_damaged) {
  if (all.empty()) return;
  const std::uint64_t samples = is_damaged ? 40 : 3;
  for (std::uint64_t i = 0; i < samples && !client.crowd.world.failure(); ++i) {
    const ServedEvent& event = all[client.prng.below(all.size())];
    Read read{.tenant = tenant, .stream = event.stream, .backward = client.prng.chance(1, 2), .limit = 1};
    read.from_revision = event.revision;
    std::optional<HttpResponse> by_revision;
    if (is_served(wait, client, read, event, by_revision)) continue;
    const bool is_refused = by_revision && code_of(*by_revision) == "damaged";
    if (!by_revision || (by_revision->status != 200 && !is_refused)) continue;  // others look after that
    read = Read{.tenant = tenant, .from_place = event.place, .limit = 1};
    std::optional<HttpResponse> by_place;
    if (!is_served(wait, client, read, event, by_place)) continue;  // it is damaged by now
    client.fail(tenant + "/" + event.stream + " at revision " + std::to_string(event.revision) +
                " is served at its place, and not by its revision: " + by_revision->body);
  }
}

bool audit_tenant(io::Wait& wait, Client& client, const std::string& tenant) {
  std::vector<ServedEvent> all;
  std::set<std::uint64_t> damaged;
  Read read;
  read.tenant = tenant;
  History::Mark mark;
  const History::Stand stand = client.history.stand(tenant);
  while (true) {
    mark = client.history.mark();
    const auto response = client.get(wait, read.target());
    if (wait.is_cancelled() || client.crowd.world.failure()) return false;
    const std::string code = response ? code_of(*response) : "";
    if (response && response->status == 200) {
      const auto page = parse_page(response->body);
      if (!page) {
        client.fail("a page that cannot be read: " + response->body);
        return false;
      }
      if (!client.history.holds(tenant, stand)) return true;  // nobody knows whether it is there
      for (const ServedEvent& event : page->events) {
        ++client.crowd.audited;
        client.history.observed(tenant, event, client.now());
        all.push_back(event);
      }
      if (page->events.empty() || !page->next) break;
      read.from_place = page->next;
    } else if (code == "damaged" && client.is_excused(code)) {
      const auto position = (*scan_json(response->body))["position"].number();
      // The index is lost and ends at the damage: nothing can be found, and nothing false is said.
      if (position && read.from_place && *position < read.from_place->position) return true;
      if (!position || damaged.contains(*position)) {
        client.fail("damage without a position: " + response->body);
        return false;
      }
      damaged.insert(*position);
      read.from_place = Place{*position + 1, 0};
    } else if (code == "tenant_not_found" && !client.history.holds(tenant, stand)) {
      return true;
    } else if (response && !client.is_excused(code)) {
      client.fail("the audit of " + tenant, *response);
      return false;
    } else if (!wait.sleep(100ms)) {
      return false;
    }
  }
  client.history.check_whole(tenant, all, damaged, mark);
  if (client.history.holds(tenant, stand)) audit_by_revision(wait, client, tenant, all, !damaged.empty());
  return true;
}

// What one node has of a tenant, as a subscription from the beginning tells it. It has all that is known.
bool audit_tenant_of_node(io::Wait& wait, Client& client, const std::string& tenant) {
  const auto last = client.history.last_place(tenant);
  if (!last) return true;
  const History::Mark mark = client.history.mark();
  while (!client.crowd.world.failure()) {
    std::vector<ServedEvent> all;
    const auto response = client.http.open_stream(
        wait, {"GET", "/v1/tenants/" + percent_encode(tenant) + "/subscribe", {}, ""});
    if (response && response->status != 200 && !client.is_excused(code_of(*response))) {
      client.fail("the audit of " + tenant + " at " + client.http.server().describe(), *response);
      return false;
    }
    while (response && response->status == 200) {
      const auto next = client.http.next_event(wait);
      if (!next || !*next) break;
      const auto json = scan_json((*next)->data);
      const auto event = json ? parse_event(*json) : std::nullopt;
      if (!event) break;
      ++client.crowd.audited;
      client.history.observed(tenant, *event, client.now());
      all.push_back(*event);
      if (event->place < *last) continue;
      client.http.close();
      client.history.check_whole(tenant, all, {}, mark);
      return true;
    }
    client.http.close();
    if (!wait.sleep(100ms)) return false;
  }
  return false;
}

}  // namespace

bool audit(io::Wait& wait, Client& client) {
  for (std::uint64_t i = 0; i < client.plan.tenants; ++i) {
    if (!audit_tenant(wait, client, Client::tenant_name(i))) return false;
  }
  for (std::uint64_t node = 1; client.is_of_cluster() && node <= client.crowd.scenario.nodes; ++node) {
    client.stay_at(node);
    for (std::uint64_t i = 0; i < client.plan.tenants; ++i) {
      if (!audit_tenant_of_node(wait, client, Client::tenant_name(i))) return false;
    }
    ask_head(wait, client);
  }
  ask_head(wait, client);
  return true;
}

}  // namespace verity::sim
