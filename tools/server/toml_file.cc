#include "tools/server/toml_file.h"

#include <toml++/toml.h>

#include <algorithm>
#include <tuple>

namespace verity::tools {
namespace {

std::string kind_of(const toml::node& node) {
  switch (node.type()) {
    case toml::node_type::table:
      return "a table";
    case toml::node_type::array:
      return "a list";
    case toml::node_type::date:
      return "a date";
    case toml::node_type::time:
      return "a time";
    case toml::node_type::date_time:
      return "a date and time";
    default:
      return "a value of another kind";
  }
}

RawValue raw_value(const toml::node& node) {
  if (const auto* text = node.as_string()) return text->get();
  if (const auto* number = node.as_integer()) return number->get();
  if (const auto* number = node.as_floating_point()) return number->get();
  if (const auto* flag = node.as_boolean()) return flag->get();
  if (const auto* list = node.as_array()) {
    std::vector<std::string> texts;
    for (const toml::node& item : *list) {
      const auto* text = item.as_string();
      if (text == nullptr) return RawOther{"a list of something else than strings"};
      texts.push_back(text->get());
    }
    return texts;
  }
  return RawOther{kind_of(node)};
}

void collect(const toml::table& table, const std::string& section, std::vector<FileSetting>& out) {
  for (const auto& [key, node] : table) {
    const std::string name(key.str());
    const toml::table* inner = node.as_table();
    // A table is a section; an empty one stays visible as a setting, so that a misspelt section is noticed.
    if (inner != nullptr && !inner->empty()) {
      collect(*inner, section.empty() ? name : section + "." + name, out);
      continue;
    }
    out.push_back({section, name, raw_value(node), static_cast<std::uint32_t>(key.source().begin.line)});
  }
}

}  // namespace

TomlFile parse_toml(std::string_view text) {
  TomlFile file;
  try {
    const toml::table root = toml::parse(text);
    collect(root, "", file.settings);
  } catch (const toml::parse_error& error) {
    file.settings.clear();
    file.syntax_error = std::string(error.description());
    file.error_line = static_cast<std::uint32_t>(error.source().begin.line);
  } catch (const std::exception& error) {
    file.settings.clear();
    file.syntax_error = error.what();
  }
  // The library sorts by name; people read from top to bottom.
  std::ranges::sort(file.settings, {}, [](const FileSetting& setting) {
    return std::tie(setting.line, setting.section, setting.name);
  });
  return file;
}

}  // namespace verity::tools
