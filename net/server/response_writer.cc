#include "net/server/response_writer.h"

#include "io/base/bytes.h"
#include "io/fiber/wait.h"
#include "io/network.h"

#include <algorithm>
#include <charconv>
#include <chrono>

namespace verity::server {

namespace {

// Bodies up to here are copied behind their head, so that both leave in one write.
constexpr std::size_t joined_body_bytes_max = 64 * KiB;
constexpr std::int64_t bytes_per_second_min = 1024;

void append_number(std::string& out, std::uint64_t number, int base = 10) {
  char digits[20];
  const auto [end, error] = std::to_chars(digits, digits + sizeof digits, number, base);
  out.append(digits, end);
}

void append_two_digits(std::string& out, unsigned number) {
  out += static_cast<char>('0' + number / 10 % 10);
  out += static_cast<char>('0' + number % 10);
}

// "Mon, 15 Jan 2024 10:30:00 GMT"
std::string http_date(std::int64_t second_since_1970) {
  constexpr std::string_view weekdays = "SunMonTueWedThuFriSat";
  constexpr std::string_view months = "JanFebMarAprMayJunJulAugSepOctNovDec";
  const std::int64_t day_number = second_since_1970 / 86400 - (second_since_1970 % 86400 < 0 ? 1 : 0);
  const auto second = static_cast<unsigned>(second_since_1970 - day_number * 86400);
  const std::chrono::local_days days{std::chrono::days(day_number)};
  const std::chrono::year_month_day date(days);
  std::string out(weekdays.substr(std::chrono::weekday(days).c_encoding() * 3, 3));
  out += ", ";
  append_two_digits(out, static_cast<unsigned>(date.day()));
  out += ' ';
  out += months.substr((static_cast<unsigned>(date.month()) - 1) * 3, 3);
  out += ' ' + std::to_string(static_cast<int>(date.year())) + ' ';
  append_two_digits(out, second / 3600);
  out += ':';
  append_two_digits(out, second / 60 % 60);
  out += ':';
  append_two_digits(out, second % 60);
  return out + " GMT";
}

Status write_paced(io::Wait& wait, io::Socket& socket, std::string_view text, Duration idle) {
  const Instant start = wait.now();
  ByteCount written = 0;
  while (written < text.size()) {
    io::Wait patient = wait.until(paced_deadline(start, wait.now(), idle, written));
    VERITY_TRY_ASSIGN(const std::size_t count, socket.write(patient, as_bytes(text.substr(written))));
    written += count;
  }
  return {};
}

class PieceWriter final : public http::StreamWriter {
 public:
  PieceWriter(io::Socket& socket, Duration idle, bool is_chunked)
      : socket_(socket), idle_(idle), is_chunked_(is_chunked) {}

  Status write(io::Wait& wait, std::string_view piece) override {
    if (is_broken_) return fail(ErrorCode::closed, "the connection broke earlier");
    if (piece.empty()) return {};
    Status status;
    if (is_chunked_) {
      chunk_.clear();
      append_number(chunk_, piece.size(), 16);
      chunk_ += "\r\n";
      chunk_ += piece;
      chunk_ += "\r\n";
      status = write_paced(wait, socket_, chunk_, idle_);
      if (chunk_.capacity() > joined_body_bytes_max) std::string().swap(chunk_);
    } else {
      status = write_paced(wait, socket_, piece, idle_);
    }
    is_broken_ = !status;
    return status;
  }
  Status finish(io::Wait& wait) {
    if (is_broken_) return fail(ErrorCode::closed, "the connection broke earlier");
    return is_chunked_ ? write_paced(wait, socket_, "0\r\n\r\n", idle_) : Status();
  }

 private:
  io::Socket& socket_;
  const Duration idle_;
  const bool is_chunked_;
  bool is_broken_ = false;
  std::string chunk_;
};

}  // namespace

Instant paced_deadline(Instant start, Instant now, Duration idle, ByteCount bytes) {
  const auto earned = std::chrono::seconds(static_cast<std::int64_t>(std::min<ByteCount>(bytes, 1024 * GiB)) /
                                           bytes_per_second_min);
  return std::min(now + idle, start + (idle + earned));
}

void ResponseWriter::append_head(const http::Response& response, const Form& form) {
  const std::int64_t second = form.now.ns / 1'000'000'000;
  if (second != date_second_) {
    date_ = http_date(second);
    date_second_ = second;
  }
  out_ += "HTTP/1.1 ";
  append_number(out_, static_cast<std::uint64_t>(response.status));
  out_ += ' ';
  out_ += http::reason_phrase(response.status);
  out_ += "\r\nDate: ";
  out_ += date_;
  out_ += "\r\nContent-Type: ";
  out_ += response.content_type;
  for (const auto& [name, value] : response.headers) {
    out_ += "\r\n";
    out_ += name;
    out_ += ": ";
    out_ += value;
  }
  if (!response.stream) {
    out_ += "\r\nContent-Length: ";
    append_number(out_, response.body.size());
  } else if (!form.is_http_1_0) {
    out_ += "\r\nTransfer-Encoding: chunked";
  }
  if (!form.keep_alive) {
    out_ += "\r\nConnection: close";
  } else if (form.is_http_1_0) {
    out_ += "\r\nConnection: keep-alive";
  }
  out_ += "\r\n\r\n";
}

Status ResponseWriter::send(io::Wait& wait, http::Response& response, Form form) {
  out_.clear();
  append_head(response, form);
  if (response.stream) return send_stream(wait, response, !form.is_http_1_0);
  if (form.is_head) return write_paced(wait, socket_, out_, idle_);
  if (response.body.size() <= joined_body_bytes_max) {
    out_ += response.body;
    return write_paced(wait, socket_, out_, idle_);
  }
  VERITY_TRY(write_paced(wait, socket_, out_, idle_));
  return write_paced(wait, socket_, response.body, idle_);
}

Status ResponseWriter::send_stream(io::Wait& wait, http::Response& response, bool is_chunked) {
  VERITY_TRY(write_paced(wait, socket_, out_, idle_));
  PieceWriter pieces(socket_, idle_, is_chunked);
  response.stream(pieces);
  return pieces.finish(wait);
}

Status ResponseWriter::send_raw(io::Wait& wait, std::string_view text) {
  return write_paced(wait, socket_, text, idle_);
}

}  // namespace verity::server
