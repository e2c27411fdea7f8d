#include "net/http/json_check.h"

#include "io/base/assert.h"
#include "io/base/units.h"

#include <simdjson.h>
#include <nlohmann/json.hpp>

#include <algorithm>

namespace verity::http {

namespace {

// Above this size the parser's memory (about 14 bytes per byte of text) is given back after use.
constexpr std::size_t kept_text_bytes_max = 1 * MiB;

// Finds the first fault, or none, and how deep the text nests. Numbers are left as text, so that their size
// is nobody's business but the grammar's; only those no double can hold are refused by the library itself.
class FaultFinder final : public nlohmann::json_sax<nlohmann::json> {
 public:
  explicit FaultFinder(std::size_t depth_max) : depth_max_(depth_max) {}

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
    std::string text = "invalid JSON at byte " + std::to_string(position) + ": " + describe(error);
    if (error.id == number_out_of_range) text += " (" + token + ")";
    fault_ = std::move(text);
    return false;
  }

  const std::optional<std::string>& fault() const { return fault_; }

 private:
  static constexpr int number_out_of_range = 406;

  bool enter() {
    if (++depth_ <= depth_max_) return true;
    fault_ = "arrays and objects nest deeper than " + std::to_string(depth_max_) + " levels";
    return false;
  }
  bool leave() {
    --depth_;
    return true;
  }
  // Without the library's own number in brackets in front.
  static std::string describe(const nlohmann::detail::exception& error) {
    const std::string_view text = error.what();
    const auto place_end = text.find(": ");
    return std::string(place_end == std::string_view::npos ? text : text.substr(place_end + 2));
  }

  const std::size_t depth_max_;
  std::size_t depth_ = 0;
  std::optional<std::string> fault_;
};

std::optional<std::string> find_fault_slowly(std::string_view text, std::size_t depth_max) {
  FaultFinder finder(depth_max);
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

std::optional<std::string> JsonChecker::find_fault(std::string_view text, std::size_t depth_max) {
  if (text.starts_with("\xEF\xBB\xBF"))
    return "the text begins with a byte order mark; JSON is sent without one";
  // simdjson does not count an empty innermost level: what it lets pass nests at most `depth_max` deep, and where it
  // refuses, the exact answer comes from the slow way.
  const std::size_t capacity = std::max<std::size_t>(text.size(), 64);
  if (const auto error =
          parsers_->parser.allocate(std::max(capacity, parsers_->parser.capacity()), depth_max);
      error != simdjson::SUCCESS) {
    return "no memory to check " + std::to_string(text.size()) + " bytes of JSON";
  }
  const auto error = parsers_->parser.parse(text.data(), text.size()).error();
  if (parsers_->parser.capacity() > kept_text_bytes_max) parsers_ = std::make_unique<Parsers>();
  if (error == simdjson::SUCCESS) return std::nullopt;

  auto fault = find_fault_slowly(text, depth_max);
  // The two differ on integers beyond 64 bits and on the deepest level only.
  if (!fault && error != simdjson::NUMBER_ERROR && error != simdjson::DEPTH_ERROR) {
    fault = std::string("invalid JSON: ") + simdjson::error_message(error);
  }
  return fault;
}

std::string unescape_json_string(std::string_view quoted) {
  const auto value = nlohmann::json::parse(quoted.begin(), quoted.end(), nullptr, false);
  VERITY_ASSERT_NOTE(value.is_string(), "only checked JSON strings are unescaped");
  return value.get<std::string>();
}

}  // namespace verity::http
