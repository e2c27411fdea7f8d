// The commands that ask the server one question and print the answer.
#include "tools/admin/api.h"
#include "tools/admin/commands.h"

#include <nlohmann/json.hpp>

namespace verity::tools {
namespace {

using Json = nlohmann::ordered_json;

std::string scalar_text(const Json& value) {
  return value.is_string() ? value.get<std::string>() : value.dump();
}

// One `key: value` a line; members of members as `outer.inner`, lists with their index, empty ones as "none".
void flatten(const std::string& key, const Json& value, std::string& out) {
  if (value.is_structured() && value.empty()) {
    out += key + ": none\n";
  } else if (value.is_object()) {
    for (const auto& [name, inner] : value.items())
      flatten(key.empty() ? name : key + "." + name, inner, out);
  } else if (value.is_array()) {
    for (std::size_t i = 0; i < value.size(); ++i)
      flatten(key + "[" + std::to_string(i) + "]", value[i], out);
  } else {
    out += key + ": " + scalar_text(value) + "\n";
  }
}

// The answer as JSON; an answer that is not JSON does not come from a VerityDB.
std::optional<Json> parsed(const Context& context, const HttpResponse& response) {
  Json json = Json::parse(response.body, nullptr, false);
  if (!json.is_discarded()) return json;
  print_error(context.json, "invalid_answer",
              context.server +
                  " answered with something that is not JSON; is it a "
                  "verity-server?");
  return std::nullopt;
}

int show_flat(const Context& context, const std::string& path) {
  HttpClient client(context.server);
  const auto response = call(context, client, {.path = path});
  if (!response) return exit_failure;
  if (context.json) {
    print(response->body + (response->body.ends_with('\n') ? "" : "\n"));
    return exit_fine;
  }
  const auto json = parsed(context, *response);
  if (!json) return exit_failure;
  std::string text;
  flatten("", *json, text);
  print(text);
  return exit_fine;
}

std::string member(const Json& object, const char* name) {
  const auto found = object.find(name);
  return found == object.end() ? std::string() : scalar_text(*found);
}

}  // namespace

int show_status(const Context& context) {
  return show_flat(context, "/status");
}
int show_head(const Context& context) {
  return show_flat(context, "/v1/head");
}

int show_metrics(const Context& context) {
  HttpClient client(context.server);
  const auto response = call(context, client, {.path = "/metrics"});
  if (!response) return exit_failure;
  if (!context.json) {
    print(response->body);
    return exit_fine;
  }
  // Every sample by its name and labels.
  Json samples = Json::object();
  std::string_view rest = response->body;
  while (!rest.empty()) {
    const auto end = std::min(rest.find('\n'), rest.size());
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    const auto space = line.rfind(' ');
    if (line.empty() || line.front() == '#' || space == std::string_view::npos) continue;
    const Json number = Json::parse(line.substr(space + 1), nullptr, false);
    samples[std::string(line.substr(0, space))] =
        number.is_number() ? number : Json(std::string(line.substr(space + 1)));  // NaN, +Inf
  }
  print(samples.dump(2) + "\n");
  return exit_fine;
}

int create_tenant(const Context& context, const std::string& name) {
  HttpClient client(context.server);
  const auto response = call(context, client, {.method = "PUT", .path = tenant_path(name)});
  if (!response) return exit_failure;
  print(context.json ? response->body + "\n" : "tenant " + name + " created\n");
  return exit_fine;
}

int delete_tenant(const Context& context, const std::string& name) {
  HttpClient client(context.server);
  const auto response = call(context, client, {.method = "DELETE", .path = tenant_path(name)});
  if (!response) return exit_failure;
  print(context.json ? response->body + "\n" : "tenant " + name + " deleted\n");
  return exit_fine;
}

int list_tenants(const Context& context) {
  HttpClient client(context.server);
  const auto response = call(context, client, {.path = "/v1/tenants"});
  if (!response) return exit_failure;
  if (context.json) {
    print(response->body + "\n");
    return exit_fine;
  }
  const auto json = parsed(context, *response);
  if (!json) return exit_failure;
  Table table({{"id", Table::Align::right},
               {"name"},
               {"streams", Table::Align::right},
               {"events", Table::Align::right},
               {"created_at"}});
  const auto tenants = json->find("tenants");
  if (tenants != json->end() && tenants->is_array()) {
    for (const Json& tenant : *tenants) {
      table.add({member(tenant, "id"), member(tenant, "name"), member(tenant, "streams"),
                 member(tenant, "events"), member(tenant, "created_at")});
    }
  }
  print(table.text());
  return exit_fine;
}

}  // namespace verity::tools
