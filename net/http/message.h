// One HTTP request as the handlers see it, and the response they fill in.
#pragma once

#include "io/base/result.h"

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace verity::io {
class Wait;
}

namespace verity::http {

enum class Method : std::uint8_t { get, head, post, put, del, other };
std::string_view describe(Method method);

// The headers anybody here reads; all others are checked by the parser and dropped.
enum class Header : std::uint8_t {
  content_type,
  expect,
  expected_revision,
  host,
  idempotency_key,
  last_event_id,
  count_,
};
std::string_view describe(Header header);

struct Request {
  Method method = Method::other;
  std::string target;
  bool is_http_1_0 = false;
  bool keep_alive = false;
  std::string body;

  std::optional<std::string_view> header(Header name) const {
    const Field& field = fields[static_cast<std::size_t>(name)];
    if (!field.is_present) return std::nullopt;
    return field.value;
  }

  // Buffers keep their capacity from one request of a connection to the next.
  struct Field {
    bool is_present = false;
    std::string value;
  };
  std::array<Field, static_cast<std::size_t>(Header::count_)> fields;
};

// Takes the pieces of a response whose length is not known beforehand.
class StreamWriter {
 public:
  virtual ~StreamWriter() = default;
  // Returns when the connection has taken all of `piece`; an error means that nobody reads any more.
  virtual Status write(io::Wait& wait, std::string_view piece) = 0;
};

struct Response {
  int status = 200;
  std::string_view content_type = "application/json";
  std::vector<std::pair<std::string_view, std::string>> headers;
  std::string body;
  bool close = false;  // this connection takes no further request
  // If set, called after the head was sent, in place of `body`; owns whatever it uses.
  std::move_only_function<void(StreamWriter&)> stream;

  void clear();
};

std::string_view reason_phrase(int status);

}  // namespace verity::http
