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

TEST_F(SimNetworkTest, LinksAreMendedOneByOneAndEachBringsItsOwn) {
  std::string order;
  const auto receive = [&](Process& process) {
    process.spawn("main", [&](io::Wait& wait) {
      auto listener = process.io_world().network.listen(wait, {process.host(), 7000}).value();
      auto socket = listener->accept(wait).value();
      Bytes bytes(1);
      while (socket->read(wait, bytes).value() == 1) order += static_cast<char>(bytes[0]);
    });
  };
  Process one(world, {.host = "one"});
  Process other(world, {.host = "other"});
  Process sender(world, {.host = "sender"});
  receive(one);
  receive(other);
  sender.spawn("main", [&](io::Wait& wait) {
    io::Network& network = sender.io_world().network;
    auto to_one = network.connect(wait, {"one", 7000}).value();
    auto to_other = network.connect(wait, {"other", 7000}).value();
    world.network().cut({"sender", "one"});
    world.network().cut({"sender", "other"});
    for (const char letter : {'a', 'b', 'c'}) {
      ASSERT_TRUE(io::write_all(wait, *to_one, Bytes(1, std::byte(letter))));
      ASSERT_TRUE(io::write_all(wait, *to_other, Bytes(1, std::byte(letter - 'a' + 'A'))));
    }
    ASSERT_TRUE(wait.sleep(3s));
  });
  world.after(1s, [&] { world.network().mend({"sender", "other"}); });
  world.after(1500ms, [&] {
    EXPECT_EQ(order, "ABC");
    EXPECT_EQ(world.network().cut_links().size(), 1u);
  });
  world.after(2s, [&] { world.network().mend({"sender", "one"}); });
  EXPECT_TRUE(
      world.run_until([&] { return one.is_finished() && other.is_finished() && sender.is_finished(); },
                      Instant{10'000'000'000}));
  EXPECT_EQ(order, "ABCabc");
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
