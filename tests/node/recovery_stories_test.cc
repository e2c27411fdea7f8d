// Starts after something went wrong with the disk or with two processes in a row: one story each.
#include "engine/log/segment.h"
#include "tests/node/node_fixture.h"

namespace verity::node {
namespace {

constexpr std::string_view current_segment = "log/current.segment";

class RecoveryStories : public NodeFixture {
 protected:
  // Somebody else changes files while no node runs.
  void tamper(const std::function<Status(io::Wait&, io::Directory&)>& change) {
    sim::Process process(world, {.host = "node1", .boot = ++boots});
    process.spawn("somebody", [&](io::Wait& wait) {
      const auto data = disk.mount(process, "data");
      const Status changed = change(wait, *data);
      EXPECT_TRUE(changed) << changed.error().describe();
    });
    EXPECT_TRUE(world.run_until([&] { return process.is_finished(); }));
  }
};

std::string text(std::size_t size) {
  return "\"" + std::string(size, 'x') + "\"";
}

TEST_F(RecoveryStories, OneBadCopyOfASegmentHeaderIsMendedBeforeTheOtherGoesToo) {
  ASSERT_TRUE(boot([&](io::Wait& wait, Node& node) { ASSERT_TRUE(append(wait, node, "s", "1")); }));
  disk.flip_bit(current_segment, log::segment_header_copy_at + 40, 1);
  ASSERT_TRUE(boot([&](io::Wait&, Node&) {}));
  disk.flip_bit(current_segment, 40, 1);
  ASSERT_TRUE(boot([&](io::Wait& wait, Node& node) { EXPECT_EQ(read_all(wait, node, "s"), "0=1 "); }));
}

// A crash may tear the two copies apart; that is no damage, and the scrubber must not find any later.
TEST_F(RecoveryStories, AHeaderThatACrashToreIsWholeOnceItsSegmentIsSealed) {
  ASSERT_TRUE(boot([&](io::Wait& wait, Node& node) { ASSERT_TRUE(append(wait, node, "s", "1")); }));
  disk.overwrite(current_segment, log::segment_header_copy_at, Bytes(512));
  ASSERT_TRUE(boot([&](io::Wait& wait, Node& node) {
    for (int i = 0; i < 20; ++i) ASSERT_TRUE(append(wait, node, "s", text(6000)));
    ASSERT_TRUE(wait.sleep(30s));
    EXPECT_EQ(node.status().damage, std::vector<std::string>());
    EXPECT_TRUE(node.is_ready());
  }));
}

TEST_F(RecoveryStories, ACopyOfAHeaderThatRotsUnderARunningNodeIsMended) {
  constexpr std::string_view sealed = "log/00000000.segment";
  const auto fill = [&](io::Wait& wait, Node& node) {
    for (int i = 0; i < 20; ++i) ASSERT_TRUE(append(wait, node, "s", text(6000)));
  };
  for (const ByteCount at : {ByteCount{40}, log::segment_header_copy_at + 40}) {
    ASSERT_TRUE(boot([&](io::Wait& wait, Node& node) {
      fill(wait, node);
      const Bytes before = disk.durable_content(sealed);
      disk.flip_bit(sealed, at, 1);
      ASSERT_TRUE(wait.sleep(30s));
      EXPECT_EQ(node.status().damage, std::vector<std::string>());
      EXPECT_TRUE(node.is_ready());
      EXPECT_TRUE(disk.durable_content(sealed) == before) << "not mended";
    }));
  }
  options.read_only = true;
  ASSERT_TRUE(boot([&](io::Wait& wait, Node& node) {
    disk.flip_bit(sealed, 40, 1);
    const Bytes before = disk.durable_content(sealed);
    ASSERT_TRUE(wait.sleep(30s));
    EXPECT_EQ(node.status().damage, std::vector<std::string>());
    EXPECT_TRUE(disk.durable_content(sealed) == before) << "a read-only node writes nothing";
  }));
}

// A segment is full and sealed, the spare is gone, and there is no room for another.
TEST_F(RecoveryStories, ASealedSegmentOnAFullDiskIsReadAndTakesEntriesWhenThereIsRoom) {
  const auto write = [&](io::Wait& wait, Node& node) { return append(wait, node, "s", text(6000)); };
  std::string before;
  ASSERT_TRUE(boot([&](io::Wait& wait, Node& node) {
    const auto is_sealed = [&] { return !disk.durable_content("log/00000000.segment").empty(); };
    while (!is_sealed()) {
      before = read_all(wait, node, "s");
      ASSERT_TRUE(write(wait, node));
    }
    current->crash("power cut");
  }));
  tamper([](io::Wait& wait, io::Directory& data) -> Status {
    VERITY_TRY_ASSIGN(const auto log, data.open_directory(wait, "log", false));
    ignore(log->remove(wait, "next.segment"), "the crash may have taken it");
    VERITY_TRY(log->rename(wait, "00000000.segment", "current.segment"));
    return log->sync(wait);
  });
  disk.options().capacity = disk.used() + 16 * KiB;
  for (int round = 0; round < 2; ++round) {
    ASSERT_TRUE(boot([&](io::Wait& wait, Node& node) {
      ASSERT_TRUE(wait.sleep(2s));
      EXPECT_TRUE(read_all(wait, node, "s") == before);
      const auto refused = write(wait, node);
      ASSERT_FALSE(refused);
      EXPECT_EQ(refused.error().code, RefusalCode::out_of_space);
    }));
  }
  ASSERT_TRUE(boot([&](io::Wait& wait, Node& node) {
    ASSERT_TRUE(wait.sleep(2s));
    EXPECT_EQ(write(wait, node).error().code, RefusalCode::out_of_space);
    disk.options().capacity = UINT64_MAX;
    ASSERT_TRUE(wait.sleep(3s));
    ASSERT_TRUE(write(wait, node));
    current->crash("power cut");
  }));
  ASSERT_TRUE(boot([&](io::Wait& wait, Node& node) {
    EXPECT_TRUE(read_all(wait, node, "s").starts_with(before));
    EXPECT_GT(read_all(wait, node, "s").size(), before.size());
    EXPECT_FALSE(disk.durable_content("log/00000000.segment").empty());
  }));
}

// What is lost with the header block, a read-only start proves again from what is left.
TEST_F(RecoveryStories, WithoutItsHeaderACurrentSegmentIsStillReadable) {
  disk.options().sector_bytes = 4096;
  ASSERT_TRUE(boot([&](io::Wait& wait, Node& node) {
    for (int i = 0; i < 5; ++i) ASSERT_TRUE(append(wait, node, "s", std::to_string(i)));
    current->crash("power cut");
  }));
  disk.make_unreadable(current_segment, 0);
  const Status refused = boot([](io::Wait&, Node&) { FAIL(); });
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::corrupt);
  EXPECT_NE(refused.error().message.find("--read-only"), std::string::npos) << refused.error().message;
  options.read_only = true;
  ASSERT_TRUE(boot([&](io::Wait& wait, Node& node) {
    EXPECT_EQ(read_all(wait, node, "s"), "0=0 1=1 2=2 3=3 4=4 ");
    ASSERT_EQ(node.status().damage.size(), 1u);
    EXPECT_NE(node.status().damage[0].find("log/current.segment at offset 0"), std::string::npos)
        << node.status().damage[0];
  }));
}

TEST_F(RecoveryStories, WithoutItsCurrentSegmentALogIsStillReadable) {
  ASSERT_TRUE(boot([&](io::Wait& wait, Node& node) {
    for (int i = 0; i < 20; ++i) ASSERT_TRUE(append(wait, node, "s", text(6000)));
    current->crash("power cut");
  }));
  const auto expect_start_readable = [&] {
    options.read_only = false;
    const Status refused = boot([](io::Wait&, Node&) { FAIL(); });
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().message.find("--read-only"), std::string::npos) << refused.error().message;
    options.read_only = true;
    ASSERT_TRUE(boot([&](io::Wait& wait, Node& node) {
      EXPECT_EQ(read_all(wait, node, "s").substr(0, 4), "0=\"x");
      EXPECT_FALSE(node.status().damage.empty());
    }));
  };
  disk.overwrite(current_segment, 0, Bytes(log::segment_header_bytes + 64, std::byte{7}));
  expect_start_readable();
  tamper([](io::Wait& wait, io::Directory& data) -> Status {
    VERITY_TRY_ASSIGN(const auto log, data.open_directory(wait, "log", false));
    VERITY_TRY(log->remove(wait, "current.segment"));
    return log->sync(wait);
  });
  expect_start_readable();
}

TEST_F(RecoveryStories, WithoutASealedSegmentTheOthersAreStillReadable) {
  ASSERT_TRUE(boot([&](io::Wait& wait, Node& node) {
    for (int i = 0; i < 30; ++i) ASSERT_TRUE(append(wait, node, "s", text(6000)));
  }));
  tamper([](io::Wait& wait, io::Directory& data) -> Status {
    VERITY_TRY_ASSIGN(const auto log, data.open_directory(wait, "log", false));
    VERITY_TRY(log->remove(wait, "00000001.segment"));
    return log->sync(wait);
  });
  const Status refused = boot([](io::Wait&, Node&) { FAIL(); });
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("log/00000001.segment is missing"), std::string::npos);
  options.read_only = true;
  ASSERT_TRUE(boot([&](io::Wait& wait, Node& node) {
    const auto code_at = [&](std::uint64_t revision) {
      const auto page = node.read(wait, {.tenant = "default",
                                         .stream = "s",
                                         .from = {.kind = ReadFrom::Kind::revision, .revision = {revision}},
                                         .limit = 1});
      return page ? "fine" : page.error().describe().substr(0, 7);
    };
    EXPECT_EQ(code_at(0), "fine");
    EXPECT_EQ(code_at(12), "damaged");
    EXPECT_EQ(code_at(29), "fine");
    EXPECT_FALSE(node.status().damage.empty());
  }));
}

// Between the two renames of a switch the segment to be written is still called next.segment.
TEST_F(RecoveryStories, AReadOnlyStartFindsTheCurrentSegmentByItsOldName) {
  std::string before;
  ASSERT_TRUE(boot([&](io::Wait& wait, Node& node) {
    for (int i = 0; i < 12; ++i) ASSERT_TRUE(append(wait, node, "s", text(6000)));
    before = read_all(wait, node, "s");
  }));
  tamper([](io::Wait& wait, io::Directory& data) -> Status {
    VERITY_TRY_ASSIGN(const auto log, data.open_directory(wait, "log", false));
    VERITY_TRY(log->rename(wait, "current.segment", "next.segment"));
    return log->sync(wait);
  });
  options.read_only = true;
  ASSERT_TRUE(boot([&](io::Wait& wait, Node& node) {
    EXPECT_TRUE(read_all(wait, node, "s") == before);
    EXPECT_EQ(node.status().damage, std::vector<std::string>());
  }));
}

// The block size in which a segment was written is not that of the device it lies on now.
TEST_F(RecoveryStories, AHeaderIsPutTogetherAgainFromWhatTheFlushesShow) {
  disk.options().sector_bytes = 4096;
  std::string before;
  ASSERT_TRUE(boot([&](io::Wait& wait, Node& node) {
    for (int i = 0; i < 30; ++i) ASSERT_TRUE(append(wait, node, "s", text(2000)));
    before = read_all(wait, node, "s");
  }));
  disk.options().sector_bytes = 512;
  disk.overwrite("log/00000000.segment", 0, Bytes(log::segment_header_bytes));
  tamper([](io::Wait& wait, io::Directory& data) -> Status {
    VERITY_TRY_ASSIGN(const auto log, data.open_directory(wait, "log", false));
    VERITY_TRY(log->remove(wait, "00000000.offsets"));
    return log->sync(wait);
  });
  ASSERT_TRUE(boot([&](io::Wait& wait, Node& node) {
    EXPECT_TRUE(read_all(wait, node, "s") == before);
    EXPECT_FALSE(node.status().damage.empty());
  }));
}

TEST_F(RecoveryStories, ALostStateBesideCheckpointsIsNoInterruptedFounding) {
  ASSERT_TRUE(boot([&](io::Wait& wait, Node& node) { ASSERT_TRUE(append(wait, node, "s", "1")); }));
  const auto empty_log = [](io::Wait& wait, io::Directory& data) -> Status {
    VERITY_TRY_ASSIGN(const auto log, data.open_directory(wait, "log", false));
    VERITY_TRY_ASSIGN(const auto entries, log->list(wait));
    for (const io::DirectoryEntry& entry : entries) VERITY_TRY(log->remove(wait, entry.name));
    return log->sync(wait);
  };
  const auto expect_refused = [&] {
    const Status refused = boot([](io::Wait&, Node&) { FAIL(); });
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::corrupt);
    EXPECT_NE(refused.error().message.find("backup"), std::string::npos) << refused.error().message;
  };
  tamper(empty_log);
  for (const std::string_view name : {"meta/state.json", "meta/state.copy.json"}) {
    disk.overwrite(name, 0, Bytes(512, std::byte{7}));
  }
  expect_refused();
  tamper([](io::Wait& wait, io::Directory& data) -> Status {
    VERITY_TRY_ASSIGN(const auto meta, data.open_directory(wait, "meta", false));
    for (const std::string_view name : {"state.json", "state.copy.json"}) {
      VERITY_TRY(meta->remove(wait, name));
    }
    return meta->sync(wait);
  });
  expect_refused();
}

TEST_F(RecoveryStories, ACurrentSegmentThatWasCutOffIsNotAShorterLog) {
  ASSERT_TRUE(boot([&](io::Wait& wait, Node& node) {
    for (int i = 0; i < 5; ++i) ASSERT_TRUE(append(wait, node, "s", "1"));
    current->crash("power cut");
  }));
  tamper([](io::Wait& wait, io::Directory& data) -> Status {
    VERITY_TRY_ASSIGN(const auto log, data.open_directory(wait, "log", false));
    VERITY_TRY_ASSIGN(const auto file, log->open(wait, "current.segment", {.mode = io::OpenMode::write}));
    VERITY_TRY(file->truncate(wait, log::segment_header_bytes + 4096));
    return file->sync(wait);
  });
  const Status refused = boot([](io::Wait&, Node&) { FAIL(); });
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::corrupt);
  EXPECT_NE(refused.error().message.find("log/current.segment at offset 8192"), std::string::npos)
      << refused.error().message;
}

TEST_F(RecoveryStories, AnUnreadableTreeFileIsDerivedAgain) {
  ASSERT_TRUE(boot([&](io::Wait& wait, Node& node) {
    for (int i = 0; i < 50; ++i) ASSERT_TRUE(append(wait, node, "s", "1"));
  }));
  disk.make_unreadable("log/merkle.nodes", 0);
  disk.make_unreadable("log/merkle.nodes", 4096);
  ASSERT_TRUE(boot([&](io::Wait& wait, Node& node) {
    EXPECT_TRUE(node.is_ready());
    ASSERT_TRUE(wait.sleep(1s));
    EXPECT_TRUE(node.prove_inclusion(wait, Position{3}, std::nullopt));
  }));
}

// After a failed write memory shows what the platter may not have, and no sync writes it any more.
TEST_F(RecoveryStories, WhatAFailedWriteLeftInMemoryIsDurableBeforeItIsAcknowledged) {
  const auto ask = [&](io::Wait& wait, Node& node) {
    const std::string data = text(4000);
    return node.append(wait, {.tenant = "default",
                              .streams = {{.stream = "s", .events = {{.type = "t", .data = data}}}},
                              .idempotency = IdempotencyKey{"key", sha256({as_bytes("1")})}});
  };
  ASSERT_TRUE(boot([&](io::Wait& wait, Node& node) {
    disk.options().faults.failed_sync_ppm = 1'000'000;
    EXPECT_EQ(ask(wait, node).error().code, RefusalCode::outcome_unknown);
    disk.options().faults.failed_sync_ppm = 0;
  }));
  Position position;
  ASSERT_TRUE(boot([&](io::Wait& wait, Node& node) {
    const auto receipt = ask(wait, node);
    ASSERT_TRUE(receipt) << receipt.error().describe();
    position = receipt->position;
    current->crash("power cut");
  }));
  ASSERT_TRUE(boot([&](io::Wait& wait, Node& node) {
    EXPECT_EQ(ask(wait, node)->position, position);
    EXPECT_EQ(read_all(wait, node, "s"), "0=" + text(4000) + " ");
  }));
}

// The two copies of the node state are written one after the other so that one is always good. A process killed while it
// writes one leaves it in memory only; the next must not begin with the other.
TEST(RecoveryAfterAKill, OneCopyOfTheStateIsAlwaysDurable) {
  // Calls of a start that read and write the state; many times, because which sectors survive is a matter of luck.
  constexpr std::uint64_t first = 12;
  constexpr std::uint64_t count = 9;
  for (std::uint64_t seed = 0; seed < 12; ++seed) {
    for (std::uint64_t pair = 0; pair < count * count; ++pair) {
      const std::uint64_t killed_at = first + pair / count;
      const std::uint64_t cut_at = first + pair % count;
      SCOPED_TRACE("seed " + std::to_string(seed) + ", killed at call " + std::to_string(killed_at) +
                   ", power cut at call " + std::to_string(cut_at));
      sim::World world({.seed = seed, .trace_sink = {}, .ready_swaps = 0});
      sim::Disk disk(world, "disk1", {});
      NodeOptions options;
      options.segment_bytes = 64 * KiB;
      options.limits.batch_bytes_max = 32 * KiB;
      options.cluster_name = std::string(200, 'c');  // so that the state spans two sectors
      std::uint64_t boots = 0;
      const auto boot = [&](std::uint64_t crash_during, sim::CrashKind kind) {
        Status started;
        sim::Process process(world, {.host = "node1", .boot = ++boots});
        process.spawn("main", [&](io::Wait& wait) {
          const auto data = disk.mount(process, "data");
          auto node = Node::start(wait, process.io_world(), *data, options);
          if (!node) {
            started = std::unexpected(node.error());
          } else {
            ignore((*node)->stop(wait), "it may have crashed");
          }
        });
        world.run_until([&] { return process.is_finished() || process.call_count() >= crash_during; });
        process.crash("story", kind);
        EXPECT_TRUE(world.run_until([&] { return process.is_finished(); }));
        return started;
      };
      ASSERT_TRUE(boot(UINT64_MAX, sim::CrashKind::power));
      ignore(boot(killed_at, sim::CrashKind::kill), "it may have come up before the crash");
      ignore(boot(cut_at, sim::CrashKind::power), "it may have come up before the crash");
      const Status started = boot(UINT64_MAX, sim::CrashKind::power);
      ASSERT_TRUE(started) << started.error().describe();
    }
  }
}

// Without direct I/O a start sees what is in memory. After a failed zeroing that is zeros, the platter still has the tear.
TEST_F(RecoveryStories, WhatAFailedZeroingLeftOnThePlatterNeverComesBack) {
  disk.options().refuses_direct = true;
  ASSERT_TRUE(boot([&](io::Wait& wait, Node& node) {
    ASSERT_TRUE(append(wait, node, "s", "1"));
    current->crash("power cut");
  }));
  const Bytes content = disk.durable_content(current_segment);
  ByteCount end = content.size();
  while (is_all_zero(ByteView(content).subspan(end - 512, 512))) end -= 512;
  disk.overwrite(current_segment, end + 512, Bytes(20 * 512, std::byte{7}));
  disk.options().faults = {.failed_sync_ppm = 1'000'000, .only_path = std::string(current_segment)};
  EXPECT_FALSE(boot([](io::Wait&, Node&) { FAIL(); }));
  disk.options().faults = {};
  for (int i = 0; i < 2; ++i) {
    const Status started = boot([&](io::Wait& wait, Node& node) {
      ASSERT_TRUE(append(wait, node, "s", "1"));
      current->crash("power cut");
    });
    ASSERT_TRUE(started) << started.error().describe();
  }
}

TEST_F(RecoveryStories, AReadOnlyNodeWritesNothing) {
  ASSERT_TRUE(boot([&](io::Wait& wait, Node& node) {
    for (int i = 0; i < 20; ++i) ASSERT_TRUE(append(wait, node, "s", text(6000)));
  }));
  tamper([](io::Wait& wait, io::Directory& data) -> Status {
    VERITY_TRY_ASSIGN(const auto log, data.open_directory(wait, "log", false));
    VERITY_TRY(log->remove(wait, "00000000.offsets"));
    return log->sync(wait);
  });
  options.read_only = true;
  ASSERT_TRUE(boot([&](io::Wait& wait, Node& node) {
    EXPECT_EQ(read_all(wait, node, "s").substr(0, 4), "0=\"x");
    const auto data = disk.mount(*current, "data");
    const auto log = data->open_directory(wait, "log", false);
    ASSERT_TRUE(log);
    const auto entries = (*log)->list(wait);
    ASSERT_TRUE(entries);
    for (const io::DirectoryEntry& entry : *entries) EXPECT_NE(entry.name, "00000000.offsets");
  }));
}

TEST_F(RecoveryStories, ATokenBeyondTheHeadComesBackAsItIs) {
  ASSERT_TRUE(boot([&](io::Wait& wait, Node& node) {
    ASSERT_TRUE(append(wait, node, "s", "1"));
    const EventToken token{Position{4}, 2};
    const auto page = node.read(
        wait, {.tenant = "default", .stream = "s", .from = {.kind = ReadFrom::Kind::token, .token = token}});
    ASSERT_TRUE(page);
    EXPECT_EQ(page->next, ReadFrom::at(token));
  }));
}

}  // namespace
}  // namespace verity::node
