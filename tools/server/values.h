// One value of the configuration: from text, or from what TOML made of it, to something checked. Pure.
#pragma once

#include "io/base/result.h"
#include "io/network.h"
#include "tools/server/keys.h"

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace verity::tools {

// A value as it was written. Texts come from the environment, from flags and from strings of the file.
struct RawOther {
  std::string kind;  // "a table", "a date": something no key takes
};
using RawValue = std::variant<std::string, std::int64_t, double, bool, std::vector<std::string>, RawOther>;

// In a file types are TOML's: a boolean is not a string, paths are absolute.
enum class RawSource : std::uint8_t { file, environment, flag };

// boolean → bool; count, size (bytes) and duration (ns) → uint64; address → Address; peers → list; the rest →
// string.
using Value = std::variant<bool, std::uint64_t, std::string, io::Address, std::vector<io::Address>>;

// The value, or a sentence that shows what was written and says what is allowed.
std::expected<Value, std::string> check_value(const KeyRow& row, const RawValue& raw, RawSource source);

// `text` in quotes and safe to print on one line: control characters escaped, cut when it is very long.
std::string quoted(std::string_view text);

// As --validate prints it; parses back to the same value, in the environment without its quotes.
std::string describe_value(const KeyRow& row, const Value& value);

}  // namespace verity::tools
