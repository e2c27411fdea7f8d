// Where a component reports what an operator should know. One call is one line of structured output.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

namespace verity::io {

enum class LogLevel : std::uint8_t { trace, debug, info, warn, error };

std::string_view describe(LogLevel level);
// Nothing unless it is one of trace, debug, info, warn, error.
std::optional<LogLevel> parse_log_level(std::string_view text);

struct LogField {
  std::string_view name;
  std::variant<std::uint64_t, std::int64_t, double, bool, std::string> value;
};

class Logger {
 public:
  virtual ~Logger() = default;

  // `target` names the component: "verity_log", "verity_node", "verity_http".
  virtual void log(LogLevel level, std::string_view target, std::string_view message,
                   std::initializer_list<LogField> fields = {}) = 0;
  virtual bool enabled(LogLevel level) const = 0;
};

}  // namespace verity::io
