#include "tools/admin/http_client.h"

#include <curl/curl.h>

#include <algorithm>
#include <cctype>

namespace verity::tools {
namespace {

constexpr long connect_timeout_ms = 5000;

// One answer while it arrives.
struct Arriving {
  HttpResponse response;
  const std::function<bool(std::string_view)>* on_data = nullptr;  // null: everything is collected
  bool stopped = false;
};

std::string lower(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

std::string_view trim(std::string_view text) {
  const auto begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r\n") - begin + 1);
}

std::size_t take_header(char* data, std::size_t size, std::size_t count, void* target) {
  auto& response = static_cast<Arriving*>(target)->response;
  const std::string_view line = trim({data, size * count});
  if (line.starts_with("HTTP/")) {
    // A new answer begins: what came before was "100 Continue".
    response = {};
    const auto space = line.find(' ');
    if (space != std::string_view::npos)
      response.status = std::atoi(std::string(line.substr(space + 1)).c_str());
  } else if (const auto colon = line.find(':'); colon != std::string_view::npos) {
    response.headers[lower(line.substr(0, colon))] = std::string(trim(line.substr(colon + 1)));
  }
  return size * count;
}

std::size_t take_body(char* data, std::size_t size, std::size_t count, void* target) {
  auto& arriving = *static_cast<Arriving*>(target);
  const std::string_view bytes(data, size * count);
  if (arriving.on_data == nullptr || !arriving.response.is_success()) {
    arriving.response.body += bytes;
  } else if (!(*arriving.on_data)(bytes)) {
    arriving.stopped = true;
    return 0;  // anything but the size ends the transfer
  }
  return bytes.size();
}

ErrorCode code_of(CURLcode code) {
  switch (code) {
    case CURLE_COULDNT_CONNECT:
    case CURLE_COULDNT_RESOLVE_HOST:
      return ErrorCode::refused;
    case CURLE_OPERATION_TIMEDOUT:
      return ErrorCode::timed_out;
    case CURLE_GOT_NOTHING:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
    case CURLE_PARTIAL_FILE:
      return ErrorCode::closed;
    case CURLE_URL_MALFORMAT:
      return ErrorCode::invalid_argument;
    default:
      return ErrorCode::io_error;
  }
}

}  // namespace

struct HttpClient::Handle {
  CURL* curl = nullptr;

  Handle() {
    static const CURLcode once = curl_global_init(CURL_GLOBAL_DEFAULT);
    if (once == CURLE_OK) curl = curl_easy_init();
  }
  ~Handle() { curl_easy_cleanup(curl); }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
};

HttpClient::HttpClient(std::string server)
    : server_(std::move(server)), handle_(std::make_unique<Handle>()) {}
HttpClient::~HttpClient() = default;

namespace {

Result<HttpResponse> perform(CURL* curl, const std::string& server, const HttpRequest& request,
                             Arriving& arriving, Duration idle_max) {
  if (curl == nullptr) return fail(ErrorCode::io_error, "libcurl could not be initialised");
  curl_easy_reset(curl);  // keeps the connections
  const std::string url = "http://" + server + request.path;
  curl_slist* headers = nullptr;
  for (const std::string& header : request.headers) headers = curl_slist_append(headers, header.c_str());
  headers = curl_slist_append(headers, "Expect:");  // no round trip before a body

  char message[CURL_ERROR_SIZE] = {};
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, message);
  curl_easy_setopt(curl, CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http");
  curl_easy_setopt(curl, CURLOPT_PROXY, "");  // the server is named; a proxy of the environment is not meant
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_TCP_NODELAY, 1L);
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, connect_timeout_ms);
  curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, take_header);
  curl_easy_setopt(curl, CURLOPT_HEADERDATA, &arriving);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &arriving);
  curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request.method.c_str());
  if (!request.body.empty() || request.method == "POST") {
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request.body.data());
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
  }
  if (arriving.on_data == nullptr) {
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, static_cast<long>(request.timeout / 1ms));
  } else {
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, static_cast<long>(idle_max / 1s));
  }
  const CURLcode code = curl_easy_perform(curl);
  curl_slist_free_all(headers);
  if (code != CURLE_OK && !arriving.stopped) {
    const std::string why = message[0] != '\0' ? message : curl_easy_strerror(code);
    return fail(code_of(code), "talking to " + server + ": " + why);
  }
  return std::move(arriving.response);
}

}  // namespace

Result<HttpResponse> HttpClient::send(const HttpRequest& request) {
  Arriving arriving;
  return perform(handle_->curl, server_, request, arriving, {});
}

Result<HttpResponse> HttpClient::stream(const HttpRequest& request, Duration idle_max,
                                        const std::function<bool(std::string_view)>& on_data) {
  Arriving arriving{.on_data = &on_data};
  return perform(handle_->curl, server_, request, arriving, idle_max);
}

std::string percent_encode(std::string_view text) {
  constexpr std::string_view unreserved =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~";
  constexpr std::string_view digits = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    if (unreserved.find(c) != std::string_view::npos) {
      out += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      out += '%';
      out += digits[byte >> 4];
      out += digits[byte & 15];
    }
  }
  return out;
}

}  // namespace verity::tools
