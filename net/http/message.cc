#include "net/http/message.h"

namespace verity::http {

std::string_view describe(Method method) {
  switch (method) {
    case Method::get:
      return "GET";
    case Method::head:
      return "HEAD";
    case Method::post:
      return "POST";
    case Method::put:
      return "PUT";
    case Method::del:
      return "DELETE";
    case Method::other:
      return "other";
  }
  return "other";
}

std::string_view describe(Header header) {
  switch (header) {
    case Header::content_type:
      return "Content-Type";
    case Header::expect:
      return "Expect";
    case Header::expected_revision:
      return "Expected-Revision";
    case Header::host:
      return "Host";
    case Header::idempotency_key:
      return "Idempotency-Key";
    case Header::last_event_id:
      return "Last-Event-ID";
    case Header::count_:
      break;
  }
  return "unknown";
}

void Response::clear() {
  status = 200;
  content_type = "application/json";
  headers.clear();
  body.clear();
  close = false;
  stream = nullptr;
}

std::string_view reason_phrase(int status) {
  switch (status) {
    case 100:
      return "Continue";
    case 200:
      return "OK";
    case 201:
      return "Created";
    case 204:
      return "No Content";
    case 400:
      return "Bad Request";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 413:
      return "Content Too Large";
    case 415:
      return "Unsupported Media Type";
    case 417:
      return "Expectation Failed";
    case 422:
      return "Unprocessable Content";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 503:
      return "Service Unavailable";
    case 507:
      return "Insufficient Storage";
    case 505:
      return "HTTP Version Not Supported";
    default:
      return "Unknown";
  }
}

}  // namespace verity::http
