#include "net/http/request_parser.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>

namespace verity::http {
namespace {

using State = RequestParser::State;

constexpr std::string_view pipelined =
    "POST /v1/a?b=c HTTP/1.1\r\nhost: x\r\nContent-Type: application/json\r\nIdempotency-Key:  k \r\n"
    "Content-Length: 4\r\n\r\nbody"
    "POST /2 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: Chunked\r\n\r\n3;e=\"1\"\r\nabc\r\n2\r\nde\r\n0\r\nT: "
    "1\r\n\r\n"
    "GET /3 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n";

// Offers `text` in pieces that end at `cuts` and describes the requests that come out.
std::vector<std::string> parse(std::string_view text, const std::vector<std::size_t>& cuts) {
  RequestParser parser({});
  std::vector<std::string> requests;
  std::size_t begin = 0;
  for (std::size_t i = 0; i <= cuts.size(); ++i) {
    const std::size_t end = i == cuts.size() ? text.size() : cuts[i];
    while (begin < end) {
      const std::size_t taken = parser.feed(as_bytes(text.substr(begin, end - begin)));
      begin += taken;
      if (parser.state() == State::failed) return {parser.problem().detail};
      if (parser.state() == State::complete) {
        const Request& request = parser.request();
        requests.push_back(std::string(describe(request.method)) + " " + request.target + " " +
                           std::string(request.header(Header::idempotency_key).value_or("-")) + " " +
                           request.body + (request.keep_alive ? " keep" : " close"));
        parser.reset();
      } else if (parser.state() == State::need_more && taken == 0) {
        break;
      }
    }
  }
  return requests;
}

const std::vector<std::string> expected = {"POST /v1/a?b=c k body keep", "POST /2 - abcde keep",
                                           "GET /3 -  keep"};

TEST(RequestParser, PipelinedRequestsInOnePiece) {
  EXPECT_EQ(parse(pipelined, {}), expected);
}

RC_GTEST_PROP(RequestParser, PiecesMakeNoDifference, ()) {
  std::vector<std::size_t> cuts;
  const int count = *rc::gen::inRange(1, 60);
  for (int i = 0; i < count; ++i) cuts.push_back(*rc::gen::inRange<std::size_t>(0, pipelined.size()));
  std::ranges::sort(cuts);
  RC_ASSERT(parse(pipelined, cuts) == expected);
}

TEST(RequestParser, OneByteAtATime) {
  std::vector<std::size_t> cuts;
  for (std::size_t i = 1; i < pipelined.size(); ++i) cuts.push_back(i);
  EXPECT_EQ(parse(pipelined, cuts), expected);
}

TEST(RequestParser, HeaderLimitCountsAllOfIt) {
  RequestParser parser({.header_bytes_max = 100, .body_bytes_max = 10, .body_limit_name = ""});
  std::string text = "GET / HTTP/1.1\r\nHost: x\r\n";
  while (parser.state() == State::need_more && text.size() < 200) {
    const std::size_t taken = parser.feed(as_bytes(text));
    text.erase(0, taken);
    text += "A: 1\r\n";
  }
  EXPECT_EQ(parser.state(), State::failed);
  EXPECT_EQ(parser.problem().status, 431);
}

TEST(RequestParser, EndlessChunkHeadersAreRefused) {
  RequestParser parser({.header_bytes_max = 100, .body_bytes_max = 100, .body_limit_name = ""});
  std::string text = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
  std::size_t sent = 0;
  while (parser.state() != State::failed && sent < 2000) {
    const std::size_t taken = parser.feed(as_bytes(text));
    text.erase(0, taken);
    if (taken == 0 || text.empty()) {
      const std::string more = "1;extension=something-long\r\nx\r\n";
      sent += more.size();
      text += more;
    }
  }
  EXPECT_EQ(parser.state(), State::failed);
  EXPECT_LT(sent, 1000u);
}

TEST(RequestParser, ALargeBodyIsGivenBack) {
  RequestParser parser({});
  const std::string head = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 500000\r\n\r\n";
  const std::size_t taken = parser.feed(as_bytes(head));
  ASSERT_EQ(taken, head.size());
  ASSERT_EQ(parser.state(), State::header_done);
  parser.feed(as_bytes(std::string(500'000, 'x')));
  ASSERT_EQ(parser.state(), State::complete);
  EXPECT_EQ(parser.request().body.size(), 500'000u);
  parser.reset();
  EXPECT_LT(parser.request().body.capacity(), 100'000u);
}

TEST(RequestParser, NothingOfOneRequestLeaksIntoTheNext) {
  const auto requests = parse(
      "POST /1 HTTP/1.1\r\nHost: x\r\nIdempotency-Key: secret\r\nContent-Length: 3\r\n\r\nabc"
      "GET /2 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
      {});
  EXPECT_EQ(requests, (std::vector<std::string>{"POST /1 secret abc keep", "GET /2 -  close"}));
}

}  // namespace
}  // namespace verity::http
