// The same over real sockets on loopback, with both backends.
#include "io/linux/runtime.h"
#include "io/world.h"
#include "net/peer/peers.h"
#include "net/peer/testing/recorder.h"
#include "net/server/testing/test_world.h"

#include <gtest/gtest.h>

#include <functional>
#include <memory>

namespace verity::peer::testing {
namespace {

class PeerLoopbackTest : public ::testing::TestWithParam<io::BackendChoice> {
 protected:
  struct Member {
    Hello hello;
    Recorder recorder;
    std::unique_ptr<Peers> peers;
  };

  void run(std::function<void(io::Wait&, const io::World&)> body) {
    auto runtime = io::Runtime::create({.backend = GetParam()});
    if (!runtime) GTEST_SKIP() << runtime.error().describe();
    server::testing::QuietLogger logger;
    const io::World world{(*runtime)->loop(), (*runtime)->clock(), (*runtime)->random(),
                          (*runtime)->network(), logger};
    (*runtime)->run([&](io::Wait& wait) { body(wait, world); });
  }

  static std::unique_ptr<Member> start(io::Wait& wait, const io::World& world, Hello hello,
                                       std::uint16_t port, std::vector<io::Address> others) {
    auto member = std::make_unique<Member>();
    member->hello = std::move(hello);
    PeerOptions options;
    options.listen_address = {"127.0.0.1", port};
    options.others = std::move(others);
    member->peers = make_peers(
        world, options, [m = member.get()] { return m->hello; }, member->recorder);
    const Status started = member->peers->start(wait);
    EXPECT_TRUE(started) << started.error().describe();
    return member;
  }

  static bool wait_until(io::Wait& wait, const std::function<bool()>& done) {
    for (int i = 0; i < 2000 && !done(); ++i) {
      if (!wait.sleep(5ms)) return false;
    }
    return done();
  }
  static bool are_connected(const Member& a, const Member& b) {
    for (const Lane lane : {Lane::control, Lane::bulk}) {
      if (!a.peers->is_connected(b.hello.identity.id, lane) ||
          !b.peers->is_connected(a.hello.identity.id, lane))
        return false;
    }
    return true;
  }
};

TEST_P(PeerLoopbackTest, ThreeNodesExchangeAndOneComesBack) {
  run([&](io::Wait& wait, const io::World& world) {
    auto one = start(wait, world, hello_of(1), 0, {});
    auto two = start(wait, world, hello_of(2), 0, {one->peers->address()});
    const io::Address at_two = two->peers->address();
    auto three = start(wait, world, hello_of(3), 0, {one->peers->address(), at_two});
    ASSERT_TRUE(wait_until(wait, [&] {
      return are_connected(*one, *two) && are_connected(*one, *three) && are_connected(*two, *three);
    }));

    const auto segment = std::make_shared<const std::string>(frame::payload_bytes_limit, 's');
    for (int i = 0; i < 3; ++i) {
      Payload payload;
      payload.parts.push_back({segment, as_bytes(*segment)});
      EXPECT_TRUE(one->peers->send(NodeId{2}, Lane::bulk, 17, std::move(payload)));
      EXPECT_TRUE(three->peers->send(NodeId{2}, Lane::control, 16, text_payload("small")));
    }
    ASSERT_TRUE(wait_until(wait, [&] { return two->recorder.messages.size() == 6; }));
    for (const Received& message : two->recorder.messages)
      EXPECT_TRUE(message.payload == (message.lane == Lane::bulk ? *segment : "small"));
    EXPECT_TRUE(one->peers->peers()[0].round_trip_time);

    two->peers->stop(wait);
    ASSERT_TRUE(wait_until(
        wait, [&] { return one->recorder.reasons.size() == 2 && three->recorder.reasons.size() == 2; }));
    EXPECT_FALSE(one->peers->is_connected(NodeId{2}, Lane::control));
    EXPECT_TRUE(are_connected(*one, *three));

    two = start(wait, world, hello_of(2, 2), at_two.port, {one->peers->address()});
    ASSERT_TRUE(wait_until(wait, [&] { return are_connected(*one, *two) && are_connected(*two, *three); }));
    EXPECT_TRUE(two->peers->send(NodeId{3}, Lane::control, 16, text_payload("back")));
    ASSERT_TRUE(wait_until(wait, [&] { return !three->recorder.messages.empty(); }));
    for (Member* const member : {one.get(), two.get(), three.get()}) member->peers->stop(wait);
  });
}

TEST_P(PeerLoopbackTest, NodesThatDialAtOnceSettle) {
  run([&](io::Wait& wait, const io::World& world) {
    // Ports that were free a moment ago.
    std::uint16_t ports[2];
    for (std::uint16_t& port : ports) {
      const auto listener = world.network.listen(wait, {"127.0.0.1", 0});
      ASSERT_TRUE(listener);
      port = (*listener)->address().port;
    }
    auto one = start(wait, world, hello_of(1), ports[0], {{"127.0.0.1", ports[1]}});
    auto two = start(wait, world, hello_of(2), ports[1], {{"127.0.0.1", ports[0]}});
    ASSERT_TRUE(wait_until(wait, [&] { return are_connected(*one, *two); }));
    ASSERT_TRUE(wait.sleep(300ms));
    EXPECT_TRUE(one->recorder.reasons.empty() && two->recorder.reasons.empty());
    EXPECT_TRUE(are_connected(*one, *two));
    one->peers->stop(wait);
    two->peers->stop(wait);
  });
}

INSTANTIATE_TEST_SUITE_P(Backends, PeerLoopbackTest,
                         ::testing::Values(io::BackendChoice::io_uring, io::BackendChoice::fallback),
                         [](const auto& each) {
                           return each.param == io::BackendChoice::io_uring ? "IoUring" : "Fallback";
                         });

}  // namespace
}  // namespace verity::peer::testing
