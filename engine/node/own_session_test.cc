#include "engine/node/own_session.h"

#include "io/clock.h"
#include "io/fiber/loop.h"

#include <gtest/gtest.h>

#include <set>
#include <vector>

namespace verity::node {
namespace {

class StoppedClock final : public io::Clock {
 public:
  Instant monotonic() const override { return {}; }
  Timestamp realtime() const override { return {}; }
};

struct OwnSessionTest : testing::Test {
  StoppedClock clock;
  io::Loop loop{clock};
  io::Wait wait{loop};
  int opened = 0;
  bool fails = false;
  OwnSession session{[this](io::Wait& waiting) -> Outcome<Id128> {
                       EXPECT_TRUE(waiting.yield());
                       if (fails) return std::unexpected(Refusal{RefusalCode::not_leader, "nobody leads"});
                       Id128 id;
                       id.bytes[0] = static_cast<std::uint8_t>(++opened);
                       return id;
                     },
                     4};
};

TEST_F(OwnSessionTest, IsOpenedOnceAndNumbersFromOne) {
  std::set<std::uint64_t> numbers;
  for (int i = 0; i < 3; ++i) loop.spawn("asks", [&] { numbers.insert(session.take(wait).value().number); });
  loop.run_ready();
  EXPECT_EQ(numbers, (std::set<std::uint64_t>{1, 2, 3}));
  EXPECT_EQ(opened, 1);
}

// Of a session the last four are remembered: so far behind the highest nothing may be under way.
TEST_F(OwnSessionTest, WhatIsNotAnsweredIsNotForgotten) {
  loop.spawn("asks", [&] {
    std::vector<SessionRequest> taken;
    for (int i = 0; i < 4; ++i) taken.push_back(session.take(wait).value());
    EXPECT_EQ(opened, 1);
    session.give_back(taken[1]);  // the first is still under way
    taken.push_back(session.take(wait).value());
    EXPECT_EQ(opened, 2);
    EXPECT_NE(taken[4].session, taken[0].session);
    session.give_back(taken[0]);
    EXPECT_EQ(session.take(wait).value().number, taken[0].session < taken[4].session ? 5u : 2u);
  });
  loop.run_ready();
}

TEST_F(OwnSessionTest, WhenAllSessionsAreFullTheNextWaits) {
  bool has_got = false;
  loop.spawn("asks", [&] {
    std::vector<SessionRequest> taken;
    for (std::size_t i = 0; i < 4 * OwnSession::sessions_max; ++i)
      taken.push_back(session.take(wait).value());
    loop.spawn("asks too", [&] { has_got = session.take(wait).has_value(); });
    ASSERT_TRUE(wait.yield());
    session.give_back(taken[1]);
    ASSERT_TRUE(wait.yield());
    EXPECT_FALSE(has_got);
    session.give_back(taken[0]);
  });
  loop.run_ready();
  EXPECT_TRUE(has_got);
  EXPECT_EQ(opened, static_cast<int>(OwnSession::sessions_max));
}

TEST_F(OwnSessionTest, OneThatIsForgottenIsFollowedByAnother) {
  loop.spawn("asks", [&] {
    const SessionRequest old = session.take(wait).value();
    session.forget(old.session);
    const SessionRequest fresh = session.take(wait).value();
    EXPECT_NE(fresh.session, old.session);
    EXPECT_EQ(fresh.number, 1u);
    session.forget(old.session);  // by another who asked under it
    EXPECT_EQ(session.take(wait).value().session, fresh.session);
    EXPECT_EQ(opened, 2);
  });
  loop.run_ready();
}

TEST_F(OwnSessionTest, WhyNoneIsOpenedIsTold) {
  fails = true;
  loop.spawn("asks", [&] {
    EXPECT_EQ(session.take(wait).error().code, RefusalCode::not_leader);
    fails = false;
    EXPECT_EQ(session.take(wait).value().number, 1u);
  });
  loop.run_ready();
  EXPECT_EQ(opened, 1);
}

}  // namespace
}  // namespace verity::node
