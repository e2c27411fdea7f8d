#include "engine/node/forwarder.h"

#include "io/clock.h"
#include "io/fiber/loop.h"
#include "io/logger.h"
#include "io/network.h"
#include "io/random.h"

#include <gtest/gtest.h>

#include <set>
#include <vector>

namespace verity::node {
namespace {

using consensus::Member;

class HandClock final : public io::Clock {
 public:
  Instant monotonic() const override { return now; }
  Timestamp realtime() const override { return {}; }
  Instant now{};
};

class Zeros final : public io::Random {
 public:
  void fill(MutableByteView out) override { std::fill(out.begin(), out.end(), std::byte{0}); }
};

class NoNetwork final : public io::Network {
 public:
  Result<std::unique_ptr<io::Listener>> listen(io::Wait&, const io::Address&) override {
    return fail(ErrorCode::refused, "there is no network");
  }
  Result<std::unique_ptr<io::Socket>> connect(io::Wait&, const io::Address&) override {
    return fail(ErrorCode::refused, "there is no network");
  }
};

class Silence final : public io::Logger {
 public:
  void log(io::LogLevel, std::string_view, std::string_view, std::initializer_list<io::LogField>) override {}
  bool enabled(io::LogLevel) const override { return false; }
};

// A queue that has no room for a while.
class FullLinks final : public PeerTransport {
 public:
  Status start(io::Wait&, std::function<NodeIdentity()>) override { return {}; }
  void stop(io::Wait&) override {}
  void set_receiver(PeerReceiver*) override {}
  bool send(const Member& to, PeerLane, PeerMessage message) override {
    ++attempts;
    if (full.contains(to)) return false;
    sent.push_back(std::move(message));
    return true;
  }
  bool is_connected(const Member&) const override { return connected; }
  void reach(const std::vector<std::string>&) override {}
  std::string address() const override { return {}; }
  bool is_outdated() const override { return false; }
  std::size_t others() const override { return 2; }
  std::vector<PeerStatus> peers() const override { return {}; }
  std::uint64_t messages_dropped() const override { return 0; }
  PeerTraffic traffic() const override { return {}; }

  std::set<Member> full;
  bool connected = true;
  int attempts = 0;
  std::vector<PeerMessage> sent;
};

class ForwarderTest : public testing::Test {
 protected:
  ~ForwarderTest() override {
    loop.spawn("stop", [this] { forwarder.stop(wait); });
    loop.run_ready();
  }
  void ask(const Member& from) {
    Bytes question;
    put(question, std::uint64_t{7});
    put(question, static_cast<std::uint8_t>(QuestionKind::read_point));
    forwarder.on_message(from, question_type, question);
    loop.run_ready();
  }
  void let_pass(Duration time) {
    for (const Instant end = clock.now + time; clock.now < end; clock.now = clock.now + 1ms) {
      loop.fire_timers();
      loop.run_ready();
    }
  }

  HandClock clock;
  Zeros zeros;
  NoNetwork network;
  Silence silence;
  io::Loop loop{clock};
  io::Wait wait{loop};
  FullLinks links;
  int served = 0;
  const Member asker{NodeId{2}, {}};
  Forwarder forwarder{io::World{loop, clock, zeros, network, silence}, links, 64 * KiB,
                      [this](io::Wait&, QuestionKind, ByteView) -> Outcome<Bytes> {
                        ++served;
                        return Bytes(3, std::byte{1});
                      }};
};

// Else the other node waits for it as long as it has patience, though nothing was lost.
TEST_F(ForwarderTest, AnAnswerThatDoesNotGetOutIsTriedAgain) {
  links.full = {asker};
  ask(asker);
  let_pass(100ms);
  EXPECT_GT(links.attempts, 1);
  EXPECT_TRUE(links.sent.empty());
  links.full.clear();
  let_pass(100ms);
  ASSERT_EQ(links.sent.size(), 1u);
  EXPECT_EQ(links.sent.front().type, answer_type);
  EXPECT_EQ(served, 1);
}

TEST_F(ForwarderTest, NobodyIsAnsweredWhoIsGone) {
  links.connected = false;
  links.full = {asker};
  ask(asker);
  let_pass(100ms);
  EXPECT_EQ(links.attempts, 1);
}

TEST_F(ForwarderTest, AnswersThatDoNotGetOutKeepNobodyElseFromBeingAnswered) {
  links.full = {asker};
  for (int i = 0; i < 3000; ++i) ask(asker);
  const Member other{NodeId{3}, {}};
  ask(other);
  ASSERT_EQ(links.sent.size(), 1u);
  EXPECT_EQ(served, 3001);
}

TEST_F(ForwarderTest, NobodyIsAnsweredWhoHasLostPatience) {
  links.full = {asker};
  ask(asker);
  let_pass(21s);
  const int attempts = links.attempts;
  EXPECT_LT(attempts, 300);  // less and less often
  let_pass(1s);
  EXPECT_EQ(links.attempts, attempts);
}

}  // namespace
}  // namespace verity::node
