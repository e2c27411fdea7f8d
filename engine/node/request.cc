#include "engine/node/request.h"

#include <charconv>

namespace verity::node {

namespace {

// The whole text as a decimal number without sign or leading zeros.
template <class Number>
std::optional<Number> parse_number(std::string_view text) {
  if (text.empty() || (text.size() > 1 && text.front() == '0')) return std::nullopt;
  Number value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

std::string_view describe(RefusalCode code) {
  switch (code) {
    case RefusalCode::invalid_request:
      return "invalid_request";
    case RefusalCode::tenant_not_found:
      return "tenant_not_found";
    case RefusalCode::tenant_exists:
      return "tenant_exists";
    case RefusalCode::stream_not_found:
      return "stream_not_found";
    case RefusalCode::expectation_failed:
      return "expectation_failed";
    case RefusalCode::limit_exceeded:
      return "limit_exceeded";
    case RefusalCode::idempotency_conflict:
      return "idempotency_conflict";
    case RefusalCode::idempotency_full:
      return "idempotency_full";
    case RefusalCode::session_unknown:
      return "session_unknown";
    case RefusalCode::request_given_up:
      return "request_given_up";
    case RefusalCode::read_only:
      return "read_only";
    case RefusalCode::damaged:
      return "damaged";
    case RefusalCode::out_of_space:
      return "out_of_space";
    case RefusalCode::io_error:
      return "io_error";
    case RefusalCode::overloaded:
      return "overloaded";
    case RefusalCode::not_leader:
      return "not_leader";
    case RefusalCode::not_ready:
      return "not_ready";
    case RefusalCode::outcome_unknown:
      return "outcome_unknown";
    case RefusalCode::cancelled:
      return "cancelled";
  }
  return "unknown";
}

bool is_settled(RefusalCode code) {
  switch (code) {
    case RefusalCode::invalid_request:
    case RefusalCode::tenant_not_found:
    case RefusalCode::expectation_failed:
    case RefusalCode::limit_exceeded:
    case RefusalCode::idempotency_conflict:
    case RefusalCode::request_given_up:
      return true;
    default:
      return false;
  }
}

std::string Expectation::describe() const {
  switch (kind) {
    case Kind::any:
      return "any";
    case Kind::none:
      return "none";
    case Kind::exists:
      return "exists";
    case Kind::exact:
      return revision.describe();
  }
  return "unknown";
}

std::optional<Expectation> Expectation::parse(std::string_view text) {
  if (text == "any") return Expectation{Kind::any};
  if (text == "none") return Expectation{Kind::none};
  if (text == "exists") return Expectation{Kind::exists};
  const auto revision = parse_number<std::uint64_t>(text);
  if (!revision) return std::nullopt;
  return Expectation{Kind::exact, Revision{*revision}};
}

bool Expectation::holds(std::optional<Revision> last) const {
  switch (kind) {
    case Kind::any:
      return true;
    case Kind::none:
      return !last;
    case Kind::exists:
      return last.has_value();
    case Kind::exact:
      return last == revision;
  }
  return false;
}

std::string Refusal::describe() const {
  std::string text(node::describe(code));
  text += ": " + detail;
  for (const FailedExpectation& failed : failed_expectations) {
    text += "; stream " + failed.stream;
    if (!failed.subject.empty()) text += " subject " + failed.subject;
    text += " expected " + failed.expected.describe() + ", is ";
    text += failed.actual ? failed.actual->describe() : "none";
  }
  return text;
}

std::string EventToken::describe() const {
  return position.describe() + "." + std::to_string(index);
}

std::string ReadFrom::describe() const {
  switch (kind) {
    case Kind::start:
      return "start";
    case Kind::end:
      return "end";
    case Kind::revision:
      return revision.describe();
    case Kind::token:
      return token.describe();
  }
  return "unknown";
}

std::optional<EventToken> EventToken::parse(std::string_view text) {
  const auto dot = text.find('.');
  const auto position = parse_number<std::uint64_t>(text.substr(0, dot));
  if (!position) return std::nullopt;
  if (dot == std::string_view::npos) return EventToken{Position{*position}, 0};
  const auto index = parse_number<std::uint32_t>(text.substr(dot + 1));
  if (!index) return std::nullopt;
  return EventToken{Position{*position}, *index};
}

}  // namespace verity::node
