#include "net/http/cloud_event.h"

#include <algorithm>
#include <vector>

namespace verity::http {

namespace {

bool is_attribute_name(std::string_view name) {
  return !name.empty() &&
         std::ranges::all_of(name, [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); });
}

std::string missing(Place place, std::string_view name) {
  return std::string(place) + ": the attribute \"" + std::string(name) +
         "\" is missing; CloudEvents 1.0 requires it";
}

}  // namespace

Fault parse_cloud_event(Place place, std::string_view object, std::deque<std::string>& texts,
                        node::NewEvent& event) {
  std::vector<std::string_view> names;
  std::string metadata;
  std::string_view version;
  std::string_view source;
  JsonObjectWalker walker(object);
  while (const auto member = walker.next()) {
    const std::string_view name = key_text(*member, texts);
    const std::string_view value = member->value;
    names.push_back(name);
    Fault fault;
    if (name == "type") {
      fault = read_string(place, name, value, texts, event.type);
    } else if (name == "id") {
      fault = read_string(place, name, value, texts, event.id);
    } else if (name == "subject") {
      fault = read_string(place, name, value, texts, event.subject);
    } else if (name == "data") {
      event.data = value;
    } else if (name == "data_base64") {
      fault = std::string(place) +
              ": \"data_base64\" is not supported, because data is kept as the JSON text that was sent; send "
              "the bytes "
              "as a string in \"data\"";
    } else if (!is_attribute_name(name)) {
      fault =
          std::string(place) + ": \"" + excerpt(name) + "\" is not an attribute name; allowed: a-z and 0-9";
    } else if (kind_of(value) == JsonKind::object || kind_of(value) == JsonKind::array) {
      fault = wrong_type(place, name, value, "a string, a number, a boolean or null");
    } else {
      if (name == "specversion") fault = read_string(place, name, value, texts, version);
      if (name == "source") fault = read_string(place, name, value, texts, source);
      metadata += metadata.empty() ? '{' : ',';
      metadata += member->key;
      metadata += ':';
      metadata += value;
    }
    if (fault) return fault;
  }
  std::ranges::sort(names);
  if (const auto twice = std::ranges::adjacent_find(names); twice != names.end()) {
    return std::string(place) + ": the attribute \"" + excerpt(*twice) + "\" stands there twice";
  }
  if (version.empty()) return missing(place, "specversion");
  if (version != "1.0") {
    return std::string(place) + ": \"specversion\" is \"" + excerpt(version) + "\"; allowed: \"1.0\"";
  }
  if (event.type.empty()) return missing(place, "type");
  if (event.id.empty()) return missing(place, "id");
  if (source.empty()) return missing(place, "source");
  if (event.data.empty()) event.data = "null";
  metadata += '}';
  event.metadata = texts.emplace_back(std::move(metadata));
  return std::nullopt;
}

}  // namespace verity::http
