#include "net/http/json_slice.h"

namespace verity::http {

namespace {

bool is_space(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

void skip_space(std::string_view& text) {
  std::size_t i = 0;
  while (i < text.size() && is_space(text[i])) ++i;
  text.remove_prefix(i);
}

// Behind the closing quote of the string that begins at `begin`.
std::size_t string_end(std::string_view text, std::size_t begin) {
  std::size_t i = begin + 1;
  for (;;) {
    i = text.find_first_of("\"\\", i);
    if (i == std::string_view::npos) return text.size();
    if (text[i] == '"') return i + 1;
    i += 2;  // the backslash, and whatever it escapes
  }
}

std::size_t container_end(std::string_view text) {
  std::size_t depth = 0;
  for (std::size_t i = 0; i < text.size();) {
    switch (text[i]) {
      case '"':
        i = string_end(text, i);
        continue;
      case '{':
      case '[':
        ++depth;
        break;
      case '}':
      case ']':
        if (--depth == 0) return i + 1;
        break;
      default:
        break;
    }
    ++i;
  }
  return text.size();
}

std::size_t scalar_end(std::string_view text) {
  std::size_t i = 0;
  while (i < text.size() && text[i] != ',' && text[i] != ']' && text[i] != '}' && !is_space(text[i])) ++i;
  return i;
}

// Takes the value that `rest` begins with, and the white space before it.
std::string_view take_value(std::string_view& rest) {
  skip_space(rest);
  if (rest.empty()) return rest;
  std::size_t end = 0;
  switch (rest.front()) {
    case '"':
      end = string_end(rest, 0);
      break;
    case '{':
    case '[':
      end = container_end(rest);
      break;
    default:
      end = scalar_end(rest);
  }
  const std::string_view value = rest.substr(0, end);
  rest.remove_prefix(value.size());
  return value;
}

// Steps over `separator` and white space; false if something else is there.
bool take_separator(std::string_view& rest, char separator) {
  skip_space(rest);
  if (rest.empty() || rest.front() != separator) return false;
  rest.remove_prefix(1);
  return true;
}

// What is between the brackets.
std::string_view inside(std::string_view container) {
  container = trim_json(container);
  if (container.size() < 2) return {};
  std::string_view rest = container.substr(1, container.size() - 2);
  skip_space(rest);
  return rest;
}

}  // namespace

std::string_view describe(JsonKind kind) {
  switch (kind) {
    case JsonKind::object:
      return "an object";
    case JsonKind::array:
      return "an array";
    case JsonKind::string:
      return "a string";
    case JsonKind::number:
      return "a number";
    case JsonKind::boolean:
      return "a boolean";
    case JsonKind::null:
      return "null";
  }
  return "nothing";
}

JsonKind kind_of(std::string_view value) {
  if (value.empty()) return JsonKind::null;
  switch (value.front()) {
    case '{':
      return JsonKind::object;
    case '[':
      return JsonKind::array;
    case '"':
      return JsonKind::string;
    case 't':
    case 'f':
      return JsonKind::boolean;
    case 'n':
      return JsonKind::null;
    default:
      return JsonKind::number;
  }
}

std::string_view trim_json(std::string_view text) {
  skip_space(text);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

JsonArrayWalker::JsonArrayWalker(std::string_view array) : rest_(inside(array)) {}

std::optional<std::string_view> JsonArrayWalker::next() {
  if (rest_.empty()) return std::nullopt;
  const std::string_view value = take_value(rest_);
  if (value.empty() || !take_separator(rest_, ',')) rest_ = {};
  return value;
}

JsonObjectWalker::JsonObjectWalker(std::string_view object) : rest_(inside(object)) {}

std::optional<JsonMember> JsonObjectWalker::next() {
  if (rest_.empty()) return std::nullopt;
  JsonMember member;
  member.key = take_value(rest_);
  if (member.key.size() < 2 || !take_separator(rest_, ':')) {
    rest_ = {};
    return std::nullopt;
  }
  member.value = take_value(rest_);
  if (!take_separator(rest_, ',')) rest_ = {};
  return member;
}

}  // namespace verity::http
