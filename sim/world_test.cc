#include "sim/world.h"

#include "io/directory.h"
#include "io/fiber/sync.h"
#include "io/file.h"
#include "io/network.h"
#include "io/random.h"
#include "sim/disk.h"
#include "sim/network.h"
#include "sim/process.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace verity::sim {
namespace {

// A small program with everything in it: files, sockets, timers, randomness.
std::string digest_of(std::uint64_t seed) {
  World world({.seed = seed, .trace_sink = {}, .ready_swaps = 30});
  Disk disk(world, "disk", {});
  Process server(world, {.host = "server"});
  Process client(world, {.host = "client"});
  server.spawn("main", [&](io::Wait& wait) {
    auto root = disk.mount(server, "data");
    auto file = root->open(wait, "f", {.mode = io::OpenMode::create}).value();
    auto listener = server.io_world().network.listen(wait, {"server", 7000}).value();
    for (int i = 0; i < 5; ++i) {
      auto socket = listener->accept(wait).value();
      Bytes bytes(100);
      const std::size_t count = socket->read(wait, bytes).value();
      ASSERT_TRUE(file->write(wait, server.io_world().random.next() % 5000, ByteView(bytes).first(count),
                              io::Durability::durable));
      ignore(io::write_all(wait, *socket, ByteView(bytes).first(count)), "the client may have left");
    }
  });
  for (int i = 0; i < 5; ++i) {
    client.spawn("client", [&, i](io::Wait& wait) {
      ASSERT_TRUE(wait.sleep(std::chrono::microseconds(client.io_world().random.next() % 3000 + 1000)));
      auto socket = client.io_world().network.connect(wait, {"server", 7000}).value();
      const Bytes bytes(50, std::byte(i));
      ignore(io::write_all(wait, *socket, bytes), "the server reads once and may have left");
      Bytes back(100);
      ignore(socket->read(wait, back), "the trace shows it");
    });
  }
  EXPECT_TRUE(
      world.run_until([&] { return server.is_finished() && client.is_finished(); }, Instant{60'000'000'000}));
  EXPECT_EQ(world.network().open_sockets(), 0u);
  return world.trace().digest();
}

TEST(World, TheSameSeedGivesTheSameRunAndAnotherSeedAnotherOne) {
  EXPECT_EQ(digest_of(7), digest_of(7));
  EXPECT_NE(digest_of(7), digest_of(8));
}

TEST(World, EventsComeInOrderOfTimeAndThenOfScheduling) {
  World world({});
  std::string order;
  world.after(2ms, [&] { order += 'c'; });
  world.after(1ms, [&] { order += 'a'; });
  world.after(1ms, [&] { order += 'b'; });
  EXPECT_FALSE(world.run_until([] { return false; }));
  EXPECT_EQ(order, "abc");
  EXPECT_EQ(world.now().ns, 2'000'000);
}

TEST(World, ACrashedProcessRunsOutInNoTimeAndTouchesNothing) {
  World world({});
  Disk disk(world, "disk", {});
  Process process(world, {.host = "node"});
  std::string ends;
  process.spawn("writer", [&](io::Wait& wait) {
    auto root = disk.mount(process, "data");
    auto file = root->open(wait, "f", {.mode = io::OpenMode::create}).value();
    const Bytes bytes(512, std::byte{1});
    while (true) {
      const Status written = file->write(wait, 0, bytes, io::Durability::durable);
      if (written) continue;
      EXPECT_EQ(written.error().code, ErrorCode::crashed);
      EXPECT_EQ(file->sync(wait).error().code, ErrorCode::crashed);
      EXPECT_EQ(root->open(wait, "g", {.mode = io::OpenMode::create}).error().code, ErrorCode::crashed);
      ends += "w";
      return;
    }
  });
  process.spawn("sleeper", [&](io::Wait& wait) {
    ignore(wait.sleep(1h), "only the end of it matters");
    ends += "s";
  });
  process.spawn("main", [&](io::Wait& wait) {
    io::Wait until_the_end = wait.under(process.end());
    io::Event never;
    EXPECT_EQ(never.wait(until_the_end).error().code, ErrorCode::cancelled);
    ends += "m";
  });
  world.after(50ms, [&] { process.crash("the test says so"); });
  EXPECT_TRUE(world.run_until([&] { return process.is_finished(); }));
  EXPECT_EQ(world.now().ns, 50'000'000);
  EXPECT_EQ(ends.size(), 3u);
  EXPECT_FALSE(disk.has_unsynced());
  EXPECT_TRUE(disk.files().empty()) << "the directory was never synced";
}

TEST(World, AProcessCanCrashAtAnyCall) {
  for (std::uint64_t call = 1; call <= 6; ++call) {
    World world({.seed = call});
    Disk disk(world, "disk", {});
    Process process(world, {.host = "node"});
    process.crash_at_call(call);
    int writes = 0;
    process.spawn("writer", [&](io::Wait& wait) {
      auto root = disk.mount(process, "data");
      auto file = root->open(wait, "f", {.mode = io::OpenMode::create});
      if (!file) return;
      const Bytes bytes(512, std::byte{1});
      while ((*file)->write(wait, 0, bytes, io::Durability::durable)) ++writes;
    });
    EXPECT_TRUE(world.run_until([&] { return process.is_finished(); }));
    EXPECT_TRUE(process.is_crashed());
    EXPECT_EQ(writes, std::max(0, static_cast<int>(call) - 2));
  }
}

// What it has asked for happens meanwhile; what comes for it, and its deadlines, wait until it goes on.
TEST(World, APausedProcessRunsLaterAndItsClockGoesOn) {
  for (const bool timers_last : {false, true}) {
    World world({});
    Disk disk(world, "disk", {.sync_latency = 20ms});
    Process node(world, {.host = "node"});
    Process other(world, {.host = "other"});
    std::string order;
    const auto note = [&](char what) {
      EXPECT_FALSE(node.is_paused());
      order += what;
    };
    node.spawn("writer", [&](io::Wait& wait) {
      auto root = disk.mount(node, "data");
      auto file = root->open(wait, "f", {.mode = io::OpenMode::create}).value();
      EXPECT_TRUE(root->sync(wait));
      world.after(1ms, [&] { node.pause(990ms, timers_last); });
      EXPECT_TRUE(file->write(wait, 0, Bytes(512, std::byte{1}), io::Durability::durable));
      note('w');
    });
    node.spawn("sleeper", [&](io::Wait& wait) {
      const Instant began = wait.now();
      EXPECT_TRUE(wait.sleep(200ms));
      note('s');
      EXPECT_GE(wait.now() - began, 990ms);
    });
    node.spawn("server", [&](io::Wait& wait) {
      auto listener = node.io_world().network.listen(wait, {"node", 7000}).value();
      auto socket = listener->accept(wait).value();
      Bytes bytes(1);
      EXPECT_EQ(socket->read(wait, bytes).value(), 1u);
      note('r');
    });
    other.spawn("client", [&](io::Wait& wait) {
      EXPECT_TRUE(wait.sleep(300ms));
      auto socket = other.io_world().network.connect(wait, {"node", 7000}).value();
      EXPECT_TRUE(socket->write(wait, Bytes(1)));
      EXPECT_TRUE(wait.sleep(2s));
    });
    world.after(900ms, [&] {
      EXPECT_FALSE(disk.has_unsynced());
      EXPECT_EQ(order, "");
    });
    EXPECT_TRUE(world.run_until([&] { return node.is_finished() && other.is_finished(); }, Instant{} + 5s));
    std::string sorted = order;
    std::ranges::sort(sorted);
    EXPECT_EQ(sorted, "rsw");
    EXPECT_TRUE(!timers_last || order.find('s') > order.find('w'));
  }
}

TEST(World, APausedProcessCanCrashOrBeResumed) {
  for (const bool crashes : {false, true}) {
    World world({});
    Process process(world, {.host = "node"});
    process.spawn("sleeper", [&](io::Wait& wait) { ignore(wait.sleep(1ms), "its end matters"); });
    process.pause(1h, true);
    world.after(5ms, [&] { crashes ? process.crash("the test says so") : process.resume(); });
    EXPECT_TRUE(world.run_until([&] { return process.is_finished(); }));
    EXPECT_EQ(world.now().ns, crashes ? 5'000'000 : 6'000'000);
  }
}

TEST(World, AFailureEndsTheRun) {
  World world({});
  world.after(1ms, [&] { world.fail("no good"); });
  world.after(2ms, [] { FAIL() << "the run had ended"; });
  EXPECT_FALSE(world.run_until([] { return false; }));
  EXPECT_EQ(world.failure(), "no good");
}

}  // namespace
}  // namespace verity::sim
