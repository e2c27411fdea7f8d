// Requests to the server's HTTP API, and how their failures are reported.
#pragma once

#include "tools/admin/commands.h"
#include "tools/admin/http_client.h"

#include <optional>
#include <string>
#include <string_view>

namespace verity::tools {

// "/v1/tenants/acme/streams/ward%207"
std::string tenant_path(std::string_view tenant);
std::string stream_path(const StreamName& name);

// The successful answer; else the failure has been printed.
std::optional<HttpResponse> call(const Context& context, HttpClient& client, const HttpRequest& request);

// Prints why the server did not do it. `response` is not a success.
void print_refusal(const Context& context, const HttpResponse& response);
// Prints that no answer came; names the server and how to choose another.
void print_unreachable(const Context& context, const Error& error);

}  // namespace verity::tools
