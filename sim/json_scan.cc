#include "sim/json_scan.h"

#include <charconv>

namespace verity::sim {
namespace {

bool is_white(char c) {
  return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

// Walks over one value; npos means that there is none.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  void skip_white() {
    while (at_ < text_.size() && is_white(text_[at_])) ++at_;
  }
  bool take(char c) {
    skip_white();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  bool at_end() {
    skip_white();
    return at_ == text_.size();
  }

  std::optional<std::string_view> value(int depth = 0) {
    skip_white();
    if (at_ >= text_.size() || depth > 200) return std::nullopt;
    const std::size_t begin = at_;
    bool fine = false;
    switch (text_[at_]) {
      case '{':
        fine = members(depth);
        break;
      case '[':
        fine = elements(depth);
        break;
      case '"':
        fine = string_token();
        break;
      default:
        fine = plain_token();
        break;
    }
    if (!fine) return std::nullopt;
    return text_.substr(begin, at_ - begin);
  }

  std::optional<std::string_view> key() {
    skip_white();
    const std::size_t begin = at_;
    if (at_ >= text_.size() || text_[at_] != '"' || !string_token()) return std::nullopt;
    const auto token = text_.substr(begin, at_ - begin);
    if (!take(':')) return std::nullopt;
    return token;
  }

 private:
  bool members(int depth) {
    ++at_;
    if (take('}')) return true;
    do {
      if (!key() || !value(depth + 1)) return false;
    } while (take(','));
    return take('}');
  }
  bool elements(int depth) {
    ++at_;
    if (take(']')) return true;
    do {
      if (!value(depth + 1)) return false;
    } while (take(','));
    return take(']');
  }
  bool string_token() {
    for (++at_; at_ < text_.size(); ++at_) {
      if (text_[at_] == '\\') {
        ++at_;
      } else if (text_[at_] == '"') {
        ++at_;
        return true;
      }
    }
    return false;
  }
  bool plain_token() {
    const std::size_t begin = at_;
    at_ = std::min(text_.find_first_of(",]} \t\r\n", at_), text_.size());
    return at_ > begin;
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

void put_utf8(std::string& out, std::uint32_t code) {
  const auto put = [&](std::uint32_t byte) { out += static_cast<char>(byte); };
  if (code < 0x80) {
    put(code);
  } else if (code < 0x800) {
    put(0xc0 | code >> 6);
    put(0x80 | (code & 0x3f));
  } else if (code < 0x10000) {
    put(0xe0 | code >> 12);
    put(0x80 | (code >> 6 & 0x3f));
    put(0x80 | (code & 0x3f));
  } else {
    put(0xf0 | code >> 18);
    put(0x80 | (code >> 12 & 0x3f));
    put(0x80 | (code >> 6 & 0x3f));
    put(0x80 | (code & 0x3f));
  }
}

std::optional<std::uint32_t> hex4(std::string_view text) {
  if (text.size() < 4) return std::nullopt;
  std::uint32_t code = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + 4, code, 16);
  if (error != std::errc() || end != text.data() + 4) return std::nullopt;
  return code;
}

std::optional<std::string> unescape(std::string_view token) {
  if (token.size() < 2 || token.front() != '"' || token.back() != '"') return std::nullopt;
  token = token.substr(1, token.size() - 2);
  std::string out;
  for (std::size_t i = 0; i < token.size(); ++i) {
    if (token[i] != '\\') {
      out += token[i];
      continue;
    }
    if (++i == token.size()) return std::nullopt;
    switch (token[i]) {
      case 'b':
        out += '\b';
        break;
      case 'f':
        out += '\f';
        break;
      case 'n':
        out += '\n';
        break;
      case 'r':
        out += '\r';
        break;
      case 't':
        out += '\t';
        break;
      case 'u': {
        auto code = hex4(token.substr(i + 1));
        if (!code) return std::nullopt;
        i += 4;
        if (*code >= 0xd800 && *code < 0xdc00 && token.substr(i + 1).starts_with("\\u")) {
          const auto low = hex4(token.substr(i + 3));
          if (!low) return std::nullopt;
          code = 0x10000 + ((*code - 0xd800) << 10) + (*low - 0xdc00);
          i += 6;
        }
        put_utf8(out, *code);
        break;
      }
      default:
        out += token[i];
        break;
    }
  }
  return out;
}

}  // namespace

JsonValue JsonValue::operator[](std::string_view wanted) const {
  if (!is_object()) return {};
  Scanner scanner(text.substr(1));
  while (const auto key = scanner.key()) {
    const auto value = scanner.value();
    if (!value) return {};
    if (unescape(*key) == wanted) return {*value};
    if (!scanner.take(',')) break;
  }
  return {};
}

std::vector<JsonValue> JsonValue::items() const {
  std::vector<JsonValue> all;
  if (!is_array()) return all;
  Scanner scanner(text.substr(1));
  while (!scanner.take(']')) {
    const auto value = scanner.value();
    if (!value) break;
    all.push_back({*value});
    scanner.take(',');
  }
  return all;
}

std::optional<std::uint64_t> JsonValue::number() const {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

std::optional<std::string> JsonValue::string() const {
  return unescape(text);
}

std::optional<JsonValue> scan_json(std::string_view text) {
  Scanner scanner(text);
  const auto value = scanner.value();
  if (!value || !scanner.at_end()) return std::nullopt;
  return JsonValue{*value};
}

std::string quote_json(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (static_cast<unsigned char>(c) < 0x20) {
      constexpr std::string_view digits = "0123456789abcdef";
      out += "\\u00";
      out += digits[static_cast<unsigned char>(c) >> 4];
      out += digits[c & 15];
    } else {
      out += c;
    }
  }
  return out + '"';
}

}  // namespace verity::sim
