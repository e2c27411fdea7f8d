// Turns the bytes of a connection into requests. The grammar is Boost.Beast's; this class gives it memory
// that is reused, limits, and refusals with a sentence.
//
//   feed() ... need_more ─► header_done ─► need_more ... ─► complete ─► reset() ─► next request
//                  └──────────────┴─────────► failed (the connection cannot be understood any further)
//
// It stops at header_done so that the owner may refuse or say "100 Continue" before a body is read.
#pragma once

#include "io/base/bytes.h"
#include "io/base/units.h"
#include "net/http/message.h"
#include "net/http/problem.h"

#include <cstdint>
#include <memory>
#include <optional>

namespace verity::http {

class RequestParser {
 public:
  struct Limits {
    ByteCount header_bytes_max = 16 * KiB;  // request line and headers
    ByteCount body_bytes_max = 1 * MiB;
    std::string body_limit_name;  // how the refusal explains body_bytes_max
  };
  enum class State : std::uint8_t { need_more, header_done, complete, failed };

  explicit RequestParser(Limits limits);
  ~RequestParser();
  RequestParser(const RequestParser&) = delete;
  RequestParser& operator=(const RequestParser&) = delete;

  // Takes what it can from the front of `bytes`, says how many, and stops at every change of state. What it
  // did not take is offered again, with more behind it. Not after complete or failed.
  std::size_t feed(ByteView bytes);
  State state() const { return state_; }
  // Forgets the request; the next one begins.
  void reset();

  // Once failed.
  const Problem& problem() const { return problem_; }
  // Method, target and headers from header_done, the body from complete.
  const Request& request() const { return request_; }
  Request& request() { return request_; }
  // From header_done: the body's announced size; nothing if it comes in chunks.
  std::optional<ByteCount> content_length() const { return content_length_; }
  bool has_body() const { return is_chunked_ || content_length_.value_or(0) > 0; }

 private:
  class Grammar;
  void refuse(Problem problem);
  void finish_header();

  const Limits limits_;
  std::unique_ptr<Grammar> grammar_;
  State state_ = State::need_more;
  bool is_header_done_ = false;
  ByteCount header_bytes_ = 0;
  ByteCount framing_bytes_ = 0;  // chunk headers and trailers
  std::optional<ByteCount> content_length_;
  bool is_chunked_ = false;
  std::string announced_;  // the Content-Length header as sent
  Request request_;
  Problem problem_{};
};

}  // namespace verity::http
