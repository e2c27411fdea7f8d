// Cuts JSON text into the exact slices its values were sent as. The text has passed JsonChecker: nothing is
// checked again here, but whatever the bytes are, no slice ever reaches outside them.
//
//   {"type":"moved", "data": {"x":1.50} }
//                            ^--------^  value of "data", byte for byte
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace verity::http {

enum class JsonKind : std::uint8_t { object, array, string, number, boolean, null };
std::string_view describe(JsonKind kind);

// Of a slice as the walkers below return it.
JsonKind kind_of(std::string_view value);

// `text` without white space around it.
std::string_view trim_json(std::string_view text);

// The elements of an array, one after another.
class JsonArrayWalker {
 public:
  explicit JsonArrayWalker(std::string_view array);
  // Nothing after the last.
  std::optional<std::string_view> next();

 private:
  std::string_view rest_;
};

struct JsonMember {
  std::string_view key;  // with quotes, as sent
  std::string_view value;

  bool key_has_escape() const { return key.find('\\') != std::string_view::npos; }
  // Without quotes; what was sent, escapes included.
  std::string_view key_text() const { return key.substr(1, key.size() - 2); }
};

class JsonObjectWalker {
 public:
  explicit JsonObjectWalker(std::string_view object);
  std::optional<JsonMember> next();

 private:
  std::string_view rest_;
};

}  // namespace verity::http
