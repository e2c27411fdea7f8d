// Bodies of append requests. The first byte chooses the format, the rest is the body.
//
// Whatever is accepted: the body is JSON to a second parser too, every data is a slice of the body, and data and
// metadata are JSON by themselves.
#include "net/http/append_body.h"

#include "fuzz/fuzz_input.h"
#include "net/http/json_check.h"

#include <nlohmann/json.hpp>

#include <string>

namespace {

using namespace verity;

bool is_json(std::string_view text) {
  return nlohmann::json::accept(text.begin(), text.end());
}

bool is_inside(std::string_view part, std::string_view whole) {
  return part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size();
}

void check_event(const node::NewEvent& event, std::string_view body, bool is_cloud) {
  FUZZ_CHECK(!event.type.empty());
  FUZZ_CHECK(is_json(event.data));
  FUZZ_CHECK(is_inside(event.data, body) || (is_cloud && event.data == "null"));
  FUZZ_CHECK(event.metadata.empty() || is_json(event.metadata));
  FUZZ_CHECK(event.metadata.empty() || event.metadata.front() == '{');
}

void check_problem(const http::Problem& problem) {
  FUZZ_CHECK(problem.status == 400 || problem.status == 413);
  FUZZ_CHECK(!problem.detail.empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static http::JsonChecker checker;
  fuzz::Input input(data, size);
  const int choice = input.take_byte() % 5;
  const std::string_view body = input.rest();

  if (choice == 4) {
    const auto list = http::parse_streams(checker, body);
    if (!list) return check_problem(list.error()), 0;
    FUZZ_CHECK(is_json(body));
    for (const node::StreamAppend& stream : list->streams) {
      FUZZ_CHECK(!stream.stream.empty() && !stream.events.empty());
      for (const node::NewEvent& event : stream.events) check_event(event, body, false);
    }
    return 0;
  }
  const auto format = static_cast<http::EventFormat>(choice);
  const auto list = http::parse_events(checker, body, format);
  if (!list) return check_problem(list.error()), 0;
  FUZZ_CHECK(!list->events.empty());
  FUZZ_CHECK(format == http::EventFormat::ndjson || is_json(body));
  const bool is_cloud =
      format == http::EventFormat::cloud_event || format == http::EventFormat::cloud_event_batch;
  for (const node::NewEvent& event : list->events) check_event(event, body, is_cloud);
  return 0;
}
