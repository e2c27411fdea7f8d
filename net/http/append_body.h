// The bodies of append requests, turned into what the node takes. `data` and `metadata` stay the exact bytes
// that were sent; names are unescaped. Everything is checked first, and a refusal names the event, the key,
// what stands there and what may.
//
//   application/json                     [ event, ... ] or one event
//   application/x-ndjson                 one event a line
//   application/cloudevents-batch+json   [ CloudEvent, ... ]       net/http/cloud_event.h
//   application/cloudevents+json         one CloudEvent
//
//   event = {"type": "…", "data": any, "metadata"?: {…}, "id"?: "…", "subject"?: "…",
//            "expected_subject_revision"?: 7 | "none" | "exists" | "any"}
//
//   several streams, application/json only:
//   {"streams": [{"stream": "…", "expected_revision"?: 7 | "none" | …, "events": [event, ...]}, ...]}
#pragma once

#include "engine/node/request.h"
#include "net/http/problem.h"

#include <cstdint>
#include <deque>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace verity::http {

class JsonChecker;

enum class EventFormat : std::uint8_t { json, ndjson, cloud_event, cloud_event_batch };
// The media type without parameters.
std::string_view describe(EventFormat format);
// Of a Content-Type header; nothing if it is none of them. Parameters other than charset=utf-8 are ignored.
std::optional<EventFormat> parse_event_format(std::string_view content_type);

// Events with views into the body and into `texts`, whose strings do not move.
struct EventList {
  std::vector<node::NewEvent> events;
  std::deque<std::string> texts;
};

struct StreamList {
  std::vector<node::StreamAppend> streams;
  std::deque<std::string> texts;
};

// Arrays and objects nest at most this deep in data and in metadata.
inline constexpr std::size_t event_depth_max = 128;
// More events than this belong into several requests.
inline constexpr std::size_t events_per_request_max = 100'000;

// `body` outlives the result.
std::expected<EventList, Problem> parse_events(JsonChecker& checker, std::string_view body,
                                               EventFormat format);
std::expected<StreamList, Problem> parse_streams(JsonChecker& checker, std::string_view body);

}  // namespace verity::http
