#include "sim/recorded_history.h"

#include <gtest/gtest.h>

namespace verity::sim {
namespace {

// Each line that must be objected to is shown to the judge once.
struct RecordedHistoryTest : testing::Test {
  RecordedHistory recorded;

  void append(int number, const std::string& more = "") {
    recorded.take("{\"append\":" + std::to_string(number) + more +
                  ",\"tenant\":\"t\",\"stream\":\"s\",\"events\":[{\"type\":\"e\",\"data\":" +
                  std::to_string(number) + "}]}");
  }
  void answer(int number, int position, int revision, const std::string& date = "2026-01-15T10:30:00.000000Z",
              const std::string& more = "") {
    recorded.take("{\"answer\":" + std::to_string(number) + more + ",\"body\":{\"position\":" +
                  std::to_string(position) + ",\"first_revision\":" + std::to_string(revision) +
                  ",\"last_revision\":" + std::to_string(revision) + ",\"hash\":\"h" +
                  std::to_string(position) + "\",\"recorded_at\":\"" + date + "\"}}");
  }
  void read(int number, const std::string& consistency, const std::string& process = "1:7",
            const std::string& more = "") {
    recorded.take("{\"read\":" + std::to_string(number) + ",\"process\":\"" + process +
                  "\",\"consistency\":\"" + consistency +
                  "\",\"tenant\":\"t\",\"stream\":\"s\",\"limit\":10" + more + "}");
  }
  static std::string event(int data, int revision, int position) {
    return R"({"stream":"s","revision":)" + std::to_string(revision) + R"(,"position":)" +
           std::to_string(position) + R"(,"index":0,"type":"e","data":)" + std::to_string(data) +
           R"(,"recorded_at":"x"})";
  }
  static std::string body(const std::string& events, int head) {
    return R"({"events":[)" + events + R"(],"next":")" + std::to_string(head + 1) +
           R"(.0","head":{"position":)" + std::to_string(head) + "}}";
  }
  void page(int number, const std::string& events, int head) {
    recorded.take("{\"page\":" + std::to_string(number) + ",\"body\":" + body(events, head) + "}");
  }
  void expect_fine() { EXPECT_FALSE(recorded.failure()) << *recorded.failure(); }
  void expect_failure(const std::string& part) {
    ASSERT_TRUE(recorded.failure()) << "nothing was said about " << part;
    EXPECT_NE(recorded.failure()->find(part), std::string::npos) << *recorded.failure();
  }
};

TEST_F(RecordedHistoryTest, AcceptsWhatFitsTogether) {
  append(1);
  answer(1, 3, 0);
  append(2);
  read(1, "linearizable");
  page(1, event(1, 0, 3), 3);
  answer(2, 4, 1);
  read(2, "stale");
  page(2, event(1, 0, 3), 3);  // behind, but not behind itself
  read(3, "leader", "2:9");
  page(3, event(1, 0, 3) + "," + event(2, 1, 4), 4);
  recorded.take("{\"whole\":\"t\",\"pages\":[" + body(event(1, 0, 3), 3) + "," + body(event(2, 1, 4), 4) +
                "]}");
  expect_fine();
  EXPECT_EQ(recorded.describe(), "2 appends, 2 acknowledged, 3 reads of 4 events by 2 processes");
}

TEST_F(RecordedHistoryTest, ObjectsToALinearizableReadThatIsBehind) {
  append(1);
  answer(1, 3, 0);
  read(1, "linearizable");
  page(1, "", 2);
  expect_failure("although position 3 was known before");
}

TEST_F(RecordedHistoryTest, ObjectsToAStreamThatIsNotFoundAnyMore) {
  append(1);
  read(1, "linearizable");
  recorded.take(R"({"missing":1})");
  answer(1, 3, 0);
  read(2, "stale");
  recorded.take(R"({"missing":2})");
  expect_fine();
  read(3, "linearizable");
  recorded.take(R"({"missing":3})");
  expect_failure("was known and is not found");
}

TEST_F(RecordedHistoryTest, TakesWhatIsAcknowledgedDuringAReadForUnknown) {
  append(1);
  read(1, "linearizable");
  answer(1, 3, 0);
  page(1, "", 2);
  expect_fine();
}

TEST_F(RecordedHistoryTest, ObjectsToAProcessThatGoesBack) {
  append(1);
  answer(1, 3, 0);
  read(1, "leader");
  page(1, event(1, 0, 3), 3);
  read(2, "stale", "2:9");
  page(2, "", 2);
  expect_fine();
  read(3, "stale");
  page(3, "", 2);
  expect_failure("has head 2 although position 3");
}

TEST_F(RecordedHistoryTest, ObjectsToAWeakReadThatLeavesOutWhatItsHeadCovers) {
  append(1);
  answer(1, 3, 0);
  append(2);
  answer(2, 4, 1);
  read(1, "stale");
  page(1, event(1, 0, 3), 4);
  expect_failure("left out 4.0");
}

TEST_F(RecordedHistoryTest, ObjectsToAnEventBehindTheHead) {
  append(1);
  read(1, "stale");
  page(1, event(1, 0, 3), 2);
  expect_failure("behind its head");
}

TEST_F(RecordedHistoryTest, ObjectsToWhatWasSeenAndIsGone) {
  append(1);
  append(2);
  read(1, "stale");
  page(1, event(1, 0, 3), 3);  // nobody was told otherwise
  answer(2, 3, 0);
  expect_failure("position 3 holds");
}

TEST_F(RecordedHistoryTest, ObjectsToARefusedAppendThatHappened) {
  append(1);
  recorded.take(R"({"refused":1})");
  read(1, "stale");
  page(1, event(1, 0, 3), 3);
  expect_failure("was refused");
}

TEST_F(RecordedHistoryTest, ObjectsToARefusalThatForgets) {
  append(1);
  answer(1, 3, 0);
  append(2, R"(,"expected":"4")");
  recorded.take(
      R"({"failed":2,"body":{"failed_expectations":[{"stream":"s","expected":"4","actual":null}]}})");
  expect_failure("revision 0 was known before");
}

TEST_F(RecordedHistoryTest, ObjectsToDatesOfAClockThatIsWrong) {
  recorded.take(R"({"clocks":"kept"})");
  const std::string at = R"(,"at":1768473000000000)";  // 2026-01-15T10:30:00Z
  append(1, at);
  answer(1, 3, 0, "2026-01-15T10:30:01.000000Z", at);
  expect_fine();
  append(2, at);
  answer(2, 4, 1, "2026-01-15T11:30:00.000000Z", at);
  expect_failure("still to come");
}

TEST_F(RecordedHistoryTest, ObjectsToTimeThatGoesBack) {
  append(1);
  answer(1, 3, 0, "2026-01-15T10:30:01.000000Z");
  append(2);
  answer(2, 4, 1, "2026-01-15T10:30:00.000000Z");
  expect_failure("earlier than a position before it");
}

TEST_F(RecordedHistoryTest, ObjectsToAMissingEventInTheWhole) {
  append(1);
  answer(1, 3, 0);
  recorded.take(R"({"whole":"t","pages":[]})");
  expect_failure("is lost");
}

TEST_F(RecordedHistoryTest, ObjectsToALineThatIsNone) {
  recorded.take("{}");
  expect_failure("line 1: this is no line of a history");
}

}  // namespace
}  // namespace verity::sim
