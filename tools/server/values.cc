#include "tools/server/values.h"

#include "io/base/units.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <optional>

namespace verity::tools {
namespace {

using Checked = std::expected<Value, std::string>;

std::string in_quotes(std::string_view text, std::size_t shown_max) {
  std::string out = "\"";
  for (const char c : text.substr(0, shown_max)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) {
      std::array<char, 8> escape{};
      std::snprintf(escape.data(), escape.size(), "\\x%02x", static_cast<unsigned>(byte));
      out += escape.data();
    } else {
      if (c == '"' || c == '\\') out += '\\';
      out += c;
    }
  }
  out += text.size() > shown_max ? "…\"" : "\"";
  return out;
}

struct Shown {
  std::string operator()(const std::string& text) const { return quoted(text); }
  std::string operator()(std::int64_t number) const { return std::to_string(number); }
  std::string operator()(double number) const {
    std::array<char, 64> text{};
    std::snprintf(text.data(), text.size(), "%g", number);
    return text.data();
  }
  std::string operator()(bool flag) const { return flag ? "true" : "false"; }
  std::string operator()(const std::vector<std::string>&) const { return "a list"; }
  std::string operator()(const RawOther& other) const { return other.kind; }
};

std::unexpected<std::string> not_allowed(const KeyRow& row, const RawValue& raw, std::string_view note = {}) {
  std::string sentence = std::visit(Shown{}, raw) + " is not allowed";
  if (!note.empty()) sentence += " (" + std::string(note) + ")";
  return std::unexpected(sentence + "; allowed: " + row.allowed());
}

std::optional<std::uint64_t> parse_number(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return number;
}

struct Unit {
  std::string_view name;
  std::uint64_t factor;
};
constexpr std::array sizes = {Unit{"KB", KiB}, Unit{"MB", MiB}, Unit{"GB", GiB}, Unit{"B", 1}, Unit{"", 1}};
constexpr std::array durations = {Unit{"ms", 1'000'000}, Unit{"s", 1'000'000'000}, Unit{"m", 60'000'000'000},
                                  Unit{"h", 3'600'000'000'000}};

// "64MB", "64 MB", "100ms": a whole number and one of the units, as one number; nothing if it is not that or
// too large.
template <std::size_t N>
std::optional<std::uint64_t> parse_with_unit(std::string_view text, const std::array<Unit, N>& units) {
  std::size_t digits = 0;
  while (digits < text.size() && text[digits] >= '0' && text[digits] <= '9') ++digits;
  const auto number = parse_number(text.substr(0, digits));
  if (!number) return std::nullopt;
  std::string_view unit_name = text.substr(digits);
  if (unit_name.starts_with(' ')) unit_name.remove_prefix(1);
  for (const Unit& unit : units) {
    if (unit.name != unit_name) continue;
    if (*number > UINT64_MAX / unit.factor) return std::nullopt;
    return *number * unit.factor;
  }
  return std::nullopt;
}

Checked check_boolean(const KeyRow& row, const RawValue& raw, RawSource source) {
  if (const auto* flag = std::get_if<bool>(&raw)) return *flag;
  const auto* text = std::get_if<std::string>(&raw);
  if (text == nullptr || source == RawSource::file) return not_allowed(row, raw);
  for (const std::string_view yes : {"true", "1", "yes", "on"}) {
    if (*text == yes) return true;
  }
  for (const std::string_view no : {"false", "0", "no", "off"}) {
    if (*text == no) return false;
  }
  return not_allowed(row, raw);
}

// count, size, duration: a number within least..most after its unit was taken off.
Checked check_amount(const KeyRow& row, const RawValue& raw, RawSource source) {
  const std::uint64_t unit = row.type == ValueType::duration ? 1'000'000 : 1;
  std::optional<std::uint64_t> amount;
  if (const auto* number = std::get_if<std::int64_t>(&raw)) {
    if (row.type == ValueType::duration) return not_allowed(row, raw, "the unit is missing");
    if (*number >= 0) amount = static_cast<std::uint64_t>(*number);
  } else if (const auto* text = std::get_if<std::string>(&raw)) {
    switch (row.type) {
      case ValueType::size:
        amount = parse_with_unit(*text, sizes);
        break;
      case ValueType::duration:
        amount = parse_with_unit(*text, durations);
        break;
      default:
        if (source == RawSource::file) return not_allowed(row, raw, "a number stands without quotes");
        amount = parse_number(*text);
    }
  }
  const bool is_in_range = amount && *amount >= row.least * unit && *amount <= row.most * unit;
  if (!is_in_range || *amount % row.multiple_of != 0) return not_allowed(row, raw);
  return *amount;
}

Checked parse_address(const KeyRow& row, const std::string& text) {
  const auto is_odd = [](char c) { return static_cast<unsigned char>(c) <= 0x20 || c == 0x7f || c == ','; };
  if (std::ranges::any_of(text, is_odd)) return not_allowed(row, text, "white space has no place there");
  auto address = io::Address::parse(text);
  if (!address) return std::unexpected(address.error().message);
  return *std::move(address);
}

Checked check_address(const KeyRow& row, const RawValue& raw) {
  const auto* text = std::get_if<std::string>(&raw);
  if (text == nullptr) return not_allowed(row, raw);
  return parse_address(row, *text);
}

// Stays text, because there may be none.
Checked check_optional_address(const KeyRow& row, const RawValue& raw) {
  const auto* text = std::get_if<std::string>(&raw);
  if (text == nullptr) return not_allowed(row, raw);
  if (text->empty()) return *text;
  const Checked address = parse_address(row, *text);
  if (!address) return address;
  return std::get<io::Address>(*address).describe();
}

Checked check_peers(const KeyRow& row, const RawValue& raw) {
  std::vector<std::string> texts;
  if (const auto* list = std::get_if<std::vector<std::string>>(&raw)) {
    texts = *list;
  } else if (const auto* text = std::get_if<std::string>(&raw)) {
    std::string_view rest = *text;
    while (!rest.empty()) {
      const auto comma = rest.find(',');
      texts.emplace_back(rest.substr(0, comma));
      if (comma == std::string_view::npos) break;
      rest.remove_prefix(comma + 1);
      if (rest.empty()) return not_allowed(row, raw, "nothing follows the last comma");
    }
  } else {
    return not_allowed(row, raw);
  }
  std::vector<io::Address> peers;
  for (const std::string& text : texts) {
    auto address = parse_address(row, text);
    if (!address) return address;
    peers.push_back(std::get<io::Address>(*std::move(address)));
  }
  return peers;
}

bool is_name(std::string_view text) {
  if (text.empty() || text.size() > 63) return false;
  return text.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") ==
         std::string_view::npos;
}

bool is_clean(std::string_view text) {
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) return false;
  }
  return text.size() <= 4096;
}

bool is_choice(const KeyRow& row, std::string_view text) {
  std::string_view rest = row.choices;
  while (true) {
    const auto comma = rest.find(", ");
    if (rest.substr(0, comma) == text) return true;
    if (comma == std::string_view::npos) return false;
    rest.remove_prefix(comma + 2);
  }
}

bool is_url(std::string_view text) {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (text.starts_with(scheme))
      return text.size() > scheme.size() && text.find(' ') == std::string_view::npos;
  }
  return false;
}

Checked check_text(const KeyRow& row, const RawValue& raw, RawSource source) {
  const auto* text = std::get_if<std::string>(&raw);
  if (text == nullptr || !is_clean(*text)) return not_allowed(row, raw);
  switch (row.type) {
    case ValueType::path:
      if (text->empty()) return not_allowed(row, raw);
      if (source == RawSource::file && !text->starts_with('/'))
        return not_allowed(row, raw, "it is relative");
      break;
    case ValueType::choice:
      if (!is_choice(row, *text)) return not_allowed(row, raw);
      break;
    case ValueType::name:
      if (!is_name(*text)) return not_allowed(row, raw);
      break;
    case ValueType::url:
      if (!is_url(*text)) return not_allowed(row, raw);
      break;
    default:
      break;
  }
  return *text;
}

bool is_off(const Value& value) {
  if (const auto* flag = std::get_if<bool>(&value)) return !*flag;
  if (const auto* text = std::get_if<std::string>(&value)) return text->empty();
  if (const auto* peers = std::get_if<std::vector<io::Address>>(&value)) return peers->empty();
  return false;
}

Checked check_type(const KeyRow& row, const RawValue& raw, RawSource source) {
  switch (row.type) {
    case ValueType::boolean:
      return check_boolean(row, raw, source);
    case ValueType::count:
    case ValueType::size:
    case ValueType::duration:
      return check_amount(row, raw, source);
    case ValueType::address:
      return check_address(row, raw);
    case ValueType::optional_address:
      return check_optional_address(row, raw);
    case ValueType::peers:
      return check_peers(row, raw);
    case ValueType::path:
    case ValueType::choice:
    case ValueType::name:
    case ValueType::url:
    case ValueType::text:
      return check_text(row, raw, source);
  }
  return not_allowed(row, raw);
}

template <std::size_t N>
std::string with_unit(std::uint64_t amount, const std::array<Unit, N>& units) {
  const Unit* best = nullptr;
  for (const Unit& unit : units) {
    if (unit.name.empty() || amount % unit.factor != 0) continue;
    if (best == nullptr || unit.factor > best->factor) best = &unit;
  }
  if (best == nullptr) return std::to_string(amount);
  return std::to_string(amount / best->factor) + std::string(best->name);
}

}  // namespace

std::string quoted(std::string_view text) {
  return in_quotes(text, 120);
}

std::expected<Value, std::string> check_value(const KeyRow& row, const RawValue& raw, RawSource source) {
  Checked value = check_type(row, raw, source);
  if (value && row.effect == Effect::refused && !is_off(*value)) {
    return std::unexpected(std::visit(Shown{}, raw) + " is refused: " + std::string(row.why));
  }
  return value;
}

std::string describe_value(const KeyRow& row, const Value& value) {
  const auto whole = [](std::string_view text) { return in_quotes(text, text.size()); };
  if (const auto* flag = std::get_if<bool>(&value)) return *flag ? "true" : "false";
  if (const auto* text = std::get_if<std::string>(&value)) return whole(*text);
  if (const auto* address = std::get_if<io::Address>(&value)) return whole(address->describe());
  if (const auto* amount = std::get_if<std::uint64_t>(&value)) {
    if (row.type == ValueType::size) return whole(with_unit(*amount, sizes));
    if (row.type == ValueType::duration) return whole(with_unit(*amount, durations));
    return std::to_string(*amount);
  }
  std::string joined;
  for (const io::Address& peer : std::get<std::vector<io::Address>>(value)) {
    if (!joined.empty()) joined += ",";
    joined += peer.describe();
  }
  return whole(joined);
}

}  // namespace verity::tools
