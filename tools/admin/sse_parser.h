// Server-sent events out of a byte stream cut anywhere, as the HTML standard describes them.
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace verity::tools {

struct SseEvent {
  std::string id;    // the last one sent, also by an earlier event
  std::string type;  // empty: "message"
  std::string data;  // lines joined by '\n'
};

class SseParser {
 public:
  // Calls `on_event` for every event completed by `bytes`; false when it returned false (the rest is dropped).
  bool feed(std::string_view bytes, const std::function<bool(const SseEvent&)>& on_event);
  const std::string& last_id() const { return event_.id; }

 private:
  bool take_line(std::string_view line, const std::function<bool(const SseEvent&)>& on_event);

  std::string line_;  // not yet ended
  bool after_carriage_return_ = false;
  SseEvent event_;
  bool has_data_ = false;
};

}  // namespace verity::tools
