#include "sim/answers.h"

#include <charconv>

namespace verity::sim {

std::optional<Place> parse_place(std::string_view text) {
  Place place;
  const char* const end = text.data() + text.size();
  const auto first = std::from_chars(text.data(), end, place.position);
  if (first.ec != std::errc()) return std::nullopt;
  if (first.ptr == end) return place;
  if (*first.ptr != '.') return std::nullopt;
  const auto second = std::from_chars(first.ptr + 1, end, place.index);
  if (second.ec != std::errc() || second.ptr != end) return std::nullopt;
  return place;
}

std::string code_in(std::string_view problem) {
  const auto json = scan_json(problem);
  return json ? (*json)["code"].string().value_or("") : "";
}

std::optional<Ack> parse_ack(const SentRequest& sent, const HttpResponse& response) {
  const auto json = scan_json(response.body);
  if (!json) return std::nullopt;
  Ack ack;
  const auto position = (*json)["position"].number();
  const auto hash = (*json)["hash"].string();
  if (!position || !hash) return std::nullopt;
  ack.position = *position;
  ack.hash = *hash;
  ack.recorded_at = (*json)["recorded_at"].string().value_or("");
  ack.replayed = response.header("idempotent-replayed") == "true";
  const auto revisions = [&](JsonValue from, std::string stream) {
    const auto first = from["first_revision"].number();
    const auto last = from["last_revision"].number();
    if (!first || !last) return false;
    ack.streams.push_back({std::move(stream), *first, *last});
    return true;
  };
  if ((*json)["streams"]) {
    for (const JsonValue& stream : (*json)["streams"].items()) {
      if (!revisions(stream, stream["stream"].string().value_or(""))) return std::nullopt;
    }
  } else if (!revisions(*json, sent.streams.front().stream)) {
    return std::nullopt;
  }
  return ack;
}

std::vector<FailedExpectationSeen> parse_failed_expectations(const std::string& body) {
  std::vector<FailedExpectationSeen> failed;
  const JsonValue json = scan_json(body).value_or(JsonValue{});
  for (const JsonValue& one : json["failed_expectations"].items()) {
    failed.push_back({one["stream"].string().value_or(""), one["subject"].string().value_or(""),
                      one["expected"].string().value_or(""), one["actual"].number()});
  }
  return failed;
}

std::optional<ServedEvent> parse_event(JsonValue json) {
  ServedEvent event;
  const auto stream = json["stream"].string();
  const auto revision = json["revision"].number();
  const auto position = json["position"].number();
  const auto index = json["index"].number();
  const auto type = json["type"].string();
  if (!stream || !revision || !position || !index || !type || !json["data"] || !json["recorded_at"])
    return std::nullopt;
  event.stream = *stream;
  event.revision = *revision;
  event.place = {*position, *index};
  event.type = *type;
  event.data = json["data"].text;
  event.metadata = json["metadata"].text;
  event.id = json["id"].string().value_or("");
  event.subject = json["subject"].string().value_or("");
  event.subject_revision = json["subject_revision"].number();
  return event;
}

std::optional<Page> parse_page(const std::string& body) {
  const auto json = scan_json(body);
  if (!json) return std::nullopt;
  Page page;
  const auto head = (*json)["head"]["position"].number();
  if (!(*json)["events"].is_array() || !(*json)["next"] || !head) return std::nullopt;
  page.head = *head;
  for (const JsonValue& item : (*json)["events"].items()) {
    auto event = parse_event(item);
    if (!event) return std::nullopt;
    page.events.push_back(std::move(*event));
  }
  if (!(*json)["next"].is_null()) {
    page.next = parse_place((*json)["next"].string().value_or(""));
    if (!page.next) return std::nullopt;
  }
  return page;
}

}  // namespace verity::sim
