#include "net/server/connection.h"

#include "io/base/bytes.h"
#include "io/clock.h"
#include "io/fiber/loop.h"
#include "io/logger.h"
#include "io/network.h"
#include "net/http/request_parser.h"
#include "net/native/messages.h"
#include "net/server/api.h"
#include "net/server/context.h"
#include "net/server/native_connection.h"
#include "net/server/response_writer.h"

#include <algorithm>
#include <vector>

namespace verity::server {

namespace {

constexpr std::size_t small_buffer_bytes = 16 * KiB;
constexpr std::size_t large_buffer_bytes = 256 * KiB;
// Requests and answers up to this size are covered by the limit on connections; larger ones ask the budget.
constexpr ByteCount unbudgeted_bytes = 16 * KiB;
// How long and how much a refused peer may go on sending before the connection is cut under it.
constexpr Duration linger_time = 2s;
constexpr ByteCount linger_bytes = 4 * MiB;

constexpr std::string_view tls_refusal =
    "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n"
    "This port speaks plain HTTP; this server has no TLS. Use http:// instead of https://.\n";

// An ErrorResponse of PostgreSQL's protocol, version 3.
std::string postgres_refusal() {
  const auto field = [](char type, std::string_view text) { return type + std::string(text) + '\0'; };
  const std::string fields =
      field('S', "FATAL") + field('V', "FATAL") + field('C', "0A000") +
      field('M', "this server does not speak the PostgreSQL protocol; it speaks HTTP") + '\0';
  const auto length = static_cast<std::uint32_t>(fields.size() + 4);
  std::string out = "E";
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(length >> shift & 0xFF);
  return out + fields;
}

http::Problem too_busy() {
  http::Problem problem{429, "overloaded", "too much is under way; try again soon"};
  problem.retry_after = 1s;
  return problem;
}

class Connection {
 public:
  Connection(Context& context, std::unique_ptr<io::Socket> socket, ListenerKind kind)
      : context_(context),
        options_(context.options),
        kind_(kind),
        socket_(std::move(socket)),
        writer_(*socket_, options_.write_idle_timeout),
        active_(context.world.loop, &context.aborting),
        idle_(context.world.loop, &context.stopping),
        parser_({options_.header_bytes_max, options_.body_bytes_max(),
                 " (max_batch_size and the JSON around it)"}),
        memory_(context.memory),
        buffer_(small_buffer_bytes) {}
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void run() {
    if (!await_request(options_.header_timeout)) return;
    const bool is_native = buffer_[begin_] == std::byte{native::first_byte};
    if (is_native && kind_ == ListenerKind::client) return serve_native(context_, *socket_, buffered());
    if (refuse_other_protocols()) return;
    while (serve_request() && await_request(options_.keep_alive_timeout)) continue;
  }

 private:
  ByteView buffered() const { return std::span(buffer_).subspan(begin_, end_ - begin_); }

  // At least one more byte behind those buffered; false when none will come before the deadline of `wait`.
  Result<std::size_t> read_more(io::Wait& wait) {
    if (begin_ == end_) begin_ = end_ = 0;
    if (end_ == buffer_.size() && begin_ > 0) {
      std::copy(buffer_.begin() + static_cast<std::ptrdiff_t>(begin_),
                buffer_.begin() + static_cast<std::ptrdiff_t>(end_), buffer_.begin());
      end_ -= begin_;
      begin_ = 0;
    }
    if (end_ == buffer_.size())
      buffer_.resize(buffer_.size() * 2);  // bounded: the parser refuses long headers
    auto count = socket_->read(wait, std::span(buffer_).subspan(end_));
    if (count) end_ += *count;
    return count;
  }

  // Gives back what the last request took: an idle connection costs a small buffer and its stack.
  void forget_request() {
    parser_.reset();
    response_.clear();
    if (response_.body.capacity() > unbudgeted_bytes) std::string().swap(response_.body);
    memory_.release();
  }

  // True once the next request has begun.
  bool await_request(Duration patience) {
    forget_request();
    if (begin_ < end_) {
      // Pipelined. Whoever sends thousands at once takes turns with the others.
      return active_.yield() && !context_.stopping.is_cancelled();
    }
    if (buffer_.size() > small_buffer_bytes) buffer_ = std::vector<std::byte>(small_buffer_bytes);
    io::Wait patient = idle_.within(patience);
    const auto count = read_more(patient);
    return count && *count > 0;
  }

  bool refuse_other_protocols() {
    const auto first = static_cast<unsigned char>(buffer_[begin_]);
    std::string text;
    std::string_view protocol;
    if (first == 0x16) {
      text = tls_refusal;
      protocol = "TLS";
    } else if (first == 0) {
      text = postgres_refusal();
      protocol = "PostgreSQL";
    } else {
      return false;
    }
    context_.world.logger.log(io::LogLevel::info, "verity_http", "Refused a protocol that is not served",
                              {{"peer", socket_->peer().describe()}, {"protocol", std::string(protocol)}});
    if (writer_.send_raw(active_, text)) linger();
    return true;
  }

  // Receives one request and answers it; false when the connection is to be closed.
  bool serve_request() {
    const Instant start = active_.now();
    if (!receive_header(start)) return false;
    if (parser_.state() == http::RequestParser::State::header_done && !receive_body()) return false;
    if (parser_.state() == http::RequestParser::State::failed) return refuse(parser_.problem());

    if (kind_ == ListenerKind::client) {
      handle_client_request(active_, context_, parser_.request(), response_);
    } else {
      handle_metrics_request(active_, context_, parser_.request(), response_);
    }
    const ByteCount answer_bytes = response_.body.size();
    if (answer_bytes > unbudgeted_bytes && !memory_.grow_to(parser_.request().body.size() + answer_bytes)) {
      http::answer(response_, too_busy());
    }
    return send(start);
  }

  bool receive_header(Instant start) {
    io::Wait patient = active_.until(start + options_.header_timeout);
    for (;;) {
      begin_ += parser_.feed(buffered());
      if (parser_.state() != http::RequestParser::State::need_more) return true;
      const auto count = read_more(patient);
      if (!count && count.error().code == ErrorCode::timed_out) {
        refuse({408, "request_timeout", "the request's header took too long"});
        return false;
      }
      if (!count || *count == 0) return false;
    }
  }

  // True when there is a body, or a failed parser to report.
  bool receive_body() {
    if (const auto length = parser_.content_length()) {
      if (*length > unbudgeted_bytes && !memory_.grow_to(*length)) return refuse(too_busy());
      if (*length > buffer_.size() && buffer_.size() < large_buffer_bytes) buffer_.resize(large_buffer_bytes);
    }
    if (parser_.request().header(http::Header::expect) && begin_ == end_) {
      if (!writer_.send_raw(active_, "HTTP/1.1 100 Continue\r\n\r\n")) return false;
    }
    const Instant start = active_.now();
    for (;;) {
      if (begin_ < end_) begin_ += parser_.feed(buffered());
      if (parser_.state() == http::RequestParser::State::complete) return true;
      if (parser_.state() == http::RequestParser::State::failed) return true;
      const ByteCount received = parser_.request().body.size();
      if (received > unbudgeted_bytes && !memory_.grow_to(received)) return refuse(too_busy());
      io::Wait patient =
          active_.until(paced_deadline(start, active_.now(), options_.body_idle_timeout, received));
      const auto count = read_more(patient);
      if (!count && count.error().code == ErrorCode::timed_out) {
        return refuse({408, "request_timeout", "the request's body came too slowly"});
      }
      if (!count || *count == 0) return false;
    }
  }

  // Answers with a problem and gives the connection up; always false.
  bool refuse(const http::Problem& problem) {
    response_.close = true;
    http::answer(response_, problem);
    if (send(active_.now())) VERITY_ASSERT_NOTE(false, "a refused connection is not kept");
    linger();
    return false;
  }

  // True if another request may follow.
  bool send(Instant start) {
    const http::Request& request = parser_.request();
    const bool keep_alive = request.keep_alive && !response_.close && !context_.stopping.is_cancelled();
    ++context_.counters.requests[{request.method, response_.status}];
    if (context_.world.logger.enabled(io::LogLevel::debug)) {
      const auto took_us = static_cast<std::int64_t>((active_.now() - start).count() / 1000);
      context_.world.logger.log(io::LogLevel::debug, "verity_http", "Request",
                                {{"method", std::string(describe(request.method))},
                                 {"target", request.target},
                                 {"status", std::int64_t{response_.status}},
                                 {"took_us", took_us},
                                 {"peer", socket_->peer().describe()}});
    }
    const bool is_head = request.method == http::Method::head;
    const Timestamp now = context_.world.clock.realtime();
    const Status sent = writer_.send(active_, response_, {keep_alive, request.is_http_1_0, is_head, now});
    return sent && keep_alive;
  }

  // Closing with unread bytes would reset the connection and may take the answer with it: says that nothing
  // follows, and reads on for a while.
  void linger() {
    io::Wait patient = active_.within(linger_time);
    if (!socket_->shutdown_write(patient)) return;
    for (ByteCount discarded = 0; discarded < linger_bytes;) {
      begin_ = end_ = 0;
      const auto count = read_more(patient);
      if (!count || *count == 0) return;
      discarded += *count;
    }
  }

  Context& context_;
  const ServerOptions& options_;
  const ListenerKind kind_;
  const std::unique_ptr<io::Socket> socket_;
  ResponseWriter writer_;
  io::Wait active_;  // while something is under way
  io::Wait idle_;    // while nothing is
  http::RequestParser parser_;
  http::Response response_;
  MemoryBudget::Share memory_;

  // Bytes received and not yet parsed: [begin_, end_).
  std::vector<std::byte> buffer_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

}  // namespace

void serve_connection(Context& context, std::unique_ptr<io::Socket> socket, ListenerKind kind) {
  Connection(context, std::move(socket), kind).run();
}

void refuse_connection(Context& context, std::unique_ptr<io::Socket> socket) {
  http::Response response;
  http::Problem problem{
      503, "too_many_connections",
      "more than " + std::to_string(context.options.connections_max) + " connections are open"};
  problem.retry_after = 1s;
  http::answer(response, problem);
  io::Wait wait(context.world.loop, &context.stopping);
  io::Wait patient = wait.within(linger_time);
  ResponseWriter writer(*socket, linger_time);
  if (!writer.send(patient, response, {false, false, false, context.world.clock.realtime()})) return;
  if (!socket->shutdown_write(patient)) return;
  std::vector<std::byte> discarded(4 * KiB);
  for (int reads = 0; reads < 16; ++reads) {
    const auto count = socket->read(patient, discarded);
    if (!count || *count == 0) return;
  }
}

}  // namespace verity::server
