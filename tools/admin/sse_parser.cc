#include "tools/admin/sse_parser.h"

#include <utility>

namespace verity::tools {

bool SseParser::feed(std::string_view bytes, const std::function<bool(const SseEvent&)>& on_event) {
  for (const char c : bytes) {
    // A line ends with \n, \r or \r\n.
    const bool second_half = c == '\n' && after_carriage_return_;
    after_carriage_return_ = c == '\r';
    if (second_half) continue;
    if (c != '\n' && c != '\r') {
      line_ += c;
      continue;
    }
    const std::string line = std::exchange(line_, {});
    if (!take_line(line, on_event)) return false;
  }
  return true;
}

bool SseParser::take_line(std::string_view line, const std::function<bool(const SseEvent&)>& on_event) {
  if (line.empty()) {
    bool go_on = true;
    if (has_data_) go_on = on_event(event_);
    event_.type.clear();
    event_.data.clear();
    has_data_ = false;
    return go_on;
  }
  const auto colon = line.find(':');
  if (colon == 0) return true;  // a comment: the server's heartbeat
  const std::string_view field = line.substr(0, colon);
  std::string_view value = colon == std::string_view::npos ? std::string_view{} : line.substr(colon + 1);
  if (value.starts_with(' ')) value.remove_prefix(1);
  if (field == "id") {
    event_.id = value;
  } else if (field == "event") {
    event_.type = value;
  } else if (field == "data") {
    if (has_data_) event_.data += '\n';
    event_.data += value;
    has_data_ = true;
  }
  return true;
}

}  // namespace verity::tools
