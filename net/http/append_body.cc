#include "net/http/append_body.h"

#include "net/http/cloud_event.h"
#include "net/http/event_fields.h"
#include "net/http/json_check.h"
#include "net/http/json_slice.h"

#include <array>
#include <cctype>

namespace verity::http {

namespace {

constexpr std::array<std::string_view, 6> event_keys = {"type", "data",    "metadata",
                                                        "id",   "subject", "expected_subject_revision"};
constexpr std::array<std::string_view, 3> stream_keys = {"stream", "expected_revision", "events"};

std::optional<std::size_t> find_key(std::span<const std::string_view> keys, std::string_view key) {
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (keys[i] == key) return i;
  }
  return std::nullopt;
}

std::string unknown_key(Place place, std::string_view key, std::span<const std::string_view> allowed) {
  std::string text = std::string(place) + ": unknown key \"" + excerpt(key) + "\"; allowed:";
  for (std::size_t i = 0; i < allowed.size(); ++i) {
    text += i == 0 ? " " : ", ";
    text += allowed[i];
  }
  return text;
}

std::string twice(Place place, std::string_view key) {
  return std::string(place) + ": the key \"" + std::string(key) + "\" stands there twice";
}

std::string missing(Place place, std::string_view key) {
  return std::string(place) + ": the key \"" + std::string(key) + "\" is missing";
}

Fault parse_plain_event(Place place, std::string_view object, std::deque<std::string>& texts,
                        node::NewEvent& event) {
  std::array<bool, event_keys.size()> seen{};
  JsonObjectWalker walker(object);
  while (const auto member = walker.next()) {
    const std::string_view name = key_text(*member, texts);
    const auto key = find_key(event_keys, name);
    if (!key) return unknown_key(place, name, event_keys);
    if (seen[*key]) return twice(place, name);
    seen[*key] = true;
    const std::string_view value = member->value;
    Fault fault;
    if (name == "type") {
      fault = read_string(place, name, value, texts, event.type);
    } else if (name == "data") {
      event.data = value;
    } else if (name == "metadata") {
      if (kind_of(value) != JsonKind::object) fault = wrong_type(place, name, value, "an object");
      event.metadata = value;
    } else if (name == "id") {
      fault = read_string(place, name, value, texts, event.id);
    } else if (name == "subject") {
      fault = read_string(place, name, value, texts, event.subject);
    } else {
      fault = read_expectation(place, name, value, event.subject_expected);
    }
    if (fault) return fault;
  }
  if (event.type.empty()) return missing(place, "type");
  if (event.data.empty()) return missing(place, "data");
  if (event.subject.empty() && seen[5]) {
    return std::string(place) + ": \"expected_subject_revision\" needs a \"subject\"";
  }
  return std::nullopt;
}

bool is_cloud_event(EventFormat format) {
  return format == EventFormat::cloud_event || format == EventFormat::cloud_event_batch;
}

Fault add_event(Place place, std::string_view value, bool is_cloud, std::vector<node::NewEvent>& events,
                std::deque<std::string>& texts) {
  if (kind_of(value) != JsonKind::object) {
    return std::string(place) + " is " + std::string(describe(kind_of(value))) + "; allowed: an object";
  }
  node::NewEvent& event = events.emplace_back();
  return is_cloud ? parse_cloud_event(place, value, texts, event)
                  : parse_plain_event(place, value, texts, event);
}

Problem too_many_events() {
  return content_too_large("the request has more than " + std::to_string(events_per_request_max) +
                           " events; send them in several requests");
}

// Each event of `array`; `prefix` stands before "event N" in messages.
std::optional<Problem> add_events(std::string_view prefix, std::string_view array, bool is_cloud,
                                  std::vector<node::NewEvent>& events, std::deque<std::string>& texts) {
  JsonArrayWalker walker(array);
  std::string place;
  for (std::size_t index = 0; const auto value = walker.next(); ++index) {
    if (index == events_per_request_max) return too_many_events();
    place.assign(prefix);
    place += "event ";
    place += std::to_string(index);
    if (auto fault = add_event(place, *value, is_cloud, events, texts))
      return invalid_request(std::move(*fault));
  }
  return std::nullopt;
}

std::expected<EventList, Problem> parse_lines(JsonChecker& checker, std::string_view body) {
  EventList list;
  for (std::size_t line_number = 1; !body.empty(); ++line_number) {
    const auto end = body.find('\n');
    const std::string_view line = trim_json(body.substr(0, end));
    body = end == std::string_view::npos ? std::string_view() : body.substr(end + 1);
    if (line.empty()) continue;
    if (list.events.size() == events_per_request_max) return std::unexpected(too_many_events());
    const std::string place = "line " + std::to_string(line_number);
    if (auto fault = checker.find_fault(line, event_depth_max, 1)) {
      return std::unexpected(invalid_request(place + ": " + *fault));
    }
    if (auto fault = add_event(place, line, false, list.events, list.texts)) {
      return std::unexpected(invalid_request(std::move(*fault)));
    }
  }
  if (list.events.empty()) return std::unexpected(invalid_request("the body has no events"));
  return list;
}

Fault parse_stream(Place place, std::string_view object, node::StreamAppend& stream,
                   std::deque<std::string>& texts, std::string_view& events) {
  std::array<bool, stream_keys.size()> seen{};
  JsonObjectWalker walker(object);
  while (const auto member = walker.next()) {
    const std::string_view name = key_text(*member, texts);
    const auto key = find_key(stream_keys, name);
    if (!key) return unknown_key(place, name, stream_keys);
    if (seen[*key]) return twice(place, name);
    seen[*key] = true;
    Fault fault;
    if (name == "stream") {
      fault = read_string(place, name, member->value, texts, stream.stream);
    } else if (name == "expected_revision") {
      fault = read_expectation(place, name, member->value, stream.expected);
    } else {
      if (kind_of(member->value) != JsonKind::array)
        return wrong_type(place, name, member->value, "an array of events");
      events = member->value;
    }
    if (fault) return fault;
  }
  for (std::size_t required : {std::size_t{0}, std::size_t{2}}) {
    if (!seen[required]) return missing(place, stream_keys[required]);
  }
  return std::nullopt;
}

// The array under "streams", the only key there is.
std::expected<std::string_view, std::string> find_streams(std::string_view object) {
  std::string_view streams;
  std::deque<std::string> texts;
  constexpr std::array<std::string_view, 1> keys = {"streams"};
  JsonObjectWalker walker(object);
  while (const auto member = walker.next()) {
    const std::string_view name = key_text(*member, texts);
    if (name != "streams") return std::unexpected(unknown_key("the body", name, keys));
    if (!streams.empty()) return std::unexpected(twice("the body", name));
    if (kind_of(member->value) != JsonKind::array) {
      return std::unexpected(wrong_type("the body", name, member->value, "an array of streams"));
    }
    streams = member->value;
  }
  if (streams.empty()) return std::unexpected(missing("the body", "streams"));
  return streams;
}

}  // namespace

std::string_view describe(EventFormat format) {
  switch (format) {
    case EventFormat::json:
      return "application/json";
    case EventFormat::ndjson:
      return "application/x-ndjson";
    case EventFormat::cloud_event:
      return "application/cloudevents+json";
    case EventFormat::cloud_event_batch:
      return "application/cloudevents-batch+json";
  }
  return "unknown";
}

std::optional<EventFormat> parse_event_format(std::string_view content_type) {
  std::string lower;
  for (const char c : content_type) lower += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  std::string_view media = lower;
  media = trim_json(media.substr(0, media.find(';')));
  const std::string_view parameters = std::string_view(lower).substr(std::min(lower.find(';'), lower.size()));
  if (const auto charset = parameters.find("charset="); charset != std::string_view::npos) {
    const std::string_view value = parameters.substr(charset + 8);
    if (!value.starts_with("utf-8") && !value.starts_with("\"utf-8\"")) return std::nullopt;
  }
  for (const EventFormat format :
       {EventFormat::json, EventFormat::ndjson, EventFormat::cloud_event, EventFormat::cloud_event_batch}) {
    if (media == describe(format)) return format;
  }
  return std::nullopt;
}

std::expected<EventList, Problem> parse_events(JsonChecker& checker, std::string_view body,
                                               EventFormat format) {
  if (format == EventFormat::ndjson) return parse_lines(checker, body);
  const std::string_view text = trim_json(body);
  if (text.empty())
    return std::unexpected(invalid_request("the body is empty; allowed: one event or an array of events"));
  const bool is_array = text.front() == '[';
  if (auto fault = checker.find_fault(body, event_depth_max, is_array ? 2 : 1)) {
    return std::unexpected(invalid_request("the body: " + *fault));
  }
  EventList list;
  const bool is_cloud = is_cloud_event(format);
  if (format == EventFormat::cloud_event_batch && !is_array) {
    return std::unexpected(invalid_request("the body is " + std::string(describe(kind_of(text))) +
                                           "; allowed for application/cloudevents-batch+json: an array"));
  }
  if (format == EventFormat::cloud_event || !is_array) {
    if (auto fault = add_event("event 0", text, is_cloud, list.events, list.texts)) {
      return std::unexpected(invalid_request(std::move(*fault)));
    }
    return list;
  }
  if (auto problem = add_events("", text, is_cloud, list.events, list.texts))
    return std::unexpected(*problem);
  if (list.events.empty()) return std::unexpected(invalid_request("the body has no events"));
  return list;
}

std::expected<StreamList, Problem> parse_streams(JsonChecker& checker, std::string_view body) {
  const std::string_view text = trim_json(body);
  if (text.empty()) return std::unexpected(invalid_request("the body is empty; allowed: {\"streams\":[…]}"));
  // { streams [ { events [ { data
  if (auto fault = checker.find_fault(body, event_depth_max, 5)) {
    return std::unexpected(invalid_request("the body: " + *fault));
  }
  if (kind_of(text) != JsonKind::object) {
    return std::unexpected(invalid_request("the body is " + std::string(describe(kind_of(text))) +
                                           "; allowed: {\"streams\":[…]}"));
  }
  const auto streams = find_streams(text);
  if (!streams) return std::unexpected(invalid_request(streams.error()));

  StreamList list;
  std::size_t event_count = 0;
  JsonArrayWalker walker(*streams);
  for (std::size_t index = 0; const auto value = walker.next(); ++index) {
    const std::string place = "stream " + std::to_string(index);
    if (kind_of(*value) != JsonKind::object) {
      return std::unexpected(
          invalid_request(place + " is " + std::string(describe(kind_of(*value))) + "; allowed: an object"));
    }
    node::StreamAppend& stream = list.streams.emplace_back();
    std::string_view events;
    if (auto fault = parse_stream(place, *value, stream, list.texts, events)) {
      return std::unexpected(invalid_request(std::move(*fault)));
    }
    if (auto problem = add_events(place + ", ", events, false, stream.events, list.texts)) {
      return std::unexpected(*problem);
    }
    if (stream.events.empty()) return std::unexpected(invalid_request(place + ": \"events\" is empty"));
    event_count += stream.events.size();
    if (event_count > events_per_request_max) return std::unexpected(too_many_events());
  }
  if (list.streams.empty()) return std::unexpected(invalid_request("the body: \"streams\" is empty"));
  return list;
}

}  // namespace verity::http
