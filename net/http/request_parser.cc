#include "net/http/request_parser.h"

#include "io/base/assert.h"

#include <boost/beast/http/basic_parser.hpp>

#include <algorithm>
#include <cctype>

namespace verity::http {

namespace {

namespace beast = boost::beast;

// Beast marks its callbacks' failures with error codes of its own; the sentence is kept beside.
constexpr auto refused_here = beast::http::error::bad_value;

// A capacity that one large request leaves behind is given back.
constexpr std::size_t kept_capacity_max = 64 * KiB;

bool equals_ignoring_case(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, [](char x, char y) {
    return std::tolower(static_cast<unsigned char>(x)) == std::tolower(static_cast<unsigned char>(y));
  });
}

std::string_view to_std(beast::string_view text) {
  return {text.data(), text.size()};
}

Method to_method(beast::http::verb verb) {
  switch (verb) {
    case beast::http::verb::get:
      return Method::get;
    case beast::http::verb::head:
      return Method::head;
    case beast::http::verb::post:
      return Method::post;
    case beast::http::verb::put:
      return Method::put;
    case beast::http::verb::delete_:
      return Method::del;
    default:
      return Method::other;
  }
}

std::optional<Header> to_header(beast::http::field field, std::string_view name) {
  switch (field) {
    case beast::http::field::content_type:
      return Header::content_type;
    case beast::http::field::expect:
      return Header::expect;
    case beast::http::field::host:
      return Header::host;
    case beast::http::field::unknown:
      break;
    default:
      return std::nullopt;
  }
  for (const Header header : {Header::expected_revision, Header::idempotency_key, Header::last_event_id}) {
    if (equals_ignoring_case(name, describe(header))) return header;
  }
  return std::nullopt;
}

}  // namespace

class RequestParser::Grammar final : public beast::http::basic_parser<true> {
 public:
  explicit Grammar(RequestParser& owner) : owner_(owner) {
    const ByteCount header_max = owner.limits_.header_bytes_max + 1;  // the owner counts, and refuses first
    header_limit(static_cast<std::uint32_t>(std::min<ByteCount>(header_max, UINT32_MAX)));
    body_limit(owner.limits_.body_bytes_max);
  }

 private:
  using error_code = beast::error_code;

  void on_request_impl(beast::http::verb verb, beast::string_view, beast::string_view target, int version,
                       error_code&) override {
    owner_.request_.method = to_method(verb);
    owner_.request_.target.assign(target.data(), target.size());
    owner_.request_.is_http_1_0 = version == 10;
  }

  void on_field_impl(beast::http::field field, beast::string_view name, beast::string_view value,
                     error_code& error) override {
    if (owner_.is_header_done_) return;  // a trailer: nothing we read may come that late
    if (field == beast::http::field::transfer_encoding && !equals_ignoring_case(to_std(value), "chunked")) {
      owner_.problem_ = {
          501, "not_implemented",
          "Transfer-Encoding: " + std::string(to_std(value)) + " is not supported; allowed: chunked"};
      error = refused_here;
      return;
    }
    if (field == beast::http::field::content_length) owner_.announced_.assign(value.data(), value.size());
    const auto known = to_header(field, to_std(name));
    if (!known) return;
    Request::Field& slot = owner_.request_.fields[static_cast<std::size_t>(*known)];
    if (slot.is_present) {
      owner_.problem_ =
          invalid_request("the header " + std::string(describe(*known)) + " stands there twice");
      error = refused_here;
      return;
    }
    slot.is_present = true;
    slot.value.assign(value.data(), value.size());
  }

  void on_header_impl(error_code&) override {}

  void on_body_init_impl(const boost::optional<std::uint64_t>&, error_code&) override {}

  std::size_t on_body_impl(beast::string_view piece, error_code&) override {
    owner_.request_.body.append(piece.data(), piece.size());
    return piece.size();
  }

  void on_chunk_header_impl(std::uint64_t, beast::string_view, error_code&) override {}

  std::size_t on_chunk_body_impl(std::uint64_t, beast::string_view piece, error_code&) override {
    owner_.request_.body.append(piece.data(), piece.size());
    return piece.size();
  }

  void on_finish_impl(error_code&) override {}

  void on_response_impl(int, beast::string_view, int, error_code&) override {}

  RequestParser& owner_;
};

RequestParser::RequestParser(Limits limits) : limits_(std::move(limits)) {
  reset();
}
RequestParser::~RequestParser() = default;

void RequestParser::reset() {
  state_ = State::need_more;
  is_header_done_ = false;
  header_bytes_ = 0;
  framing_bytes_ = 0;
  content_length_.reset();
  is_chunked_ = false;
  announced_.clear();
  request_.method = Method::other;
  request_.target.clear();
  request_.is_http_1_0 = false;
  request_.keep_alive = false;
  for (Request::Field& field : request_.fields) field.is_present = false;
  if (request_.body.capacity() > kept_capacity_max) {  // assigning an empty string would keep it
    std::string().swap(request_.body);
  } else {
    request_.body.clear();
  }
  problem_ = {};
  grammar_ = std::make_unique<Grammar>(*this);
}

void RequestParser::refuse(Problem problem) {
  problem_ = std::move(problem);
  state_ = State::failed;
}

void RequestParser::finish_header() {
  is_header_done_ = true;
  state_ = State::header_done;
  request_.keep_alive = grammar_->keep_alive();
  is_chunked_ = grammar_->chunked();
  if (const auto length = grammar_->content_length()) content_length_ = *length;
  grammar_->eager(true);
  if (!request_.is_http_1_0 && !request_.header(Header::host)) {
    refuse(invalid_request("an HTTP/1.1 request needs one Host header"));
  } else if (const auto expect = request_.header(Header::expect);
             expect && !equals_ignoring_case(*expect, "100-continue")) {
    refuse({417, "expectation_unknown",
            "Expect: " + std::string(*expect) + " is not known; allowed: 100-continue"});
  } else if (!has_body()) {
    state_ = State::complete;
  }
}

std::size_t RequestParser::feed(ByteView bytes) {
  VERITY_ASSERT(state_ != State::complete && state_ != State::failed);
  if (state_ == State::header_done) state_ = State::need_more;
  if (bytes.empty()) return 0;

  const std::size_t body_before = request_.body.size();
  beast::error_code error;
  const std::size_t taken = grammar_->put(boost::asio::const_buffer(bytes.data(), bytes.size()), error);
  const bool wants_more = error == beast::http::error::need_more;

  if (!is_header_done_) {
    header_bytes_ += taken;
    const ByteCount header_bytes = header_bytes_ + (wants_more ? bytes.size() - taken : 0);
    if (header_bytes > limits_.header_bytes_max || error == beast::http::error::header_limit) {
      refuse({431, "header_too_large",
              "request line and headers are limited to " + describe_bytes(limits_.header_bytes_max)});
      return taken;
    }
  } else {
    framing_bytes_ += taken - (request_.body.size() - body_before);
    // Chunk headers may carry extensions, and trailers follow; none of it is worth more than the body
    // allowed.
    const ByteCount framing_max = limits_.header_bytes_max + limits_.body_bytes_max;
    if (framing_bytes_ > framing_max || (wants_more && bytes.size() - taken > limits_.header_bytes_max)) {
      refuse({431, "header_too_large", "the chunk headers of this body are too long"});
      return taken;
    }
  }

  if (error && !wants_more) {
    if (error == beast::http::error::body_limit) {
      const std::string size = announced_.empty() ? "sent in chunks" : "of " + announced_ + " bytes";
      refuse(content_too_large("the body " + size + " is over the limit of " +
                               describe_bytes(limits_.body_bytes_max) + limits_.body_limit_name));
    } else if (problem_.status != 0) {
      state_ = State::failed;  // refused in a callback
    } else if (error == beast::http::error::bad_version) {
      refuse({505, "malformed_http", "this port speaks HTTP/1.1 and HTTP/1.0"});
    } else {
      refuse({400, "malformed_http", "not a valid HTTP request: " + error.message()});
    }
    return taken;
  }
  if (!is_header_done_ && grammar_->is_header_done()) {
    finish_header();
  } else if (is_header_done_ && grammar_->is_done()) {
    state_ = State::complete;
  }
  return taken;
}

}  // namespace verity::http
