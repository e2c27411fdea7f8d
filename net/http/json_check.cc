#include "net/http/json_check.h"

#include "io/base/assert.h"
#include "io/base/bytes.h"
#include "io/base/units.h"
#include "net/http/event_fields.h"

#include <simdjson.h>
#include <nlohmann/json.hpp>

#include <algorithm>

namespace verity::http {

namespace {

// Above this size the parser's memory (about 14 bytes per byte of text) is given back after use.
constexpr std::size_t kept_text_bytes_max = 1 * MiB;

// `position` counts from 1.
std::string describe_unexpected(std::string_view text, std::size_t position) {
  if (position == 0 || position > text.size()) return "the text ends too early";
  const char found = text[position - 1];
  const bool is_visible = found > ' ' && found < 0x7f;
  return (is_visible ? "'" + std::string(1, found) + "'"
                     : "byte 0x" + to_hex(as_bytes(text.substr(position - 1, 1)))) +
         " cannot stand here";
}

// Finds the first fault, or none, and how deep the text nests. Numbers are left as text, so that their size
// is nobody's business but the grammar's; only those no double can hold are refused by the library itself.
class FaultFinder final : public nlohmann::json_sax<nlohmann::json> {
 public:
  FaultFinder(std::string_view text, std::size_t depth_max, std::size_t around)
      : text_(text), depth_max_(depth_max), around_(around) {}

  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const string_t&) override { return true; }
  bool string(string_t&) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool key(string_t&) override { return true; }
  bool start_object(std::size_t) override { return enter(); }
  bool start_array(std::size_t) override { return enter(); }
  bool end_object() override { return leave(); }
  bool end_array() override { return leave(); }
  bool parse_error(std::size_t position, const std::string& token,
                   const nlohmann::detail::exception& error) override {
    fault_ = "invalid JSON at byte ";
    if (error.id == number_out_of_range) {
      *fault_ += std::to_string(position + 1 - std::min(position, token.size())) + ": the number " +
                 excerpt(token) + " is too large; allowed: up to 1.797e308, and as far below 0";
    } else {
      *fault_ += std::to_string(position) + ": " + describe_unexpected(text_, position);
    }
    return false;
  }

  const std::optional<std::string>& fault() const { return fault_; }

 private:
  static constexpr int number_out_of_range = 406;

  bool enter() {
    if (++depth_ <= depth_max_ + around_) return true;
    fault_ = "arrays and objects nest deeper than " + std::to_string(depth_max_) + " levels";
    return false;
  }
  bool leave() {
    --depth_;
    return true;
  }
  const std::string_view text_;
  const std::size_t depth_max_;
  const std::size_t around_;
  std::size_t depth_ = 0;
  std::optional<std::string> fault_;
};

std::optional<std::string> find_fault_slowly(std::string_view text, std::size_t depth_max,
                                             std::size_t around) {
  FaultFinder finder(text, depth_max, around);
  const bool is_valid = nlohmann::json::sax_parse(text.begin(), text.end(), &finder);
  VERITY_ASSERT(is_valid == !finder.fault());
  return finder.fault();
}

}  // namespace

struct JsonChecker::Parsers {
  simdjson::dom::parser parser;
};

JsonChecker::JsonChecker() : parsers_(std::make_unique<Parsers>()) {}
JsonChecker::~JsonChecker() = default;

std::optional<std::string> JsonChecker::find_fault(std::string_view text, std::size_t depth_max,
                                                   std::size_t around) {
  if (text.starts_with("\xEF\xBB\xBF"))
    return "the text begins with a byte order mark; JSON is sent without one";
  // simdjson does not count an empty innermost level: what it lets pass nests at most that deep, and where it
  // refuses, the exact answer comes from the slow way.
  const std::size_t capacity = std::max<std::size_t>(text.size(), 64);
  if (const auto error =
          parsers_->parser.allocate(std::max(capacity, parsers_->parser.capacity()), depth_max + around);
      error != simdjson::SUCCESS) {
    return "no memory to check " + std::to_string(text.size()) + " bytes of JSON";
  }
  const auto error = parsers_->parser.parse(text.data(), text.size()).error();
  if (parsers_->parser.capacity() > kept_text_bytes_max) parsers_ = std::make_unique<Parsers>();
  if (error == simdjson::SUCCESS) return std::nullopt;

  auto fault = find_fault_slowly(text, depth_max, around);
  // The two differ on integers beyond 64 bits and on the deepest level only.
  if (!fault && error != simdjson::NUMBER_ERROR && error != simdjson::DEPTH_ERROR) {
    fault = "invalid JSON";
  }
  return fault;
}

std::string unescape_json_string(std::string_view quoted) {
  const auto value = nlohmann::json::parse(quoted.begin(), quoted.end(), nullptr, false);
  VERITY_ASSERT_NOTE(value.is_string(), "only checked JSON strings are unescaped");
  return value.get<std::string>();
}

}  // namespace verity::http
