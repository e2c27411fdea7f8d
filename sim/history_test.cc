#include "sim/history.h"

#include <gtest/gtest.h>

namespace verity::sim {
namespace {

// Each checker is shown what it must object to.
struct HistoryTest : testing::Test {
  std::vector<std::string> failures;
  History history{[this](const std::string& what) { failures.push_back(what); }};

  std::uint64_t send(const std::string& data, ExpectationKind expected = ExpectationKind::any,
                     std::uint64_t revision = 0) {
    return history.sent({"t", {{"s", {expected, revision}, {{"type", data, "", "", "", {}}}}}, "key", false});
  }
  void ack(std::uint64_t request, std::uint64_t position, std::uint64_t revision, bool replayed = false) {
    history.acked(request,
                  {position, {{"s", revision, revision}}, "hash" + std::to_string(position), replayed},
                  Instant{5});
  }
  ServedEvent served(const std::string& data, std::uint64_t revision, std::uint64_t position) {
    return {.stream = "s", .revision = revision, .place = {position, 0}, .type = "type", .data = data};
  }
  void expect_failure(const std::string& part) {
    ASSERT_FALSE(failures.empty()) << "nothing was said about " << part;
    EXPECT_NE(failures.front().find(part), std::string::npos) << failures.front();
  }
};

TEST_F(HistoryTest, AcceptsWhatFitsTogether) {
  const auto a = send("1");
  const auto b = send("2", ExpectationKind::exact, 0);
  ack(a, 3, 0);
  ack(b, 4, 1);
  ack(b, 4, 1, true);
  history.observed("t", served("1", 0, 3), {});
  history.recovered(4, "hash4", Instant::never(), {});
  history.check_whole("t", {served("1", 0, 3), served("2", 1, 4)}, {}, history.mark());
  EXPECT_TRUE(failures.empty()) << failures.front();
}

TEST_F(HistoryTest, ObjectsToARequestCarriedOutTwice) {
  const auto a = send("1");
  ack(a, 3, 0);
  ack(a, 4, 1, true);
  expect_failure("carried out twice");
}

TEST_F(HistoryTest, ObjectsToASecondAcknowledgementThatIsNoReplay) {
  const auto a = send("1");
  ack(a, 3, 0);
  ack(a, 3, 0);
  expect_failure("not as a replay");
}

TEST_F(HistoryTest, ObjectsToARequestBeforeWhatWasKnownWhenItWasSent) {
  const auto a = send("1");
  const auto b = send("2");
  ack(a, 4, 1);
  ack(b, 3, 0);  // sent before the other was known
  EXPECT_TRUE(failures.empty()) << failures.front();
  ack(send("3"), 2, 2);
  expect_failure("was sent when position 4 was known");
}

TEST_F(HistoryTest, ObjectsToOneRevisionForTwo) {
  ack(send("1"), 3, 0);
  ack(send("2"), 4, 0);
  expect_failure("revision 0");
}

TEST_F(HistoryTest, ObjectsToOnePositionForTwo) {
  const auto a = send("1");
  const auto b = send("2");
  ack(a, 3, 0);
  ack(b, 3, 1);
  expect_failure("position 3 holds");
}

TEST_F(HistoryTest, ObjectsToAnUnheldExpectation) {
  ack(send("1", ExpectationKind::exact, 5), 3, 0);
  expect_failure("against its expectation");
}

TEST_F(HistoryTest, ObjectsToARefusalWithoutGround) {
  history.refused_expectations(send("1", ExpectationKind::exact, 5), {{"s", "", "5", 5}}, {});
  expect_failure("failed its expectation though");
}

TEST_F(HistoryTest, ObjectsToARefusalThatForgets) {
  history.refused_expectations(send("1", ExpectationKind::exact, 5), {{"s", "", "5", 2}}, {{{"s", 4}}, {}});
  expect_failure("revision 4 was known before");
}

TEST_F(HistoryTest, ObjectsToChangedBytes) {
  send("{ \"a\": 1 }");
  history.observed("t", served("{\"a\":1}", 0, 3), {});
  expect_failure("nobody sent");
}

TEST_F(HistoryTest, ObjectsToARefusedRequestThatHappened) {
  const auto a = send("1");
  history.refused(a);
  history.observed("t", served("1", 0, 3), {});
  expect_failure("was refused");
}

TEST_F(HistoryTest, ObjectsToLossAtARestart) {
  ack(send("1"), 3, 0);
  history.recovered(2, "hash2", Instant::never(), {});
  expect_failure("is lost");
}

TEST_F(HistoryTest, AllowsOnlyTheLossOfWhatIsRecent) {
  ack(send("1"), 3, 0);
  history.recovered(2, "hash2", Instant{5}, {});
  EXPECT_TRUE(failures.empty());
  EXPECT_EQ(history.lost_count(), 1u);
  ack(send("2"), 3, 0);
  history.recovered(2, "hash2", Instant{6}, {});
  expect_failure("is lost");
}

TEST_F(HistoryTest, ObjectsToAnotherHash) {
  history.observed_hash(3, "x", "root", {});
  history.observed_hash(3, "x", "another", {});
  expect_failure("tree root of position 3");
}

TEST_F(HistoryTest, ObjectsToAReadThatLeavesOut) {
  ack(send("1"), 3, 0);
  ack(send("2"), 4, 1);
  history.check_nothing_left_out("t", "", "", {2, 0}, {5, 0}, {{3, 0}}, history.mark());
  expect_failure("left out 4.0");
}

TEST_F(HistoryTest, ObjectsToASubjectOutOfTurn) {
  history.sent(
      {"t", {{"s", {}, {{"type", "1", "", "", "who", {}}, {"type", "2", "", "", "who", {}}}}}, "", false});
  ServedEvent event = served("1", 0, 3);
  event.subject = "who";
  event.subject_revision = 1;
  history.observed("t", event, {});
  ServedEvent next = served("2", 1, 3);
  next.place.index = 1;
  next.subject = "who";
  next.subject_revision = 1;
  EXPECT_TRUE(failures.empty());
  history.observed("t", next, {});
  expect_failure("does not fit the revisions");
}

TEST_F(HistoryTest, ObjectsToAnUnheldExpectationOfASubject) {
  history.sent({"t", {{"s", {}, {{"type", "1", "", "", "who", {ExpectationKind::none}}}}}, "", false});
  ServedEvent event = served("1", 0, 3);
  event.subject = "who";
  event.subject_revision = 1;
  history.observed("t", event, {});
  expect_failure("was expected to follow none");
}

TEST_F(HistoryTest, ForgetsADeletedTenantAndObjectsToWhatIsLeftOfIt) {
  history.tenant_began("t", 2);
  const auto before = history.stand("t");
  ack(send("1"), 3, 0);
  history.tenant_changes("t");
  EXPECT_FALSE(history.holds("t", before));
  EXPECT_FALSE(history.holds("t", history.stand("t")));
  history.tenant_began("t", 5);
  EXPECT_FALSE(history.holds("t", before));
  EXPECT_TRUE(history.holds("t", history.stand("t")));
  EXPECT_FALSE(history.last_revision("t", "s"));
  ack(send("2"), 6, 0);
  history.check_whole("t", {served("2", 0, 6)}, {}, history.mark());
  EXPECT_TRUE(failures.empty()) << failures.front();
  history.observed("t", served("1", 0, 3), {});
  expect_failure("of a tenant that was deleted");
}

TEST_F(HistoryTest, ObjectsToAProofOfOtherBytes) {
  ack(send("1"), 3, 0);
  history.check_bytes({3, 0}, "s", "1");
  EXPECT_TRUE(failures.empty());
  history.check_bytes({3, 0}, "s", "2");
  expect_failure("what nobody sent");
}

TEST_F(HistoryTest, ObjectsToAGapAndToAMissingEventInTheWhole) {
  ack(send("1"), 3, 0);
  ack(send("2"), 4, 1);
  history.check_whole("t", {served("2", 1, 4)}, {}, history.mark());
  expect_failure("from revision 0 to 1");
  failures.clear();
  history.check_whole("t", {served("1", 0, 3)}, {}, history.mark());
  expect_failure("is lost");
}

}  // namespace
}  // namespace verity::sim
