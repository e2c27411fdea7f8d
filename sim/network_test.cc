#include "sim/network.h"

#include "io/fiber/wait.h"
#include "sim/process.h"
#include "sim/world.h"

#include <gtest/gtest.h>

namespace verity::sim {
namespace {

struct SimNetworkTest : testing::Test {
  World world{{.seed = 3}};
  Process server{world, {.host = "server"}};
  Process client{world, {.host = "client"}};

  void run() {
    EXPECT_TRUE(world.run_until([&] { return server.is_finished() && client.is_finished(); },
                                Instant{1'000'000'000'000}));
    EXPECT_EQ(world.network().open_sockets(), 0u);
  }
};

TEST_F(SimNetworkTest, BytesArriveInOrderThroughAPipeMuchSmallerThanThey) {
  world.network().options().pipe_bytes = 100;
  world.network().options().short_io_of_100 = 80;
  Bytes sent(20'000);
  world.prng("test").fill(sent);
  Bytes got;
  server.spawn("server", [&](io::Wait& wait) {
    auto listener = server.io_world().network.listen(wait, {"server", 7000}).value();
    auto socket = listener->accept(wait).value();
    Bytes buffer(333);
    while (true) {
      const std::size_t count = socket->read(wait, buffer).value();
      if (count == 0) break;
      put_bytes(got, ByteView(buffer).first(count));
    }
  });
  client.spawn("client", [&](io::Wait& wait) {
    ASSERT_TRUE(wait.sleep(1ms));
    auto socket = client.io_world().network.connect(wait, {"server", 7000}).value();
    ASSERT_TRUE(io::write_all(wait, *socket, sent));
    ASSERT_TRUE(socket->shutdown_write(wait));
  });
  run();
  EXPECT_EQ(got, sent);
}

TEST_F(SimNetworkTest, ACrashResetsThePeerAndFreesThePort) {
  server.spawn("server", [&](io::Wait& wait) {
    auto listener = server.io_world().network.listen(wait, {"server", 7000}).value();
    auto socket = listener->accept(wait).value();
    std::byte byte;
    EXPECT_EQ(socket->read(wait, {&byte, 1}).error().code, ErrorCode::crashed);
  });
  client.spawn("client", [&](io::Wait& wait) {
    ASSERT_TRUE(wait.sleep(1ms));
    auto socket = client.io_world().network.connect(wait, {"server", 7000}).value();
    world.after(10ms, [&] { server.crash("the test says so"); });
    std::byte byte;
    EXPECT_EQ(socket->read(wait, {&byte, 1}).error().code, ErrorCode::closed);
    EXPECT_EQ(client.io_world().network.connect(wait, {"server", 7000}).error().code, ErrorCode::refused);
  });
  run();
}

TEST_F(SimNetworkTest, AResetInTheMiddleOfAWriteIsSeenOnBothSides) {
  server.spawn("server", [&](io::Wait& wait) {
    auto listener = server.io_world().network.listen(wait, {"server", 7000}).value();
    auto socket = listener->accept(wait).value();
    Bytes buffer(5000);
    while (true) {
      const auto count = socket->read(wait, buffer);
      if (count) continue;
      EXPECT_EQ(count.error().code, ErrorCode::closed);
      break;
    }
  });
  client.spawn("client", [&](io::Wait& wait) {
    ASSERT_TRUE(wait.sleep(1ms));
    auto socket = client.io_world().network.connect(wait, {"server", 7000}).value();
    world.network().options().reset_ppm = 1'000'000;
    EXPECT_TRUE(socket->write(wait, Bytes(1000)));
    std::byte byte;
    EXPECT_EQ(socket->read(wait, {&byte, 1}).error().code, ErrorCode::closed);
  });
  run();
}

TEST_F(SimNetworkTest, WhatIsSentOverACutLinkArrivesWhenItIsMended) {
  server.spawn("server", [&](io::Wait& wait) {
    auto listener = server.io_world().network.listen(wait, {"server", 7000}).value();
    auto socket = listener->accept(wait).value();
    Bytes buffer(100);
    io::Wait soon = wait.within(5s);
    EXPECT_EQ(socket->read(soon, buffer).error().code, ErrorCode::timed_out);
    // The other way is open.
    ASSERT_TRUE(io::write_all(wait, *socket, as_bytes("back")));
    world.after(1s, [&] { world.network().mend(); });
    Bytes got;
    while (true) {
      const std::size_t count = socket->read(wait, buffer).value();
      if (count == 0) break;
      put_bytes(got, ByteView(buffer).first(count));
    }
    EXPECT_EQ(as_text(got), "forward");
  });
  client.spawn("client", [&](io::Wait& wait) {
    ASSERT_TRUE(wait.sleep(1ms));
    auto socket = client.io_world().network.connect(wait, {"server", 7000}).value();
    world.network().cut({"client", "server"});
    ASSERT_TRUE(io::write_all(wait, *socket, as_bytes("forward")));
    ASSERT_TRUE(socket->shutdown_write(wait));
    std::byte byte;
    EXPECT_TRUE(socket->read(wait, {&byte, 1}));
    // Nobody answers who cannot be heard.
    io::Wait soon = wait.within(1s);
    EXPECT_EQ(client.io_world().network.connect(soon, {"server", 7000}).error().code, ErrorCode::timed_out);
  });
  run();
}

}  // namespace
}  // namespace verity::sim
