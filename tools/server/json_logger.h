// The server's log: one JSON object a line on a file descriptor, one write each, so that lines of several
// processes do not mix.
//
//   {"timestamp":"2024-01-15T10:30:00.000Z","level":"INFO","target":"verity_node","message":"…","fields":{…}}
#pragma once

#include "io/logger.h"

#include <functional>
#include <string>

namespace verity::io {
class Clock;
}

namespace verity::tools {

class JsonLogger : public io::Logger {
 public:
  // `descriptor` and `clock` outlive the logger. A line that cannot be written is dropped: there is nobody to
  // tell.
  JsonLogger(int descriptor, const io::Clock& clock, io::LogLevel least);

  void log(io::LogLevel level, std::string_view target, std::string_view message,
           std::initializer_list<io::LogField> fields) override;
  bool enabled(io::LogLevel level) const override { return level >= least_; }

 private:
  const int descriptor_;
  const io::Clock& clock_;
  const io::LogLevel least_;
};

// Appends `text` as a JSON string; bytes that are not UTF-8 become U+FFFD.
void append_json_string(std::string& out, std::string_view text);

}  // namespace verity::tools
