#include "tools/admin/api.h"

#include <nlohmann/json.hpp>

namespace verity::tools {

std::string tenant_path(std::string_view tenant) {
  return "/v1/tenants/" + percent_encode(tenant);
}

std::string stream_path(const StreamName& name) {
  return tenant_path(name.tenant) + "/streams/" + percent_encode(name.stream);
}

std::optional<HttpResponse> call(const Context& context, HttpClient& client, const HttpRequest& request) {
  auto response = client.send(request);
  if (!response) {
    print_unreachable(context, response.error());
    return std::nullopt;
  }
  if (!response->is_success()) {
    print_refusal(context, *response);
    return std::nullopt;
  }
  return *std::move(response);
}

void print_refusal(const Context& context, const HttpResponse& response) {
  const auto problem = nlohmann::json::parse(response.body, nullptr, false);
  const auto text_of = [&](const char* name) -> std::string {
    if (!problem.is_object()) return {};
    const auto member = problem.find(name);
    return member != problem.end() && member->is_string() ? member->get<std::string>() : std::string();
  };
  std::string code = text_of("code");
  std::string message = text_of("detail");
  if (code.empty()) code = "http_" + std::to_string(response.status);
  if (message.empty()) {
    message = "the server answered " + std::to_string(response.status);
    // Whoever answered is not a VerityDB; the beginning of what it said helps to tell who it is.
    if (!response.body.empty() && !problem.is_object()) message += ": " + response.body.substr(0, 200);
  }
  print_error(context.json, code, context.json ? message : code + ": " + message);
}

void print_unreachable(const Context& context, const Error& error) {
  std::string message = error.message;
  if (error.code == ErrorCode::refused) {
    message += "; is verity-server running? Another one is named by --server HOST:PORT or VERITY_SERVER";
  }
  print_error(context.json, describe(error.code), message);
}

}  // namespace verity::tools
