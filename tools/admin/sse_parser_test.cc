#include "tools/admin/sse_parser.h"

#include <gtest/gtest.h>

#include <vector>

namespace verity::tools {
namespace {

std::vector<std::string> parse(std::string_view text, std::size_t piece) {
  SseParser parser;
  std::vector<std::string> events;
  const auto note = [&](const SseEvent& event) {
    events.push_back(event.id + "|" + event.type + "|" + event.data);
    return true;
  };
  for (std::size_t at = 0; at < text.size(); at += piece)
    EXPECT_TRUE(parser.feed(text.substr(at, piece), note));
  return events;
}

TEST(SseParser, IsTheSameWhereverTheBytesAreCut) {
  constexpr std::string_view text =
      ": hello\r\n\r\nid: 2.0\r\nevent: noted\r\ndata: {\"a\":1}\r\n\r\n"
      "id:3.0\ndata:first\ndata: second\n\ndata: no id\r\rid: 9\n\nretry: 5\nunknown\n\ndata: unfinished";
  const std::vector<std::string> expected = {"2.0|noted|{\"a\":1}", "3.0||first\nsecond", "3.0||no id"};
  for (std::size_t piece = 1; piece <= text.size(); ++piece) EXPECT_EQ(parse(text, piece), expected) << piece;
}

TEST(SseParser, StopsWhenItIsTold) {
  SseParser parser;
  int seen = 0;
  EXPECT_FALSE(
      parser.feed("id: 1\ndata: a\n\nid: 2\ndata: b\n\n", [&](const SseEvent&) { return ++seen < 1; }));
  EXPECT_EQ(seen, 1);
  EXPECT_EQ(parser.last_id(), "1");
}

}  // namespace
}  // namespace verity::tools
