#include "io/logger.h"

#include <array>
#include <utility>

namespace verity::io {
namespace {

constexpr std::array<std::pair<LogLevel, std::string_view>, 5> names = {{
    {LogLevel::trace, "trace"},
    {LogLevel::debug, "debug"},
    {LogLevel::info, "info"},
    {LogLevel::warn, "warn"},
    {LogLevel::error, "error"},
}};

}  // namespace

std::string_view describe(LogLevel level) {
  for (const auto& [known, name] : names) {
    if (known == level) return name;
  }
  return "unknown";
}

std::optional<LogLevel> parse_log_level(std::string_view text) {
  for (const auto& [level, name] : names) {
    if (name == text) return level;
  }
  return std::nullopt;
}

}  // namespace verity::io
