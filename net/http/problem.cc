#include "net/http/problem.h"

#include "net/http/json_writer.h"
#include "net/http/message.h"

namespace verity::http {

namespace {

int status_of(const node::Refusal& refusal) {
  switch (refusal.code) {
    case node::RefusalCode::invalid_request:
      return 400;
    case node::RefusalCode::tenant_not_found:
      return 404;
    case node::RefusalCode::stream_not_found:
      return 404;
    case node::RefusalCode::tenant_exists:
      return 409;
    case node::RefusalCode::expectation_failed:
      return 409;
    case node::RefusalCode::limit_exceeded:
      return refusal.limits_count ? 422 : 413;
    case node::RefusalCode::idempotency_conflict:
      return 422;
    case node::RefusalCode::session_unknown:
      return 410;
    case node::RefusalCode::request_given_up:
      return 409;
    case node::RefusalCode::idempotency_full:
      return 429;
    case node::RefusalCode::overloaded:
      return 429;
    case node::RefusalCode::read_only:
      return 503;
    case node::RefusalCode::not_leader:
      return 503;
    case node::RefusalCode::not_ready:
      return 503;
    case node::RefusalCode::outcome_unknown:
      return 503;
    case node::RefusalCode::cancelled:
      return 503;
    case node::RefusalCode::io_error:
      return 503;
    case node::RefusalCode::out_of_space:
      return 507;
    case node::RefusalCode::damaged:
      return 500;
  }
  return 500;
}

void append_failed_expectations(std::string& out, const std::vector<node::FailedExpectation>& all) {
  out += ",\"failed_expectations\":[";
  bool is_first = true;
  for (const node::FailedExpectation& failed : all) {
    if (!is_first) out += ',';
    is_first = false;
    out += "{\"stream\":";
    append_json_string(out, failed.stream);
    if (!failed.subject.empty()) {
      out += ",\"subject\":";
      append_json_string(out, failed.subject);
    }
    out += ",\"expected\":";
    append_json_string(out, failed.expected.describe());
    out += ",\"actual\":";
    if (failed.actual) {
      append_json_number(out, failed.actual->value);
    } else {
      out += "null";
    }
    out += '}';
  }
  out += ']';
}

// Whole seconds, rounded up, at least one.
std::int64_t retry_seconds(Duration duration) {
  const std::int64_t seconds = (duration.count() + 999'999'999) / 1'000'000'000;
  return seconds < 1 ? 1 : seconds;
}

}  // namespace

Problem to_problem(node::Refusal refusal) {
  Problem problem{status_of(refusal), node::describe(refusal.code), std::move(refusal.detail)};
  problem.failed_expectations = std::move(refusal.failed_expectations);
  problem.position = refusal.position;
  problem.leader = refusal.leader;
  problem.leader_address = std::move(refusal.leader_address);
  problem.retry_after = refusal.retry_after;
  if (problem.status == 429 && problem.retry_after == Duration::zero()) problem.retry_after = 1s;
  return problem;
}

void answer(Response& response, const Problem& problem) {
  const bool close = response.close;
  response.clear();
  response.close = close;
  response.status = problem.status;
  response.content_type = "application/problem+json";
  if (!problem.allow.empty()) response.headers.emplace_back("Allow", problem.allow);
  if (problem.retry_after > Duration::zero()) {
    response.headers.emplace_back("Retry-After", std::to_string(retry_seconds(problem.retry_after)));
  }
  std::string& out = response.body;
  out += "{\"title\":";
  append_json_string(out, reason_phrase(problem.status));
  out += ",\"status\":" + std::to_string(problem.status);
  out += ",\"code\":";
  append_json_string(out, problem.code);
  out += ",\"detail\":";
  append_json_string(out, problem.detail);
  if (!problem.failed_expectations.empty()) append_failed_expectations(out, problem.failed_expectations);
  if (problem.position.value > 0) out += ",\"position\":" + problem.position.describe();
  if (problem.leader.value > 0) out += ",\"leader\":" + problem.leader.describe();
  if (!problem.leader_address.empty()) {
    out += ",\"leader_address\":";
    append_json_string(out, problem.leader_address);
  }
  out += "}\n";
}

Problem invalid_request(std::string detail) {
  return {400, "invalid_request", std::move(detail)};
}

Problem content_too_large(std::string detail) {
  return {413, "limit_exceeded", std::move(detail)};
}

}  // namespace verity::http
