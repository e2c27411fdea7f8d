#include "net/peer/peers.h"

#include "io/fiber/loop.h"
#include "io/world.h"
#include "net/peer/testing/recorder.h"
#include "net/server/testing/memory_network.h"
#include "net/server/testing/test_world.h"

#include <gtest/gtest.h>

namespace verity::peer::testing {
namespace {

using server::testing::JumpingClock;
using server::testing::MemoryNetwork;
using server::testing::QuietLogger;
using server::testing::ZeroRandom;

// Nodes of one process over a network in memory.
class PeersTest : public ::testing::Test {
 protected:
  struct Member {
    Hello hello;
    Recorder recorder;
    std::unique_ptr<Peers> peers;
  };

  Member& start(io::Wait& wait, std::uint8_t id, const std::vector<std::uint16_t>& other_ports) {
    Member& member = *members_.emplace_back(std::make_unique<Member>());
    member.hello = hello_of(id);
    PeerOptions options;
    options.listen_address = {"127.0.0.1", static_cast<std::uint16_t>(7000 + id)};
    for (const std::uint16_t port : other_ports) options.others.push_back({"127.0.0.1", port});
    member.peers = make_peers(
        world_, options, [&member] { return member.hello; }, member.recorder);
    EXPECT_TRUE(member.peers->start(wait));
    return member;
  }

  void run(std::function<void(io::Wait&)> body) {
    bool is_done = false;
    loop_.spawn("test", [&] {
      io::Wait wait(loop_);
      body(wait);
      for (auto& member : members_) member->peers->stop(wait);
      members_.clear();
      is_done = true;
    });
    ASSERT_TRUE(run_to_end(loop_, clock_)) << "everybody waits for ever: " << loop_.fiber_names().front();
    EXPECT_TRUE(is_done);
  }

  JumpingClock clock_;
  io::Loop loop_{clock_};
  ZeroRandom random_;
  MemoryNetwork network_;
  QuietLogger logger_;
  const io::World world_{loop_, clock_, random_, network_, logger_};
  std::vector<std::unique_ptr<Member>> members_;
};

TEST_F(PeersTest, TwoNodesExchangeAMessage) {
  run([&](io::Wait& wait) {
    Member& one = start(wait, 1, {7002});
    Member& two = start(wait, 2, {7001});
    ASSERT_TRUE(wait.sleep(1s));
    ASSERT_TRUE(one.peers->is_connected(NodeId{2}, Lane::control));
    ASSERT_TRUE(one.peers->is_connected(NodeId{2}, Lane::bulk));

    const auto shared = std::make_shared<std::string>(100'000, 'x');
    Payload payload = text_payload("head ");
    payload.parts.push_back({shared, as_bytes(*shared)});
    payload.parts.push_back({nullptr, as_bytes(" tail")});
    EXPECT_TRUE(one.peers->send(NodeId{2}, Lane::control, 16, text_payload("hello")));
    EXPECT_TRUE(two.peers->send(NodeId{1}, Lane::bulk, 17, std::move(payload)));
    ASSERT_TRUE(wait.sleep(100ms));
    ASSERT_EQ(two.recorder.messages.size(), 1u);
    EXPECT_EQ(two.recorder.messages[0].payload, "hello");
    EXPECT_EQ(two.recorder.messages[0].from, NodeId{1});
    EXPECT_EQ(two.recorder.messages[0].type, 16);
    ASSERT_EQ(one.recorder.messages.size(), 1u);
    EXPECT_EQ(one.recorder.messages[0].lane, Lane::bulk);
    EXPECT_EQ(one.recorder.messages[0].payload, "head " + *shared + " tail");
    EXPECT_EQ(shared.use_count(), 1);
  });
}

TEST_F(PeersTest, WhatIsDialledNoMoreHasNoRow) {
  run([&](io::Wait& wait) {
    Member& one = start(wait, 1, {7002});
    Member& three = start(wait, 3, {});
    one.peers->also_dial({"127.0.0.1", 7009});
    one.peers->also_dial({"127.0.0.1", 7003});
    ASSERT_TRUE(wait.sleep(5s));
    ASSERT_EQ(one.peers->peers().size(), 3u);
    one.peers->stop_dialling({"127.0.0.1", 7009});
    one.peers->stop_dialling({"127.0.0.1", 7003});
    const auto rows = one.peers->peers();
    ASSERT_EQ(rows.size(), 2u);
    EXPECT_EQ(rows[0].address, "127.0.0.1:7002");
    EXPECT_EQ(rows[1].address, "node3:7001") << "it is still connected";
    one.peers->stop_dialling({"127.0.0.1", 7002});
    ASSERT_TRUE(wait.sleep(5s));
    const std::uint64_t failures = one.peers->metrics().connect_failures;
    ASSERT_TRUE(wait.sleep(30s));
    EXPECT_EQ(one.peers->metrics().connect_failures, failures) << "nobody is dialled any more";
    EXPECT_TRUE(one.peers->is_connected(NodeId{3}, Lane::control));

    three.peers->stop(wait);
    ASSERT_TRUE(wait.sleep(5s));
    EXPECT_EQ(one.peers->peers().size(), 0u);
    one.peers->also_dial({"127.0.0.1", 7009});
    ASSERT_TRUE(wait.sleep(5s));
    EXPECT_GT(one.peers->metrics().connect_failures, failures) << "and dialled again";
  });
}

}  // namespace
}  // namespace verity::peer::testing
