// A client of the HTTP interface over the simulated network: one connection, kept alive while it works. Sends
// its requests in pieces of any size, and reads answers and event streams. Own code, so that it shares no bug
// with the server's parser.
#pragma once

#include "io/base/prng.h"
#include "io/base/result.h"
#include "io/network.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace verity::io {
class Wait;
}

namespace verity::sim {

struct HttpRequest {
  std::string method = "GET";
  std::string target;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
};

struct HttpResponse {
  int status = 0;
  std::vector<std::pair<std::string, std::string>> headers;  // names in lower case
  std::string body;

  std::string_view header(std::string_view name) const;
};

// One server-sent event.
struct ServerEvent {
  std::string id;
  std::string type;
  std::string data;
};

class HttpClient {
 public:
  HttpClient(io::Network& network, io::Address server, Prng prng);

  // An error after the request may have been sent says nothing about whether it was carried out; nothing_sent()
  // tells when it certainly was not. The connection is closed after every error.
  Result<HttpResponse> request(io::Wait& wait, const HttpRequest& request);
  bool nothing_sent() const { return nothing_sent_; }

  // From now on every request is sent at once, not in crumbs with pauses between them.
  void send_at_once() { in_crumbs_of_30_ = 0; }

  // Sends some of the request, up to all of it, and closes the connection without listening.
  void leave_in_the_middle(io::Wait& wait, const HttpRequest& request);

  // Opens an event stream. The head of the answer, with the whole body unless its status is 200.
  Result<HttpResponse> open_stream(io::Wait& wait, const HttpRequest& request);
  // The next event of an open stream; nothing when the server ended it in order.
  Result<std::optional<ServerEvent>> next_event(io::Wait& wait);

  // The next request goes to this server.
  void turn_to(const io::Address& server);
  const io::Address& server() const { return server_; }

  void close();

 private:
  std::string print(const HttpRequest& request) const;
  Status connect(io::Wait& wait);
  Status send(io::Wait& wait, const HttpRequest& request);
  Result<HttpResponse> read_head(io::Wait& wait);
  Status read_body(io::Wait& wait, HttpResponse& response);
  Result<std::string> read_line(io::Wait& wait);
  Status read_bytes(io::Wait& wait, std::size_t count, std::string& out);
  // The next chunk of a chunked body; empty: that was the last one.
  Result<std::string> read_chunk(io::Wait& wait);
  Status fill(io::Wait& wait);

  io::Network& network_;
  io::Address server_;
  Prng prng_;
  std::unique_ptr<io::Socket> socket_;
  std::string buffer_;  // received and not yet used
  std::string stream_;  // bytes of an event stream not yet cut into events
  bool nothing_sent_ = true;
  std::uint64_t in_crumbs_of_30_ = 1;
};

std::string percent_encode(std::string_view text);

}  // namespace verity::sim
