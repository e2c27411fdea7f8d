#include "net/http/read_parameters.h"

#include "net/http/event_fields.h"

#include <charconv>
#include <cstdint>
#include <initializer_list>
#include <limits>

namespace verity::http {

namespace {

using node::ReadFrom;

template <class Number>
std::optional<Number> parse_number(std::string_view text) {
  Number value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

Problem bad_parameter(std::string_view name, std::string_view value, std::string_view allowed) {
  return invalid_request("the query parameter " + std::string(name) + " is \"" + excerpt(value) +
                         "\"; allowed: " + std::string(allowed));
}

std::optional<Problem> refuse_unknown(const Target& target, std::initializer_list<std::string_view> allowed) {
  for (const auto& [name, value] : target.parameters) {
    bool is_known = false;
    std::string names;
    for (const std::string_view known : allowed) {
      is_known = is_known || known == name;
      names += names.empty() ? "" : ", ";
      names += known;
    }
    if (!is_known) return invalid_request("unknown query parameter " + excerpt(name) + "; allowed: " + names);
  }
  return std::nullopt;
}

std::optional<ReadFrom> parse_from(std::string_view text, ReadScope scope) {
  if (text == "start") return ReadFrom{ReadFrom::Kind::start};
  if (text == "end") return ReadFrom{ReadFrom::Kind::end};
  if (scope == ReadScope::stream && text.find('.') == std::string_view::npos) {
    const auto revision = parse_number<std::uint64_t>(text);
    if (!revision) return std::nullopt;
    return ReadFrom{ReadFrom::Kind::revision, Revision{*revision}};
  }
  const auto token = node::EventToken::parse(text);
  if (!token) return std::nullopt;
  return ReadFrom{ReadFrom::Kind::token, {}, *token};
}

std::optional<Problem> read_from(const Target& target, ReadScope scope, ReadFrom& out) {
  const auto text = target.parameter("from");
  if (!text) return std::nullopt;
  const auto from = parse_from(*text, scope);
  if (!from) {
    return bad_parameter("from", *text,
                         scope == ReadScope::stream
                             ? "a revision such as 7, a token such as 42.2, start, end"
                             : "a position such as 42, a token such as 42.2, start, end");
  }
  out = *from;
  return std::nullopt;
}

std::optional<Problem> read_subject(const Target& target, ReadScope scope, std::string_view& out) {
  const auto subject = target.parameter("subject");
  if (!subject) return std::nullopt;
  if (scope == ReadScope::tenant)
    return invalid_request("the query parameter subject needs a stream in the path");
  if (subject->empty()) return bad_parameter("subject", *subject, "at least one character");
  out = *subject;
  return std::nullopt;
}

}  // namespace

std::optional<Duration> parse_wait(std::string_view text) {
  const auto digits_end = text.find_first_not_of("0123456789");
  const auto count = parse_number<std::uint32_t>(text.substr(0, digits_end));
  if (!count) return std::nullopt;
  const std::string_view unit = digits_end == std::string_view::npos ? "s" : text.substr(digits_end);
  if (unit == "ms") return std::chrono::milliseconds(*count);
  if (unit == "s") return std::chrono::seconds(*count);
  if (unit == "m" && *count < 1'000'000) return std::chrono::minutes(*count);
  return std::nullopt;
}

std::expected<node::Consistency, Problem> parse_consistency(const Target& target) {
  const std::string_view text = target.parameter("consistency").value_or("linearizable");
  if (text == "linearizable") return node::Consistency::linearizable;
  if (text == "leader") return node::Consistency::leader;
  if (text == "stale") return node::Consistency::stale;
  return std::unexpected(bad_parameter("consistency", text, "linearizable, leader, stale"));
}

std::expected<ReadParameters, Problem> parse_read_parameters(const Target& target, ReadScope scope) {
  if (auto problem = refuse_unknown(
          target, {"from", "direction", "limit", "wait", "subject", "consistency", "at_least"})) {
    return std::unexpected(*problem);
  }
  ReadParameters out;
  if (const auto text = target.parameter("direction")) {
    if (*text == "backward") {
      out.request.direction = node::Direction::backward;
      out.request.from.kind = ReadFrom::Kind::end;
    } else if (*text != "forward") {
      return std::unexpected(bad_parameter("direction", *text, "forward, backward"));
    }
  }
  if (auto problem = read_from(target, scope, out.request.from)) return std::unexpected(*problem);
  if (auto problem = read_subject(target, scope, out.request.subject)) return std::unexpected(*problem);
  const auto consistency = parse_consistency(target);
  if (!consistency) return std::unexpected(consistency.error());
  out.request.consistency = *consistency;
  if (const auto text = target.parameter("limit")) {
    const auto limit = parse_number<std::uint32_t>(*text);
    if (!limit || *limit == 0 || *limit > read_limit_max)
      return std::unexpected(bad_parameter("limit", *text, "1 to 1000"));
    out.request.limit = *limit;
  }
  if (const auto text = target.parameter("at_least")) {
    const auto position = parse_number<std::uint64_t>(*text);
    if (!position)
      return std::unexpected(bad_parameter("at_least", *text, "a position, as an append answers it"));
    out.request.at_least = Position{*position};
  }
  if (const auto text = target.parameter("wait")) {
    const auto wait = parse_wait(*text);
    if (!wait || *wait > read_wait_max) {
      return std::unexpected(bad_parameter("wait", *text, "a duration up to 60s, such as 500ms, 30s or 1m"));
    }
    if (*wait > Duration::zero() && out.request.direction == node::Direction::backward) {
      return std::unexpected(
          invalid_request("the query parameter wait has no meaning with direction=backward"));
    }
    out.wait = *wait;
  }
  return out;
}

std::expected<ReadParameters, Problem> parse_subscription(const Target& target, ReadScope scope,
                                                          std::optional<std::string_view> last_event_id) {
  if (auto problem = refuse_unknown(target, {"from", "subject"})) return std::unexpected(*problem);
  ReadParameters out;
  if (auto problem = read_from(target, scope, out.request.from)) return std::unexpected(*problem);
  if (auto problem = read_subject(target, scope, out.request.subject)) return std::unexpected(*problem);
  if (last_event_id) {
    // A bare position would be ambiguous: its entry may hold several events.
    const auto token = node::EventToken::parse(*last_event_id);
    if (!token || last_event_id->find('.') == std::string_view::npos) {
      return std::unexpected(invalid_request("the header Last-Event-ID is \"" + excerpt(*last_event_id) +
                                             "\"; allowed: a token such as 42.2"));
    }
    out.request.from = ReadFrom{ReadFrom::Kind::token, {}, after(*token)};
  }
  return out;
}

node::EventToken after(node::EventToken token) {
  if (token.index < std::numeric_limits<std::uint32_t>::max()) return {token.position, token.index + 1};
  // Nothing comes behind the last of all; it must not begin again at the first.
  if (token.position.value == std::numeric_limits<std::uint64_t>::max()) return token;
  return {token.position.next(), 0};
}

}  // namespace verity::http
