#include "sim/http_client.h"

#include "io/fiber/wait.h"

#include <algorithm>
#include <charconv>

namespace verity::sim {
namespace {

constexpr std::size_t answer_bytes_max = 64u << 20;

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

std::unexpected<Error> not_http(std::string_view what) {
  return fail(ErrorCode::corrupt, "the server's answer is not HTTP: " + std::string(what));
}

}  // namespace

std::string percent_encode(std::string_view text) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '_' || c == '.';
    if (plain) {
      out += c;
    } else {
      out += '%';
      out += digits[byte >> 4];
      out += digits[byte & 15];
    }
  }
  return out;
}

std::string_view HttpResponse::header(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (key == name) return value;
  }
  return {};
}

HttpClient::HttpClient(io::Network& network, io::Address server, Prng prng)
    : network_(network), server_(std::move(server)), prng_(prng) {}

void HttpClient::close() {
  socket_.reset();
  buffer_.clear();
  stream_.clear();
}

void HttpClient::turn_to(const io::Address& server) {
  if (server_ == server) return;
  close();
  server_ = server;
}

std::string HttpClient::print(const HttpRequest& request) const {
  std::string text =
      request.method + " " + request.target + " HTTP/1.1\r\nHost: " + server_.describe() + "\r\n";
  for (const auto& [name, value] : request.headers) text += name + ": " + value + "\r\n";
  if (!request.body.empty() || request.method != "GET") {
    text += "Content-Length: " + std::to_string(request.body.size()) + "\r\n";
  }
  return text + "\r\n" + request.body;
}

Status HttpClient::connect(io::Wait& wait) {
  if (socket_ != nullptr) return {};
  buffer_.clear();
  VERITY_TRY_ASSIGN(socket_, network_.connect(wait, server_));
  return {};
}

void HttpClient::leave_in_the_middle(io::Wait& wait, const HttpRequest& request) {
  const std::string text = print(request);
  const std::size_t size = prng_.between(1, text.size());
  if (connect(wait))
    ignore(io::write_all(wait, *socket_, as_bytes(std::string_view(text).substr(0, size))), "nobody looks");
  close();
}

Status HttpClient::send(io::Wait& wait, const HttpRequest& request) {
  nothing_sent_ = true;
  VERITY_TRY(connect(wait));
  const std::string text = print(request);
  nothing_sent_ = false;
  std::string_view rest = text;
  // Mostly at once, sometimes in crumbs with pauses between them.
  const bool crumbs = prng_.chance(in_crumbs_of_30_, 30);
  while (!rest.empty()) {
    const std::size_t piece =
        crumbs ? std::min<std::size_t>(rest.size(), prng_.between(1, 1 + text.size() / 3)) : rest.size();
    VERITY_TRY(io::write_all(wait, *socket_, as_bytes(rest.substr(0, piece))));
    rest.remove_prefix(piece);
    if (crumbs && !rest.empty()) VERITY_TRY(wait.sleep(prng_.exponential(5ms)));
  }
  return {};
}

Status HttpClient::fill(io::Wait& wait) {
  std::byte bytes[4096];
  VERITY_TRY_ASSIGN(const std::size_t count, socket_->read(wait, bytes));
  if (count == 0) return fail(ErrorCode::closed, "the server closed the connection");
  if (buffer_.size() + count > answer_bytes_max) return not_http("it is endless");
  buffer_.append(as_text(ByteView(bytes).first(count)));
  return {};
}

Result<std::string> HttpClient::read_line(io::Wait& wait) {
  while (true) {
    const auto end = buffer_.find("\r\n");
    if (end != std::string::npos) {
      std::string line = buffer_.substr(0, end);
      buffer_.erase(0, end + 2);
      return line;
    }
    if (buffer_.size() > 64 * 1024) return not_http("a line without end");
    VERITY_TRY(fill(wait));
  }
}

Status HttpClient::read_bytes(io::Wait& wait, std::size_t count, std::string& out) {
  while (buffer_.size() < count) VERITY_TRY(fill(wait));
  out.append(buffer_, 0, count);
  buffer_.erase(0, count);
  return {};
}

Result<HttpResponse> HttpClient::read_head(io::Wait& wait) {
  HttpResponse response;
  VERITY_TRY_ASSIGN(const std::string first, read_line(wait));
  if (!first.starts_with("HTTP/1.1 ") || first.size() < 12) return not_http(first);
  const auto [end, error] = std::from_chars(first.data() + 9, first.data() + 12, response.status);
  if (error != std::errc() || end != first.data() + 12) return not_http(first);
  while (true) {
    VERITY_TRY_ASSIGN(const std::string line, read_line(wait));
    if (line.empty()) break;
    const auto colon = line.find(':');
    if (colon == std::string::npos) return not_http(line);
    std::string_view value = std::string_view(line).substr(colon + 1);
    while (value.starts_with(' ')) value.remove_prefix(1);
    response.headers.emplace_back(lower(line.substr(0, colon)), std::string(value));
  }
  if (response.status == 100) return read_head(wait);
  return response;
}

Result<std::string> HttpClient::read_chunk(io::Wait& wait) {
  VERITY_TRY_ASSIGN(const std::string line, read_line(wait));
  std::size_t size = 0;
  const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), size, 16);
  if (error != std::errc() || end == line.data() || size > answer_bytes_max)
    return not_http("chunk size " + line);
  std::string chunk;
  VERITY_TRY(read_bytes(wait, size, chunk));
  VERITY_TRY_ASSIGN(const std::string after, read_line(wait));
  if (!after.empty()) return not_http("a chunk longer than it says");
  return chunk;
}

Status HttpClient::read_body(io::Wait& wait, HttpResponse& response) {
  if (response.header("transfer-encoding") == "chunked") {
    while (true) {
      VERITY_TRY_ASSIGN(const std::string chunk, read_chunk(wait));
      if (chunk.empty()) return {};
      response.body += chunk;
    }
  }
  const std::string_view length = response.header("content-length");
  if (length.empty()) {
    if (response.status == 204 || response.status == 304) return {};
    return not_http("no length of the body");
  }
  std::size_t size = 0;
  const auto [end, error] = std::from_chars(length.data(), length.data() + length.size(), size);
  if (error != std::errc() || end != length.data() + length.size() || size > answer_bytes_max)
    return not_http("its length");
  return read_bytes(wait, size, response.body);
}

Result<HttpResponse> HttpClient::request(io::Wait& wait, const HttpRequest& request) {
  const auto carry_out = [&]() -> Result<HttpResponse> {
    VERITY_TRY(send(wait, request));
    VERITY_TRY_ASSIGN(HttpResponse response, read_head(wait));
    VERITY_TRY(read_body(wait, response));
    return response;
  };
  auto response = carry_out();
  if (!response || lower(response->header("connection")) == "close") close();
  return response;
}

Result<HttpResponse> HttpClient::open_stream(io::Wait& wait, const HttpRequest& request) {
  close();
  const auto carry_out = [&]() -> Result<HttpResponse> {
    VERITY_TRY(send(wait, request));
    VERITY_TRY_ASSIGN(HttpResponse response, read_head(wait));
    if (response.status != 200) VERITY_TRY(read_body(wait, response));
    return response;
  };
  auto response = carry_out();
  if (!response || response->status != 200) {
    close();
  } else if (response->header("transfer-encoding") != "chunked") {
    close();
    return not_http("an event stream that is not chunked");
  }
  return response;
}

Result<std::optional<ServerEvent>> HttpClient::next_event(io::Wait& wait) {
  while (true) {
    const auto end = stream_.find("\n\n");
    if (end == std::string::npos) {
      auto chunk = read_chunk(wait);
      if (!chunk || chunk->empty()) {
        close();
        if (!chunk) return std::unexpected(chunk.error());
        return std::optional<ServerEvent>();
      }
      std::erase(*chunk, '\r');
      stream_ += *chunk;
      continue;
    }
    const std::string block = stream_.substr(0, end + 1);
    stream_.erase(0, end + 2);
    ServerEvent event;
    bool has_data = false;
    for (std::size_t at = 0; at < block.size();) {
      const auto line_end = block.find('\n', at);
      const std::string_view line = std::string_view(block).substr(at, line_end - at);
      at = line_end + 1;
      const auto colon = line.find(':');
      if (colon == 0) continue;  // a comment: heartbeats
      std::string_view value = colon == std::string_view::npos ? std::string_view() : line.substr(colon + 1);
      if (value.starts_with(' ')) value.remove_prefix(1);
      const std::string_view name = line.substr(0, colon);
      if (name == "id") event.id = value;
      if (name == "event") event.type = value;
      if (name == "data") {
        if (has_data) event.data += '\n';
        event.data += value;
        has_data = true;
      }
    }
    if (has_data) return std::optional<ServerEvent>(std::move(event));
  }
}

}  // namespace verity::sim
