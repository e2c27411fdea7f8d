#include "net/server/api.h"

#include "engine/crypto/sha256.h"
#include "engine/node/node.h"
#include "io/fiber/wait.h"
#include "net/http/answer_json.h"
#include "net/http/append_body.h"
#include "net/http/cluster_parameters.h"
#include "net/http/event_fields.h"
#include "net/http/problem.h"
#include "net/http/proof_parameters.h"
#include "net/http/read_parameters.h"
#include "net/http/target.h"
#include "net/server/context.h"
#include "net/server/metrics.h"
#include "net/server/status.h"
#include "net/server/subscription.h"

#include <algorithm>
#include <array>
#include <span>

namespace verity::server {

namespace {

using http::Header;
using http::Method;
using http::Problem;
using http::ReadScope;

// One request on its way through a handler.
struct Exchange {
  io::Wait& wait;
  Context& context;
  const http::Request& request;
  const http::Target& target;
  http::Response& response;

  void refuse(const Problem& problem) const { http::answer(response, problem); }
  void refuse(node::Refusal refusal) const { http::answer(response, http::to_problem(std::move(refusal))); }
};

// False: it has been refused.
bool may_read(const Exchange& exchange) {
  const auto consistency = http::parse_consistency(exchange.target);
  if (!consistency) {
    exchange.refuse(consistency.error());
    return false;
  }
  auto refusal = exchange.context.node().await_read(exchange.wait, *consistency);
  if (refusal) exchange.refuse(std::move(*refusal));
  return !refusal;
}

using Handler = void (*)(const Exchange&);

// Of a route, besides the only one that it takes.
constexpr std::string_view no_parameters;
constexpr std::string_view checked_by_handler = "*";
// Whoever probes and scrapes may have added something for proxies.
constexpr std::string_view any_parameters = "*";

struct Route {
  std::string_view pattern;  // "*" stands for any one segment
  Method method;
  Handler handler;
  std::string_view parameters = no_parameters;
  bool needs_node = true;  // false: answered while the node is still starting
};

// ---- tenants

constexpr std::size_t tenant_segment = 2;  // of /v1/tenants/{t}/streams/{s}/…
constexpr std::size_t stream_segment = 4;

void answer_tenant(const Exchange& exchange, const node::Outcome<node::TenantInfo>& outcome, int status) {
  if (!outcome) return exchange.refuse(outcome.error());
  exchange.response.status = status;
  http::append_tenant(exchange.response.body, *outcome);
  exchange.response.body += '\n';
}

void put_tenant(const Exchange& exchange) {
  const std::string_view name = exchange.target.segments[tenant_segment];
  if (!exchange.request.body.empty()) {
    return exchange.refuse(http::invalid_request("the body has " +
                                                 std::to_string(exchange.request.body.size()) +
                                                 " bytes; allowed: none, a tenant has nothing to be set"));
  }
  answer_tenant(exchange, exchange.context.node().create_tenant(exchange.wait, name), 201);
}

void get_tenant(const Exchange& exchange) {
  if (!may_read(exchange)) return;
  answer_tenant(exchange, exchange.context.node().find_tenant(exchange.target.segments[tenant_segment]), 200);
}

void delete_tenant(const Exchange& exchange) {
  const std::string_view name = exchange.target.segments[tenant_segment];
  answer_tenant(exchange, exchange.context.node().delete_tenant(exchange.wait, name), 200);
}

void list_tenants(const Exchange& exchange) {
  if (!may_read(exchange)) return;
  std::string& out = exchange.response.body;
  out += "{\"tenants\":[";
  bool is_first = true;
  for (const node::TenantInfo& tenant : exchange.context.node().tenants()) {
    if (!is_first) out += ",\n";
    is_first = false;
    http::append_tenant(out, tenant);
  }
  out += "]}\n";
}

// ---- append

std::optional<Problem> check_idempotency_key(std::string_view key) {
  const bool is_printable = std::ranges::all_of(key, [](char c) { return c > ' ' && c < 127; });
  if (!key.empty() && key.size() <= 255 && is_printable) return std::nullopt;
  return http::invalid_request("the header Idempotency-Key is \"" + http::excerpt(key) + "\" of " +
                               std::to_string(key.size()) +
                               " bytes; allowed: 1 to 255 visible ASCII characters");
}

// Fills in the key of `append`. Two requests are the same if path, format, expectation and body are.
std::optional<Problem> read_idempotency(const Exchange& exchange, std::string_view format,
                                        node::AppendRequest& append) {
  const auto key = exchange.request.header(Header::idempotency_key);
  if (!key) return std::nullopt;
  if (auto problem = check_idempotency_key(*key)) return problem;
  std::string place;
  for (const std::string& segment : exchange.target.segments) {
    place += segment;
    place += '\0';
  }
  place += format;
  place += '\0';
  place += exchange.request.header(Header::expected_revision).value_or("any");
  place += '\0';
  append.idempotency = node::IdempotencyKey{*key, sha256({as_bytes(place), as_bytes(exchange.request.body)})};
  return std::nullopt;
}

void answer_append(const Exchange& exchange, const node::AppendRequest& append, bool is_single_stream) {
  const auto outcome = exchange.context.node().append(exchange.wait, append);
  if (!outcome) return exchange.refuse(outcome.error());
  exchange.response.status = 201;
  if (outcome->replayed) exchange.response.headers.emplace_back("Idempotent-Replayed", "true");
  if (is_single_stream) {
    http::append_stream_receipt(exchange.response.body, *outcome);
  } else {
    http::append_streams_receipt(exchange.response.body, *outcome);
  }
}

Problem wrong_content_type(const http::Request& request, std::string_view allowed) {
  const auto sent = request.header(Header::content_type);
  return {
      415, "unsupported_media_type",
      (sent ? "Content-Type: " + http::excerpt(*sent) + " is not taken here" : "there is no Content-Type") +
          "; allowed: " + std::string(allowed)};
}

void append_to_stream(const Exchange& exchange) {
  const http::Request& request = exchange.request;
  const auto format = http::parse_event_format(request.header(Header::content_type).value_or(""));
  if (!format) {
    return exchange.refuse(
        wrong_content_type(request,
                           "application/json, application/x-ndjson, application/cloudevents-batch+json, "
                           "application/cloudevents+json"));
  }
  const std::string_view expected_text = request.header(Header::expected_revision).value_or("any");
  const auto expected = node::Expectation::parse(expected_text);
  if (!expected) {
    return exchange.refuse(
        http::invalid_request("the header Expected-Revision is \"" + http::excerpt(expected_text) +
                              "\"; allowed: a revision 0..18446744073709551615, none, exists, any"));
  }
  auto list = http::parse_events(exchange.context.json, request.body, *format);
  if (!list) return exchange.refuse(list.error());

  node::AppendRequest append;
  append.tenant = exchange.target.segments[tenant_segment];
  append.streams.push_back({exchange.target.segments[stream_segment], *expected, std::move(list->events)});
  if (auto problem = read_idempotency(exchange, http::describe(*format), append))
    return exchange.refuse(*problem);
  answer_append(exchange, append, true);
}

void append_to_streams(const Exchange& exchange) {
  const http::Request& request = exchange.request;
  const auto format = http::parse_event_format(request.header(Header::content_type).value_or(""));
  if (format != http::EventFormat::json)
    return exchange.refuse(wrong_content_type(request, "application/json"));
  if (request.header(Header::expected_revision)) {
    return exchange.refuse(
        http::invalid_request("the header Expected-Revision belongs to one stream; here each stream has its "
                              "\"expected_revision\""));
  }
  auto list = http::parse_streams(exchange.context.json, request.body);
  if (!list) return exchange.refuse(list.error());

  node::AppendRequest append;
  append.tenant = exchange.target.segments[tenant_segment];
  append.streams = std::move(list->streams);
  if (auto problem = read_idempotency(exchange, "streams", append)) return exchange.refuse(*problem);
  answer_append(exchange, append, false);
}

// ---- read

// Reads until there is something, the time is up, or the server stops.
node::Outcome<node::EventPage> read_or_wait(const Exchange& exchange,
                                            const http::ReadParameters& parameters) {
  Context& context = exchange.context;
  node::ReadRequest request = parameters.request;
  const Instant until = exchange.wait.now() + parameters.wait;
  for (;;) {
    auto page = context.node().read(exchange.wait, request);
    if (!page || !page->events.empty() || !page->next) return page;
    if (exchange.wait.now() >= until || context.stopping.is_cancelled()) return page;
    // What comes while nobody looks is missed by nobody who asked for "end".
    request.from = *page->next;
    io::Wait patient = exchange.wait.under(context.stopping).until(until);
    context.node().wait_for_events(patient, request, page->awaited());
    ignore(exchange.wait.yield(),
           "the next read notices");  // whoever wakes us early does not starve the others
  }
}

void read_events(const Exchange& exchange, ReadScope scope) {
  auto parameters = http::parse_read_parameters(exchange.target, scope);
  if (!parameters) return exchange.refuse(parameters.error());
  parameters->request.tenant = exchange.target.segments[tenant_segment];
  if (scope == ReadScope::stream) parameters->request.stream = exchange.target.segments[stream_segment];
  parameters->request.awaits_stream = parameters->wait > Duration::zero();
  parameters->request.bytes_max = exchange.context.options.read_page_bytes_max;
  const auto page = read_or_wait(exchange, *parameters);
  if (!page) return exchange.refuse(page.error());
  http::append_page(exchange.response.body, *page);
}

void read_stream(const Exchange& exchange) {
  read_events(exchange, ReadScope::stream);
}
void read_tenant(const Exchange& exchange) {
  read_events(exchange, ReadScope::tenant);
}

void subscribe(const Exchange& exchange, ReadScope scope) {
  const auto parameters =
      http::parse_subscription(exchange.target, scope, exchange.request.header(Header::last_event_id));
  if (!parameters) return exchange.refuse(parameters.error());
  SubscriptionRequest request;
  request.tenant = exchange.target.segments[tenant_segment];
  if (scope == ReadScope::stream) request.stream = exchange.target.segments[stream_segment];
  request.subject = parameters->request.subject;
  request.from = parameters->request.from;
  start_subscription(exchange.wait, exchange.context, std::move(request), exchange.response);
}

void subscribe_to_stream(const Exchange& exchange) {
  subscribe(exchange, ReadScope::stream);
}
void subscribe_to_tenant(const Exchange& exchange) {
  subscribe(exchange, ReadScope::tenant);
}

void get_head(const Exchange& exchange) {
  if (!may_read(exchange)) return;
  const auto head = exchange.context.node().head(exchange.wait);
  if (!head) return exchange.refuse(head.error());
  http::append_head(exchange.response.body, *head);
}

// ---- operation

void transfer_leader(const Exchange& exchange) {
  const auto to = http::parse_node_parameter(exchange.target, "to");
  if (!to) return exchange.refuse(to.error());
  const auto leader = exchange.context.node().hand_over(exchange.wait, *to);
  if (!leader) return exchange.refuse(leader.error());
  exchange.response.body = "{\"leader\":" + leader->describe() + "}\n";
}

void activate_release(const Exchange& exchange) {
  const auto active = exchange.context.node().activate_release(exchange.wait);
  if (!active) return exchange.refuse(active.error());
  exchange.response.body = "{\"active_release\":" + std::to_string(active->number) +
                           ",\"activated_by\":" + active->at.describe() + "}\n";
}

void change_members(const Exchange& exchange) {
  const auto change = http::parse_members_change(exchange.target);
  if (!change) return exchange.refuse(change.error());
  const auto progress = exchange.context.node().change_members(exchange.wait, *change);
  if (!progress) return exchange.refuse(progress.error());
  append_members_progress(exchange.response.body, *progress);
}

void get_live(const Exchange& exchange) {
  exchange.response.body = "{\"status\":\"live\"}\n";
}

void get_ready(const Exchange& exchange) {
  if (exchange.context.stopping.is_cancelled()) {
    return exchange.refuse(Problem{503, "not_ready", "the server is stopping"});
  }
  if (exchange.context.started != nullptr && exchange.context.node().is_ready()) {
    exchange.response.body = "{\"status\":\"ready\"}\n";
    return;
  }
  const node::NodeStatus status = exchange.context.status();
  exchange.refuse(
      Problem{503, "not_ready", status.reason.empty() ? "the node is " + status.state : status.reason});
}

void get_status(const Exchange& exchange) {
  append_status(exchange.response.body, exchange.context);
}

void get_metrics(const Exchange& exchange) {
  exchange.response.content_type = metrics_content_type;
  exchange.response.body = render_metrics(exchange.context);
}

// ---- proofs

void answer_proof(const Exchange& exchange, node::Outcome<std::string> proof) {
  if (!proof) return exchange.refuse(std::move(proof.error()));
  exchange.response.body = std::move(*proof);
}

void prove_inclusion(const Exchange& exchange) {
  const auto parameters = http::parse_inclusion_parameters(exchange.target);
  if (!parameters) return exchange.refuse(parameters.error());
  if (!may_read(exchange)) return;
  answer_proof(exchange, exchange.context.node().prove_inclusion(exchange.wait, parameters->position,
                                                                 parameters->event));
}

void prove_consistency(const Exchange& exchange) {
  const auto parameters = http::parse_consistency_parameters(exchange.target);
  if (!parameters) return exchange.refuse(parameters.error());
  if (!may_read(exchange)) return;
  const Position to = parameters->to.value_or(exchange.context.node().status().applied_index);
  answer_proof(exchange, exchange.context.node().prove_consistency(exchange.wait, parameters->from, to));
}

constexpr std::array client_routes = std::to_array<Route>({
    {"/v1/tenants/*/streams/*/events", Method::post, append_to_stream},
    {"/v1/tenants/*/streams/*/events", Method::get, read_stream, checked_by_handler},
    {"/v1/tenants/*/streams/*/subscribe", Method::get, subscribe_to_stream, checked_by_handler},
    {"/v1/tenants/*/events", Method::post, append_to_streams},
    {"/v1/tenants/*/events", Method::get, read_tenant, checked_by_handler},
    {"/v1/tenants/*/subscribe", Method::get, subscribe_to_tenant, checked_by_handler},
    {"/v1/tenants/*", Method::put, put_tenant},
    {"/v1/tenants/*", Method::get, get_tenant, "consistency"},
    {"/v1/tenants/*", Method::del, delete_tenant},
    {"/v1/tenants", Method::get, list_tenants, "consistency"},
    {"/v1/head", Method::get, get_head, "consistency"},
    {"/v1/proofs/inclusion", Method::get, prove_inclusion, checked_by_handler},
    {"/v1/proofs/consistency", Method::get, prove_consistency, checked_by_handler},
    {"/v1/cluster/activate-release", Method::post, activate_release},
    {"/v1/cluster/members", Method::post, change_members, checked_by_handler},
    {"/v1/cluster/transfer-leader", Method::post, transfer_leader, checked_by_handler},
    {"/health/live", Method::get, get_live, any_parameters, false},
    {"/health/ready", Method::get, get_ready, any_parameters, false},
    {"/status", Method::get, get_status, no_parameters, false},
    {"/metrics", Method::get, get_metrics, any_parameters, false},
});

constexpr std::array metrics_routes = std::to_array<Route>({
    {"/metrics", Method::get, get_metrics, any_parameters, false},
});

bool matches(std::string_view pattern, const std::vector<std::string>& segments) {
  for (const std::string& segment : segments) {
    if (!pattern.starts_with('/')) return false;
    pattern.remove_prefix(1);
    const std::string_view expected = pattern.substr(0, pattern.find('/'));
    if (expected == "*" ? segment.empty() : expected != segment) return false;
    pattern.remove_prefix(expected.size());
  }
  return pattern.empty() && !segments.empty();
}

bool is_streaming(const Route& route) {
  return route.pattern.ends_with("/subscribe");
}

void refuse_while_starting(const Exchange& exchange) {
  Problem problem{503, "not_ready", "the node is starting: " + exchange.context.status().reason};
  problem.retry_after = 1s;
  exchange.refuse(problem);
}

// False: it has been refused.
bool has_known_parameters(const Exchange& exchange, const Route& route) {
  if (route.parameters == "*") return true;
  for (const auto& [name, value] : exchange.target.parameters) {
    if (name == route.parameters) continue;
    exchange.refuse(
        http::invalid_request("the parameter \"" + http::excerpt(name) + "\" is not known here; allowed: " +
                              (route.parameters.empty() ? "none" : std::string(route.parameters))));
    return false;
  }
  return true;
}

void dispatch(const Exchange& exchange, std::span<const Route> routes) {
  const Method method = exchange.request.method;
  std::string allowed;
  for (const Route& route : routes) {
    if (!matches(route.pattern, exchange.target.segments)) continue;
    const bool is_head_of_get = method == Method::head && route.method == Method::get && !is_streaming(route);
    if (route.method == method || is_head_of_get) {
      if (!has_known_parameters(exchange, route)) return;
      const bool can_answer = exchange.context.started != nullptr || !route.needs_node;
      return can_answer ? route.handler(exchange) : refuse_while_starting(exchange);
    }
    if (!allowed.empty()) allowed += ", ";
    allowed += describe(route.method);
    if (route.method == Method::get && !is_streaming(route)) allowed += ", HEAD";
  }
  if (allowed.empty()) {
    std::string detail = "there is nothing at " + http::excerpt(exchange.request.target);
    if (routes.data() == metrics_routes.data()) detail += ": this is the metrics port, with /metrics alone";
    return exchange.refuse(Problem{404, "not_found", std::move(detail)});
  }
  Problem problem{405, "method_not_allowed", "this method is not known here; allowed: " + allowed};
  problem.allow = allowed;
  exchange.refuse(problem);
}

void handle(io::Wait& wait, Context& context, const http::Request& request, http::Response& response,
            std::span<const Route> routes) {
  const auto target = http::parse_target(request.target);
  if (!target) return http::answer(response, http::invalid_request(target.error()));
  dispatch(Exchange{wait, context, request, *target, response}, routes);
}

}  // namespace

void handle_client_request(io::Wait& wait, Context& context, const http::Request& request,
                           http::Response& response) {
  handle(wait, context, request, response, client_routes);
}

void handle_metrics_request(io::Wait& wait, Context& context, const http::Request& request,
                            http::Response& response) {
  handle(wait, context, request, response, metrics_routes);
}

}  // namespace verity::server
