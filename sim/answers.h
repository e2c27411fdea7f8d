// What the server's answers say, read without any of the server's code.
#pragma once

#include "sim/history.h"
#include "sim/http_client.h"
#include "sim/json_scan.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace verity::sim {

// `12.3`, or `12` for `12.0`.
std::optional<Place> parse_place(std::string_view text);

// The stable code of a problem document; empty if the text is none.
std::string code_in(std::string_view problem);
inline std::string code_of(const HttpResponse& response) {
  return code_in(response.body);
}

// The acknowledgement of `sent`; nothing if it cannot be read.
std::optional<Ack> parse_ack(const SentRequest& sent, const HttpResponse& response);
std::vector<FailedExpectationSeen> parse_failed_expectations(const std::string& body);

std::optional<ServedEvent> parse_event(JsonValue json);

struct Page {
  std::vector<ServedEvent> events;
  std::optional<Place> next;
  std::uint64_t head = 0;
};
std::optional<Page> parse_page(const std::string& body);

}  // namespace verity::sim
