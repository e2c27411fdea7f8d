// What one node says of its cluster, and waiting until all of it is well.
#include "io/network.h"
#include "tools/admin/api.h"
#include "tools/admin/commands.h"

#include <nlohmann/json.hpp>

#include <array>
#include <chrono>
#include <cstdio>
#include <thread>

namespace verity::tools {
namespace {

using Json = nlohmann::ordered_json;
using SteadyClock = std::chrono::steady_clock;

constexpr auto poll_interval = std::chrono::milliseconds(200);
// What a node is behind while everything goes well is what is under way.
constexpr std::uint64_t healthy_lag_max = 1000;

// The member as text; empty if there is none, or none is known.
std::string text_of(const Json& object, const char* name) {
  const auto found = object.find(name);
  if (found == object.end() || found->is_null()) return {};
  return found->is_string() ? found->get<std::string>() : found->dump();
}

std::uint64_t number_of(const Json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_number_unsigned() ? found->get<std::uint64_t>() : 0;
}

const Json& peers_of(const Json& status) {
  static const Json none = Json::array();
  const auto cluster = status.find("cluster");
  if (cluster == status.end() || !cluster->is_object()) return none;
  const auto peers = cluster->find("peers");
  return peers != cluster->end() && peers->is_array() ? *peers : none;
}

// "12.3 GB"
std::string size_text(std::uint64_t bytes) {
  constexpr std::array units = {"B", "KB", "MB", "GB", "TB"};
  double size = static_cast<double>(bytes);
  std::size_t unit = 0;
  for (; size >= 1024 && unit + 1 < units.size(); ++unit) size /= 1024;
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), unit == 0 ? "%.0f %s" : "%.1f %s", size, units[unit]);
  return text.data();
}

// Nothing: the node that was asked does not know. A leader knows what was acknowledged just now; what a node has said of itself
// may be a second old.
std::optional<std::uint64_t> lag_of(std::uint64_t commit, const Json& of) {
  if (of.contains("lag")) return number_of(of, "lag");
  if (of.contains("applied_index")) return commit - std::min(commit, number_of(of, "applied_index"));
  return std::nullopt;
}

std::string lag_text(std::uint64_t commit, const Json& of) {
  const auto lag = lag_of(commit, of);
  return lag ? std::to_string(*lag) : std::string();
}

// Empty while there is nothing to say: all know one release, and it is active.
std::string release_line(const Json& status) {
  const std::uint64_t active = number_of(status, "active_release");
  std::uint64_t newest = number_of(status, "release");
  for (const Json& peer : peers_of(status)) newest = std::max(newest, number_of(peer, "release"));
  if (newest <= active) return {};
  const std::string obstacle = text_of(status, "release_obstacle");
  return "release " + std::to_string(active) + " is active" + (obstacle.empty() ? "" : ": " + obstacle) +
         "\n";
}

// The cluster port of the node that was asked, as of all others; one that is alone has none, and is shown as it was asked.
std::string address_of(const Context& context, const Json& status) {
  const auto cluster = status.find("cluster");
  const std::string address =
      cluster != status.end() && cluster->is_object() ? text_of(*cluster, "address") : std::string();
  auto parsed = io::Address::parse(address);
  if (!parsed) return context.server;
  // All interfaces: the one that was asked, then.
  const auto asked = io::Address::parse(context.server);
  if (asked && parsed->is_every_address()) parsed->host = asked->host;
  return parsed->describe();
}

enum class Rows : std::uint8_t { asked, all };

std::string table_of(const Context& context, const Json& status, Rows rows) {
  using Align = Table::Align;
  Table table({{"id", Align::right},
               {"address"},
               {"state"},
               {"view", Align::right},
               {"commit", Align::right},
               {"applied", Align::right},
               {"lag", Align::right},
               {"last_seen"},
               {"release", Align::right},
               {"disk_free", Align::right}});
  // The furthest that anybody has committed.
  std::uint64_t commit = number_of(status, "commit_index");
  for (const Json& peer : peers_of(status)) commit = std::max(commit, number_of(peer, "commit_index"));
  const auto add = [&](const Json& of, const std::string& id, std::string address, std::string last_seen) {
    table.add({id.empty() ? "?" : id, std::move(address), text_of(of, "state"), text_of(of, "view"),
               text_of(of, "commit_index"), text_of(of, "applied_index"), lag_text(commit, of),
               std::move(last_seen), text_of(of, "release"),
               of.contains("disk_free_bytes") ? size_text(number_of(of, "disk_free_bytes")) : std::string()});
  };
  add(status, text_of(status, "node_id"), address_of(context, status), "asked now");
  for (const Json& peer : rows == Rows::all ? peers_of(status) : Json::array()) {
    const std::string last_seen = text_of(peer, "last_seen");
    add(peer, text_of(peer, "id"), text_of(peer, "address"), last_seen.empty() ? "never" : last_seen);
  }
  return table.text() + release_line(status);
}

// Why the node that was asked is not ready; empty while it is.
std::string reason_line(const Json& status) {
  const std::string reason = text_of(status, "reason");
  return reason.empty() ? reason : "node " + text_of(status, "node_id") + " is not ready: " + reason + "\n";
}

// Why nodes cannot be reached, a line each; empty while all can.
std::string problem_lines(const Json& status) {
  std::string lines;
  for (const Json& peer : peers_of(status)) {
    const std::string problem = text_of(peer, "problem");
    if (peer.value("connected", true) || problem.empty()) continue;
    const std::string id = text_of(peer, "id");
    lines +=
        (id.empty() ? "the node" : "node " + id) + " at " + text_of(peer, "address") + ": " + problem + "\n";
  }
  return lines;
}

// "1, 2, 3"
std::string members_text(const Json& progress) {
  std::string text;
  for (const Json& id : progress["members"]) text += (text.empty() ? "" : ", ") + id.dump();
  return text;
}

// Why the cluster is not well, as the node with this status sees it; empty if it is.
std::string what_is_missing(const Json& status) {
  if (const std::string reason = text_of(status, "reason"); !reason.empty())
    return "node " + text_of(status, "node_id") + ": " + reason;
  if (const auto cluster = status.find("cluster"); cluster != status.end() && cluster->is_object()) {
    if (const std::string change = text_of(*cluster, "members_change"); !change.empty()) return change;
  }
  std::uint64_t commit = number_of(status, "commit_index");
  for (const Json& peer : peers_of(status)) commit = std::max(commit, number_of(peer, "commit_index"));
  for (const Json& peer : peers_of(status)) {
    const std::string id = text_of(peer, "id");
    const std::string who = (id.empty() ? "the node" : "node " + id) + " at " + text_of(peer, "address");
    const std::string state = text_of(peer, "state");
    if (state != "leader" && state != "follower")
      return who + " is " + (state == "learner" ? "a learner" : state);
    const std::uint64_t lag = lag_of(commit, peer).value_or(0);
    if (lag > healthy_lag_max) return who + " is " + std::to_string(lag) + " entries behind";
  }
  return {};
}

// What --force-recover has done to the node that was asked; empty: nothing.
std::string recovery_of(const Json& status) {
  std::string text;
  const auto recovered = status.find("force_recovered");
  if (recovered == status.end() || !recovered->contains("report")) return text;
  for (const Json& sentence : (*recovered)["report"]) text += sentence.get<std::string>() + "\n";
  return text;
}

// Nothing: what answers is no VerityDB.
std::optional<Json> status_in(const HttpResponse& response) {
  Json status = Json::parse(response.body, nullptr, false);
  if (response.is_success() && status.is_object() && status.contains("node_id")) return status;
  return std::nullopt;
}

int show_table(const Context& context, Rows rows) {
  HttpClient client(context.server);
  const auto response = call(context, client, {.path = "/status"});
  if (!response) return exit_failure;
  const auto status = status_in(*response);
  if (!status) {
    print_error(context.json, "invalid_answer",
                context.server + " did not answer as a node does; is it a verity-server?");
    return exit_failure;
  }
  print(context.json ? response->body
                     : table_of(context, *status, rows) + reason_line(*status) +
                           (rows == Rows::all ? problem_lines(*status) : "") + recovery_of(*status));
  return exit_fine;
}

}  // namespace

int show_cluster(const Context& context) {
  return show_table(context, Rows::all);
}

int show_node(const Context& context) {
  return show_table(context, Rows::asked);
}

int transfer_leader(const Context& context, std::optional<std::uint64_t> to) {
  HttpClient client(context.server);
  const std::string path = "/v1/cluster/transfer-leader" + (to ? "?to=" + std::to_string(*to) : "");
  const auto response = call(context, client, {.method = "POST", .path = path});
  if (!response) return exit_failure;
  const Json answer = Json::parse(response->body, nullptr, false);
  print(context.json || !answer.is_object() ? response->body
                                            : "node " + text_of(answer, "leader") + " leads\n");
  return exit_fine;
}

int activate_release(const Context& context) {
  HttpClient client(context.server);
  const auto response = call(context, client, {.method = "POST", .path = "/v1/cluster/activate-release"});
  if (!response) return exit_failure;
  const Json answer = Json::parse(response->body, nullptr, false);
  if (context.json || !answer.is_object()) {
    print(response->body);
    return exit_fine;
  }
  const std::string entry = text_of(answer, "activated_by");
  print("release " + text_of(answer, "active_release") + " is active" +
        (entry == "0" ? ", since the cluster was founded" : ", by entry " + entry) + "\n");
  return exit_fine;
}

int change_members(const Context& context, const std::vector<std::string>& add,
                   const std::vector<std::string>& remove, std::uint64_t timeout_seconds) {
  const auto list = [](const std::vector<std::string>& items) {
    std::string text;
    for (const std::string& item : items) text += (text.empty() ? "" : ",") + item;
    return text;
  };
  const std::string path = "/v1/cluster/members?" + (add.empty() ? std::string() : "add=" + list(add)) +
                           (remove.empty() ? std::string() : "remove=" + list(remove));
  const auto deadline = SteadyClock::now() + std::chrono::seconds(timeout_seconds);
  std::string told;
  while (true) {
    HttpClient client(context.server);
    const auto response = client.send({.method = "POST", .path = path, .timeout = 10s});
    std::string waits_for = response ? std::string() : response.error().message;
    if (response && !response->is_success()) {
      const Json problem = Json::parse(response->body, nullptr, false);
      // Whoever leads is about to change; anything else is for the operator.
      const bool passes = response->status == 503 || response->status == 429;
      if (!passes) {
        print_refusal(context, *response);
        return exit_failure;
      }
      waits_for = problem.is_object() ? text_of(problem, "detail") : response->body;
    } else if (response) {
      const Json progress = Json::parse(response->body, nullptr, false);
      if (!progress.is_object()) {
        print_error(context.json, "invalid_answer", context.server + " did not answer as a node does");
        return exit_failure;
      }
      if (progress.value("done", false)) {
        print(context.json ? response->body
                           : "done: the members are the nodes " + members_text(progress) + "\n");
        return exit_fine;
      }
      waits_for = text_of(progress, "waits_for");
    }
    if (!context.json && waits_for != told) print("waiting: " + waits_for + "\n");
    told = waits_for;
    if (SteadyClock::now() >= deadline) break;
    std::this_thread::sleep_for(poll_interval);
  }
  print_error(
      context.json, "timed_out",
      "not done within " + std::to_string(timeout_seconds) + " s: " + told + ". Repeat the command to go on");
  return exit_failure;
}

int wait_until_healthy(const Context& context, std::uint64_t timeout_seconds) {
  const auto began = SteadyClock::now();
  const auto deadline = began + std::chrono::seconds(timeout_seconds);
  std::string missing;
  while (true) {
    HttpClient client(context.server);
    const auto response = client.send({.path = "/status", .timeout = 5s});
    if (!response) {
      missing = response.error().message;
    } else if (const auto status = status_in(*response)) {
      const std::string now = what_is_missing(*status);
      if (now.empty()) {
        const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(SteadyClock::now() - began);
        print(
            context.json
                ? Json{{"healthy", true}, {"leader", (*status)["leader"]}, {"took_ms", took.count()}}.dump() +
                      "\n"
                : "healthy: node " + text_of(*status, "leader") + " leads, all " +
                      std::to_string(peers_of(*status).size() + 1) + " nodes are there\n");
        return exit_fine;
      }
      if (!context.json && now != missing) print("waiting: " + now + "\n");
      missing = now;
    } else {
      missing = context.server + " did not answer as a node does";
    }
    if (SteadyClock::now() >= deadline) break;
    std::this_thread::sleep_for(poll_interval);
  }
  print_error(context.json, "timed_out",
              "not healthy within " + std::to_string(timeout_seconds) + " s: " + missing);
  return exit_failure;
}

}  // namespace verity::tools
