// A blocking HTTP client for one server: what verity-admin speaks. libcurl does the work and is not seen outside
// http_client.cc.
#pragma once

#include "io/base/result.h"
#include "io/base/units.h"

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace verity::tools {

struct HttpRequest {
  std::string method = "GET";
  std::string path;                  // with the query, percent-encoded
  std::vector<std::string> headers;  // "Name: value"
  std::string body;
  Duration timeout = 60s;
};

struct HttpResponse {
  int status = 0;
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;

  bool is_success() const { return status >= 200 && status < 300; }
};

class HttpClient {
 public:
  // `server` is "host:port"; connections are kept between requests.
  explicit HttpClient(std::string server);
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  // refused: nobody answers there. timed_out, closed: the request may or may not have been carried out.
  Result<HttpResponse> send(const HttpRequest& request);

  // Hands the body of a successful answer to `on_data` as it arrives, until the server ends it or `on_data` returns
  // false; the response then has no body. Other answers are returned whole. No timeout but for connecting and for
  // `idle_max` without a byte.
  Result<HttpResponse> stream(const HttpRequest& request, Duration idle_max,
                              const std::function<bool(std::string_view)>& on_data);

  const std::string& server() const { return server_; }

 private:
  struct Handle;
  const std::string server_;
  std::unique_ptr<Handle> handle_;
};

// For one part of a path or one value of a query.
std::string percent_encode(std::string_view text);

}  // namespace verity::tools
