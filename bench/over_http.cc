#include "bench/over_http.h"

#include "bench/load_runner.h"
#include "io/linux/runtime.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace verity::bench {
namespace {

// The request every client sends again and again: the whole text, built once.
std::string request_text(const io::Address& server, const Load& load, std::uint64_t client) {
  const std::string data = payload(load.payload_bytes);
  std::string body = "[";
  for (std::uint64_t n = 0; n < load.batch; ++n) {
    if (n != 0) body += ',';
    body += R"({"type":"measured","data":)" + data + '}';
  }
  body += ']';
  return "POST /v1/tenants/default/streams/" + stream_name(client, load) +
         "/events HTTP/1.1\r\nHost: " + server.describe() +
         "\r\nContent-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
         body;
}

// Just enough of HTTP to read our own server's short answers.
struct Answer {
  int status = 0;
  std::size_t header_bytes = 0;
  std::size_t body_bytes = 0;
};

std::optional<Answer> parse_answer(std::string_view text) {
  const auto end = text.find("\r\n\r\n");
  if (end == std::string_view::npos) return std::nullopt;
  Answer answer;
  answer.header_bytes = end + 4;
  std::from_chars(text.data() + 9, text.data() + 12, answer.status);
  constexpr std::string_view name = "content-length:";
  const auto headers = text.substr(0, end);
  const auto at = std::search(headers.begin(), headers.end(), name.begin(), name.end(),
                              [](char a, char b) { return (a >= 'A' && a <= 'Z' ? a + 32 : a) == b; });
  if (at != headers.end()) {
    const char* digits = &*at + name.size();
    while (*digits == ' ') ++digits;
    std::from_chars(digits, headers.data() + headers.size(), answer.body_bytes);
  }
  return answer;
}

class Client {
 public:
  Client(std::unique_ptr<io::Socket> socket, std::string request)
      : socket_(std::move(socket)), request_(std::move(request)) {}

  Status append(io::Wait& wait, Figures& figures) {
    while (true) {
      VERITY_TRY(io::write_all(wait, *socket_, as_bytes(request_)));
      VERITY_TRY_ASSIGN(const int status, read_answer(wait));
      if (status == 201) return {};
      if (status != 429) {
        return fail(ErrorCode::io_error,
                    "the server answered " + std::to_string(status) + ": " +
                        std::string(reinterpret_cast<const char*>(buffer_.data()), used_));
      }
      ++figures.refused;
      VERITY_TRY(wait.sleep(1ms));
    }
  }

 private:
  Result<int> read_answer(io::Wait& wait) {
    used_ = 0;
    while (true) {
      if (used_ == buffer_.size()) return fail(ErrorCode::limit_exceeded, "an answer longer than 16 KB");
      VERITY_TRY_ASSIGN(const auto got, socket_->read(wait, std::span(buffer_).subspan(used_)));
      if (got == 0) return fail(ErrorCode::closed, "the server closed the connection");
      used_ += got;
      const auto answer = parse_answer({reinterpret_cast<const char*>(buffer_.data()), used_});
      if (answer && used_ >= answer->header_bytes + answer->body_bytes) return answer->status;
    }
  }

  std::unique_ptr<io::Socket> socket_;
  const std::string request_;
  std::array<std::byte, 16 * KiB> buffer_{};
  std::size_t used_ = 0;
};

}  // namespace

Result<Figures> append_over_http(io::Runtime& runtime, const io::Address& server, const Load& load) {
  Result<Figures> result = fail(ErrorCode::cancelled, "nothing ran");
  runtime.run([&](io::Wait& wait) {
    result =
        run_load(wait, load, [&](io::Wait& own, std::uint64_t number) -> Result<std::unique_ptr<Client>> {
          VERITY_TRY_ASSIGN(auto socket, runtime.network().connect(own, server));
          return std::make_unique<Client>(std::move(socket), request_text(server, load, number));
        });
  });
  return result;
}

}  // namespace verity::bench
