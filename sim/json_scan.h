// A small reader of JSON answers that keeps every value as the exact text that was sent, which is what the
// checkers compare. Own code on purpose: it shares no bug with the JSON code under test.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace verity::sim {

// Views into the text that was parsed.
struct JsonValue {
  std::string_view text;  // without surrounding white space; empty: not there

  explicit operator bool() const { return !text.empty(); }
  bool is_null() const { return text == "null"; }
  bool is_object() const { return text.starts_with('{'); }
  bool is_array() const { return text.starts_with('['); }

  // Of an object; empty if it is none or has no such key.
  JsonValue operator[](std::string_view key) const;
  std::vector<JsonValue> items() const;  // of an array
  std::optional<std::uint64_t> number() const;
  std::optional<std::string> string() const;  // unescaped
};

// Nothing unless `text` is one JSON value, with white space around it at most.
std::optional<JsonValue> scan_json(std::string_view text);

// `text` as a JSON string with its quotes.
std::string quote_json(std::string_view text);

}  // namespace verity::sim
