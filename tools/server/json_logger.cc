#include "tools/server/json_logger.h"

#include "io/clock.h"

#include <unistd.h>
#include <array>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstdio>

namespace verity::tools {
namespace {

std::string_view level_name(io::LogLevel level) {
  switch (level) {
    case io::LogLevel::trace:
      return "TRACE";
    case io::LogLevel::debug:
      return "DEBUG";
    case io::LogLevel::info:
      return "INFO";
    case io::LogLevel::warn:
      return "WARN";
    case io::LogLevel::error:
      return "ERROR";
  }
  return "ERROR";
}

// "2024-01-15T10:30:00.000Z": milliseconds, as log collectors expect.
std::string timestamp_text(Timestamp at) {
  std::string text = at.describe();  // …:00.000000Z
  text.erase(text.size() - 4, 3);
  return text;
}

// The length of the UTF-8 sequence at the front of `text`, or 0 if there is none.
std::size_t utf8_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const auto continues = [&](std::size_t i) { return i < text.size() && (byte(i) & 0xc0) == 0x80; };
  const unsigned lead = byte(0);
  if (lead < 0x80) return 1;
  if (lead >= 0xc2 && lead <= 0xdf) return continues(1) ? 2 : 0;
  if (lead >= 0xe0 && lead <= 0xef) {
    if (!continues(1) || !continues(2)) return 0;
    if (lead == 0xe0 && byte(1) < 0xa0) return 0;  // overlong
    if (lead == 0xed && byte(1) > 0x9f) return 0;  // surrogates
    return 3;
  }
  if (lead >= 0xf0 && lead <= 0xf4) {
    if (!continues(1) || !continues(2) || !continues(3)) return 0;
    if (lead == 0xf0 && byte(1) < 0x90) return 0;
    if (lead == 0xf4 && byte(1) > 0x8f) return 0;
    return 4;
  }
  return 0;
}

struct AppendValue {
  std::string& out;

  void operator()(std::uint64_t number) const { out += std::to_string(number); }
  void operator()(std::int64_t number) const { out += std::to_string(number); }
  void operator()(bool flag) const { out += flag ? "true" : "false"; }
  void operator()(const std::string& text) const { append_json_string(out, text); }
  void operator()(double number) const {
    if (!std::isfinite(number)) {  // JSON has no such numbers
      out += "null";
      return;
    }
    std::array<char, 64> text{};
    const auto [end, error] = std::to_chars(text.data(), text.data() + text.size(), number);
    out.append(text.data(), error == std::errc() ? end : text.data());
  }
};

}  // namespace

void append_json_string(std::string& out, std::string_view text) {
  out += '"';
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    const char c = text.front();
    if (length == 0) {
      out += "\xef\xbf\xbd";
    } else if (length > 1) {
      out += text.substr(0, length);
    } else if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (static_cast<unsigned char>(c) < 0x20) {
      std::array<char, 8> escape{};
      std::snprintf(escape.data(), escape.size(), "\\u%04x", static_cast<unsigned>(c));
      out += escape.data();
    } else {
      out += c;
    }
    text.remove_prefix(length == 0 ? 1 : length);
  }
  out += '"';
}

JsonLogger::JsonLogger(int descriptor, const io::Clock& clock, io::LogLevel least)
    : descriptor_(descriptor), clock_(clock), least_(least) {}

void JsonLogger::log(io::LogLevel level, std::string_view target, std::string_view message,
                     std::initializer_list<io::LogField> fields) {
  if (!enabled(level)) return;
  std::string line = "{\"timestamp\":\"" + timestamp_text(clock_.realtime()) + "\",\"level\":\"";
  line += level_name(level);
  line += "\",\"target\":";
  append_json_string(line, target);
  line += ",\"message\":";
  append_json_string(line, message);
  line += ",\"fields\":{";
  bool first = true;
  for (const io::LogField& field : fields) {
    if (!first) line += ',';
    first = false;
    append_json_string(line, field.name);
    line += ':';
    std::visit(AppendValue{line}, field.value);
  }
  line += "}}\n";
  std::string_view rest = line;
  while (!rest.empty()) {
    const ssize_t written = ::write(descriptor_, rest.data(), rest.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return;
    rest.remove_prefix(static_cast<std::size_t>(written));
  }
}

}  // namespace verity::tools
