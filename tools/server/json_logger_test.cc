#include "tools/server/json_logger.h"

#include "io/clock.h"

#include <gtest/gtest.h>

#include <unistd.h>
#include <array>
#include <limits>

namespace verity::tools {
namespace {

class FixedClock : public io::Clock {
 public:
  Instant monotonic() const override { return {0}; }
  Timestamp realtime() const override { return {1'705'314'600'042'000'000}; }  // 2024-01-15T10:30:00.042Z
};

class JsonLoggerTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_EQ(::pipe(pipe_.data()), 0); }
  void TearDown() override {
    ::close(pipe_[0]);
    ::close(pipe_[1]);
  }
  std::string written() const {
    std::array<char, 4096> buffer{};
    const ssize_t count = ::read(pipe_[0], buffer.data(), buffer.size());
    return std::string(buffer.data(), count > 0 ? static_cast<std::size_t>(count) : 0);
  }

  FixedClock clock_;
  std::array<int, 2> pipe_{};
};

TEST_F(JsonLoggerTest, WritesTheGuidesLine) {
  JsonLogger logger(pipe_[1], clock_, io::LogLevel::info);
  logger.log(io::LogLevel::info, "verity_node", "Became leader",
             {{"node_id", std::uint64_t{1}},
              {"ratio", 0.5},
              {"offset", std::int64_t{-3}},
              {"ready", true},
              {"path", std::string("/a")}});
  EXPECT_EQ(
      written(),
      "{\"timestamp\":\"2024-01-15T10:30:00.042Z\",\"level\":\"INFO\",\"target\":\"verity_node\",\"message\":"
      "\"Became "
      "leader\",\"fields\":{\"node_id\":1,\"ratio\":0.5,\"offset\":-3,\"ready\":true,\"path\":\"/a\"}}"
      "\n");
}

TEST_F(JsonLoggerTest, LeavesOutWhatIsLessImportantThanAsked) {
  JsonLogger logger(pipe_[1], clock_, io::LogLevel::warn);
  EXPECT_FALSE(logger.enabled(io::LogLevel::info));
  logger.log(io::LogLevel::info, "t", "quiet", {});
  logger.log(io::LogLevel::error, "t", "loud", {});
  const std::string text = written();
  EXPECT_EQ(text.find("quiet"), std::string::npos);
  EXPECT_NE(text.find("\"level\":\"ERROR\",\"target\":\"t\",\"message\":\"loud\",\"fields\":{}}\n"),
            std::string::npos);
}

TEST(JsonString, EscapesWhatJsonForbids) {
  const auto escaped = [](std::string_view text) {
    std::string out;
    append_json_string(out, text);
    return out;
  };
  EXPECT_EQ(escaped("a\"b\\c\n\t\x01"), "\"a\\\"b\\\\c\\n\\t\\u0001\"");
  EXPECT_EQ(escaped("größe \xf0\x9f\x90\x99"), "\"größe \xf0\x9f\x90\x99\"");
  EXPECT_EQ(escaped("\xff|\xc3|\xed\xa0\x80"),
            "\"\xef\xbf\xbd|\xef\xbf\xbd|\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
  EXPECT_EQ(escaped("\xc0\x80"), "\"\xef\xbf\xbd\xef\xbf\xbd\"");
}

TEST_F(JsonLoggerTest, NumbersThatJsonDoesNotKnowAreNull) {
  JsonLogger logger(pipe_[1], clock_, io::LogLevel::info);
  logger.log(io::LogLevel::info, "t", "m", {{"x", std::numeric_limits<double>::infinity()}});
  EXPECT_NE(written().find("\"fields\":{\"x\":null}"), std::string::npos);
}

}  // namespace
}  // namespace verity::tools
