#include "net/http/event_fields.h"

#include "net/http/json_check.h"

namespace verity::http {

std::string_view string_text(std::string_view quoted, std::deque<std::string>& texts) {
  if (quoted.find('\\') == std::string_view::npos) return quoted.substr(1, quoted.size() - 2);
  return texts.emplace_back(unescape_json_string(quoted));
}

std::string_view key_text(const JsonMember& member, std::deque<std::string>& texts) {
  if (!member.key_has_escape()) return member.key_text();
  return texts.emplace_back(unescape_json_string(member.key));
}

std::string excerpt(std::string_view value) {
  constexpr std::size_t bytes_max = 60;
  if (value.size() <= bytes_max) return std::string(value);
  std::size_t end = bytes_max;
  while (end > 0 && (static_cast<unsigned char>(value[end]) & 0xC0) == 0x80) --end;
  return std::string(value.substr(0, end)) + "…";
}

std::string wrong_type(Place place, std::string_view key, std::string_view value, std::string_view allowed) {
  std::string text(place);
  text += ": \"" + excerpt(key) + "\" is ";
  text += describe(kind_of(value));
  const JsonKind kind = kind_of(value);
  if (kind == JsonKind::string || kind == JsonKind::number || kind == JsonKind::boolean)
    text += " " + excerpt(value);
  text += "; allowed: ";
  text += allowed;
  return text;
}

Fault read_string(Place place, std::string_view key, std::string_view value, std::deque<std::string>& texts,
                  std::string_view& out) {
  if (kind_of(value) != JsonKind::string) return wrong_type(place, key, value, "a string");
  out = string_text(value, texts);
  if (out.empty())
    return std::string(place) + ": \"" + std::string(key) + "\" is empty; allowed: at least one character";
  return std::nullopt;
}

Fault read_expectation(Place place, std::string_view key, std::string_view value, node::Expectation& out) {
  std::optional<node::Expectation> parsed;
  switch (kind_of(value)) {
    case JsonKind::number:
      parsed = node::Expectation::parse(value);
      break;
    case JsonKind::string:
      parsed = node::Expectation::parse(value.substr(1, value.size() - 2));
      break;
    default:
      break;
  }
  if (!parsed)
    return wrong_type(place, key, value,
                      "a revision 0..18446744073709551615, \"none\", \"exists\" or \"any\"");
  out = *parsed;
  return std::nullopt;
}

}  // namespace verity::http
