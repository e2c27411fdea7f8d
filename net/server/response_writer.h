// Puts responses on the wire: one write where the body is small, chunks where its length is not known.
#pragma once

#include "io/base/result.h"
#include "io/base/units.h"
#include "net/http/message.h"

#include <string>
#include <string_view>

namespace verity::io {
class Socket;
class Wait;
}  // namespace verity::io

namespace verity::server {

// The latest moment at which the next of `bytes` pieces moved since `start` may come: `idle` after the last,
// and 1 KB/s on average. Whoever drips single bytes gains nothing.
Instant paced_deadline(Instant start, Instant now, Duration idle, ByteCount bytes);

class ResponseWriter {
 public:
  ResponseWriter(io::Socket& socket, Duration idle) : socket_(socket), idle_(idle) {}

  struct Form {
    bool keep_alive;
    bool is_http_1_0;
    bool is_head;  // the head alone, with the length that the body would have
    Timestamp now;
  };
  // Sends head and body, or head and stream. After an error the connection is useless.
  Status send(io::Wait& wait, http::Response& response, Form form);
  Status send_raw(io::Wait& wait, std::string_view text);

 private:
  void append_head(const http::Response& response, const Form& form);
  Status send_stream(io::Wait& wait, http::Response& response, bool is_chunked);

  io::Socket& socket_;
  const Duration idle_;
  std::string out_;
  std::string date_;  // as text, of the second below
  std::int64_t date_second_ = -1;
};

}  // namespace verity::server
