// A request of a session is carried out once, whatever happens between its attempts.
#include "tests/node/node_fixture.h"

namespace verity::node {
namespace {

class SessionTest : public NodeFixture {
 protected:
  static Outcome<AppendReceipt> ask(io::Wait& wait, Node& node, const SessionRequest& request,
                                    std::string_view data, Expectation expected = {}) {
    return node.append(
        wait, {.tenant = "default",
               .streams = {{.stream = "s", .expected = expected, .events = {{.type = "t", .data = data}}}},
               .session = request});
  }
  static std::optional<RefusalCode> refusal_of(const Outcome<AppendReceipt>& outcome) {
    return outcome ? std::nullopt : std::optional(outcome.error().code);
  }
};

TEST_F(SessionTest, ARequestIsCarriedOutOnceAcrossAPowerCutAndACheckpoint) {
  Id128 session;
  AppendReceipt first;
  ASSERT_TRUE(boot([&](io::Wait& wait, Node& node) {
    session = node.open_session(wait).value();
    first = ask(wait, node, {session, 1}, "1").value();
    EXPECT_FALSE(first.replayed);
    EXPECT_EQ(node.metrics().sessions, 1u);
    current->crash("power cut");
  }));
  for (int start = 0; start < 2; ++start) {  // derived from the log, then from the checkpoint of a clean stop
    ASSERT_TRUE(boot([&](io::Wait& wait, Node& node) {
      const auto again = ask(wait, node, {session, 1, true}, "1");
      ASSERT_TRUE(again) << again.error().describe();
      EXPECT_TRUE(again->replayed);
      EXPECT_EQ(again->position, first.position);
      EXPECT_EQ(again->hash, first.hash);
      EXPECT_EQ(again->streams[0].first_revision, first.streams[0].first_revision);
      EXPECT_EQ(node.metrics().session_replays_total, 1u);
      EXPECT_EQ(refusal_of(ask(wait, node, {session, 1}, "2")), RefusalCode::idempotency_conflict);
      EXPECT_EQ(
          refusal_of(node.append(wait, {.tenant = "other",
                                        .streams = {{.stream = "s", .events = {{.type = "t", .data = "1"}}}},
                                        .session = SessionRequest{session, 1, true}})),
          RefusalCode::idempotency_conflict)
          << "of another tenant";
      EXPECT_EQ(read_all(wait, node, "s"), "0=1 ");
    }));
  }
}

TEST_F(SessionTest, TwoAttemptsAtOnceAreOne) {
  ASSERT_TRUE(boot([&](io::Wait& wait, Node& node) {
    const Id128 session = node.open_session(wait).value();
    std::vector<Position> positions;
    for (int i = 0; i < 3; ++i) {
      current->spawn("attempt", [&](io::Wait& own) {
        const auto receipt = ask(own, node, {session, 7, true}, "1");
        EXPECT_TRUE(receipt) << receipt.error().describe();
        if (receipt) positions.push_back(receipt->position);
      });
    }
    while (positions.size() < 3) ASSERT_TRUE(wait.sleep(1ms));
    EXPECT_EQ(positions, std::vector(3, positions.front()));
    EXPECT_EQ(read_all(wait, node, "s"), "0=1 ");
  }));
}

// The first attempt is still on its way when the second is refused: it must not be carried out after all.
TEST_F(SessionTest, ARefusedRetryIsRefusedForGood) {
  Id128 session;
  ASSERT_TRUE(boot([&](io::Wait& wait, Node& node) {
    session = node.open_session(wait).value();
    const Expectation exists{Expectation::Kind::exists};
    EXPECT_EQ(refusal_of(ask(wait, node, {session, 1, true}, "1", exists)), RefusalCode::expectation_failed);
    ASSERT_TRUE(append(wait, node, "s", "0"));
    EXPECT_EQ(refusal_of(ask(wait, node, {session, 1}, "1", exists)), RefusalCode::request_given_up);
    // Nothing was on its way behind this one.
    EXPECT_EQ(refusal_of(ask(wait, node, {session, 2}, "2", {Expectation::Kind::none})),
              RefusalCode::expectation_failed);
    EXPECT_TRUE(ask(wait, node, {session, 2}, "2"));
    current->crash("power cut");
  }));
  ASSERT_TRUE(boot([&](io::Wait& wait, Node& node) {
    EXPECT_EQ(refusal_of(ask(wait, node, {session, 1}, "1")), RefusalCode::request_given_up);
    EXPECT_EQ(read_all(wait, node, "s"), "0=0 1=2 ");
  }));
}

TEST_F(SessionTest, WhatIsForgottenIsNeverCarriedOutAgain) {
  options.tuning.session_requests_kept = 2;
  options.tuning.sessions_max = 2;
  ASSERT_TRUE(boot([&](io::Wait& wait, Node& node) {
    EXPECT_EQ(refusal_of(ask(wait, node, {Id128{{1}}, 1}, "1")), RefusalCode::session_unknown);
    const Id128 session = node.open_session(wait).value();
    for (std::uint64_t number = 1; number <= 4; ++number)
      ASSERT_TRUE(ask(wait, node, {session, number}, "1"));
    EXPECT_EQ(refusal_of(ask(wait, node, {session, 2, true}, "1")), RefusalCode::outcome_unknown);
    const Id128 second = node.open_session(wait).value();
    const Id128 third = node.open_session(wait).value();
    EXPECT_EQ(refusal_of(ask(wait, node, {session, 5}, "1")), RefusalCode::session_unknown);
    EXPECT_EQ(refusal_of(ask(wait, node, {session, 4, true}, "1")), RefusalCode::session_unknown);
    EXPECT_TRUE(ask(wait, node, {second, 1}, "2"));
    EXPECT_TRUE(ask(wait, node, {third, 1}, "3"));
    EXPECT_EQ(read_all(wait, node, "s"), "0=1 1=1 2=1 3=1 4=2 5=3 ");
  }));
}

}  // namespace
}  // namespace verity::node
