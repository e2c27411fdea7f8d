#include "net/http/target.h"

namespace verity::http {

namespace {

constexpr std::size_t segments_max = 16;
constexpr std::size_t parameters_max = 16;

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// Nothing for a percent sign without two hexadecimal digits.
std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+' && plus_is_space) {
      out += ' ';
    } else if (text[i] != '%') {
      out += text[i];
    } else {
      if (i + 2 >= text.size()) return std::nullopt;
      const int high = hex_value(text[i + 1]);
      const int low = hex_value(text[i + 2]);
      if (high < 0 || low < 0) return std::nullopt;
      out += static_cast<char>(high * 16 + low);
      i += 2;
    }
  }
  return out;
}

std::string bad_escape(std::string_view part) {
  return "\"" + std::string(part) + "\" has a % that two hexadecimal digits do not follow";
}

// "http://host:port/path" as proxies send it.
std::string_view without_authority(std::string_view text) {
  const auto scheme_end = text.find("://");
  if (scheme_end == std::string_view::npos || text.front() == '/') return text;
  const auto path = text.find_first_of("/?", scheme_end + 3);
  return path == std::string_view::npos ? "/" : text.substr(path);
}

// What `text` begins with, up to the separator; takes both away.
std::string_view take_until(std::string_view& text, char separator) {
  const auto end = text.find(separator);
  const std::string_view part = text.substr(0, end);
  text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
  return part;
}

std::optional<std::string> parse_query(std::string_view query, Target& target) {
  while (!query.empty()) {
    std::string_view value = take_until(query, '&');
    if (value.empty()) continue;
    const std::string_view name = take_until(value, '=');
    if (target.parameters.size() == parameters_max) return "the query has more than 16 parameters";
    auto name_decoded = percent_decode(name, true);
    auto value_decoded = percent_decode(value, true);
    if (!name_decoded) return bad_escape(name);
    if (!value_decoded) return bad_escape(value);
    if (target.parameter(*name_decoded))
      return "the query parameter " + *name_decoded + " stands there twice";
    target.parameters.emplace_back(std::move(*name_decoded), std::move(*value_decoded));
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string_view> Target::parameter(std::string_view name) const {
  for (const auto& [known, value] : parameters) {
    if (known == name) return value;
  }
  return std::nullopt;
}

std::expected<Target, std::string> parse_target(std::string_view text) {
  if (text.empty()) return std::unexpected("the request target is empty");
  std::string_view rest = without_authority(text);
  std::string_view path = take_until(rest, '?');
  if (!path.starts_with('/')) {
    return std::unexpected("the request target \"" + std::string(text) + "\" is not a path beginning with /");
  }
  path.remove_prefix(1);
  Target target;
  target.segments.reserve(8);
  while (!path.empty()) {
    const bool has_more = path.find('/') != std::string_view::npos;
    const std::string_view segment = take_until(path, '/');
    if (target.segments.size() == segments_max) return std::unexpected("the path has more than 16 parts");
    auto decoded = percent_decode(segment, false);
    if (!decoded) return std::unexpected(bad_escape(segment));
    target.segments.push_back(std::move(*decoded));
    if (has_more && path.empty()) target.segments.emplace_back();  // a trailing slash is another path
  }
  if (auto error = parse_query(rest, target)) return std::unexpected(std::move(*error));
  return target;
}

}  // namespace verity::http
