#include "tools/server/config.h"
#include "tools/server/nearest.h"

namespace verity::tools {
namespace {

// Flags that set no key.
constexpr std::string_view plain_flags[] = {"--config", "--force-recover", "--validate", "--help",
                                            "-h",       "--version",       "-V"};

std::string unknown_flag(std::string_view flag) {
  std::vector<std::string_view> known(std::begin(plain_flags), std::end(plain_flags));
  for (const KeyRow& row : key_table()) {
    if (row.has_flag()) known.push_back(row.flag.name);
  }
  std::string message = "unknown option " + std::string(flag);
  if (const auto near = nearest(flag, known)) message += "; did you mean " + std::string(*near) + "?";
  return message;
}

}  // namespace

CommandLine parse_command_line(std::span<const std::string_view> arguments) {
  CommandLine line;
  const auto complain = [&](std::string message) { line.problems.push_back(std::move(message)); };
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string_view argument = arguments[i];
    if (!argument.starts_with('-') || argument == "-" || argument == "--") {
      complain("unexpected argument \"" + std::string(argument) + "\"; verity-server takes options only");
      continue;
    }
    // "--flag=value" or "--flag value".
    const auto equals = argument.starts_with("--") ? argument.find('=') : std::string_view::npos;
    const std::string_view flag = argument.substr(0, equals);
    std::optional<std::string_view> value;
    if (equals != std::string_view::npos) value = argument.substr(equals + 1);
    const auto take_value = [&]() -> std::optional<std::string> {
      if (!value && i + 1 < arguments.size() && !arguments[i + 1].starts_with("--")) value = arguments[++i];
      if (value) return std::string(*value);
      complain(std::string(flag) + " needs a value");
      return std::nullopt;
    };
    const auto refuse_value = [&] {
      if (value)
        complain(std::string(flag) + " takes no value, but was given \"" + std::string(*value) + "\"");
      return !value;
    };

    if (flag == "--help" || flag == "-h") {
      if (refuse_value()) line.action = CommandLine::Action::help;
    } else if (flag == "--version" || flag == "-V") {
      if (refuse_value() && line.action != CommandLine::Action::help)
        line.action = CommandLine::Action::version;
    } else if (flag == "--validate") {
      if (refuse_value() && line.action == CommandLine::Action::run)
        line.action = CommandLine::Action::validate;
    } else if (flag == "--force-recover") {
      line.force_recover = true;
      line.force_recover_epoch = value.value_or("");
    } else if (flag == "--config") {
      if (auto path = take_value()) {
        if (line.config_path) complain("--config is given twice");
        line.config_path = std::move(path);
      }
    } else if (const KeyRow* row = find_flag(flag)) {
      std::optional<std::string> text;
      if (row->flag.metavar.empty()) {
        if (refuse_value()) text = "true";
      } else {
        text = take_value();
      }
      if (text && !line.settings.emplace(row->key, *text).second)
        complain(std::string(flag) + " is given twice");
    } else {
      complain(unknown_flag(flag));
    }
  }
  return line;
}

}  // namespace verity::tools
