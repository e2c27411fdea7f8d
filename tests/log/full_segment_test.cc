// A segment without a block to spare.
#include "tests/log/log_machine.h"

namespace verity::log {
namespace {

// A lost write of the last flush shows like that of any other, although no block is left for a mark.
TEST(FullSegment, ItsLastFlushIsProvenToo) {
  constexpr ByteCount block = 512;
  constexpr ByteCount flush_bytes =
      segment_bytes_min - segment_header_bytes - block;  // the seal has the last one
  LogMachine machine;
  ByteCount written = 0;
  machine.on_durable = [&](const std::vector<EntryPtr>&, const FlushReport& report) {
    written = report.bytes;
  };
  for (const bool is_committed : {false, true}) {
    machine.boot({}, [&](LogMachine::Running& running) {
      if (!is_committed) {
        LogMachine::propose(running.log,
                            std::string(flush_bytes - flush_header_bytes - entry_header_bytes - 100, 'x'));
      }
      ASSERT_TRUE(running.wait.sleep(20ms));
      if (is_committed) running.log.set_committed(Position{1});
      ASSERT_TRUE(running.wait.sleep(20ms));
      running.process.crash("power cut");
    });
    ASSERT_EQ(machine.refused, "");
    ASSERT_EQ(written, flush_bytes);
    const Bytes content = machine.disk.durable_content("current.segment");
    const auto last = decode_flush_header(ByteView(content).subspan(segment_bytes_min - block));
    // Only what is committed is sealed.
    EXPECT_EQ(last && last->kind == FlushKind::seal && last->durable_mark == Position{1}, is_committed);
  }
  machine.disk.overwrite("current.segment", segment_header_bytes, Bytes(flush_bytes));
  machine.boot({}, [](LogMachine::Running&) { FAIL(); });
  EXPECT_NE(machine.refused.find("current.segment at offset 4096, position 1"), std::string::npos)
      << machine.refused;
}

// Other nodes may make their segments longer.
TEST(FullSegment, GrowsForAnEntryThatNoneOfThisNodeWouldHold) {
  LogMachine machine;
  EntryPtr large;
  machine.boot({}, [&](LogMachine::Running& running) {
    const EntryPtr first = machine.make(nullptr, "first");
    large = machine.make(first, std::string(3 * segment_bytes_min, 'x'));
    const EntryPtr last = machine.make(large, "last");
    for (const EntryPtr& entry : {first, large, last}) {
      ASSERT_TRUE(running.log.append(entry));
      ASSERT_TRUE(running.wait.sleep(20ms));
      running.log.set_committed(running.log.durable());
    }
    running.process.crash("power cut");
  });
  machine.boot({}, [&](LogMachine::Running& running) {
    EXPECT_EQ(running.found.last, Position{3});
    const Result<EntryPtr> found = running.log.reader().read(running.wait, Position{2});
    ASSERT_TRUE(found);
    EXPECT_EQ((*found)->hash(), large->hash());
  });
  EXPECT_EQ(machine.refused, "");
}

// The next entry goes into the next segment, wherever a crash comes.
TEST(FullSegment, IsFollowedByAnother) {
  const auto fill = [](LogMachine& machine, const Crash& crash) {
    return machine.boot(crash, [&](LogMachine::Running& running) {
      while (running.log.is_writable() && running.log.last_proposed() < Position{4}) {
        LogMachine::propose(running.log, std::string(60'000, 'x'));
        if (!running.wait.sleep(20ms)) return;
        running.log.set_committed(running.log.durable());
        if (!running.wait.sleep(20ms)) return;
      }
    });
  };
  LogMachine whole;
  for_every_crash(fill(whole, {}), [&](const Crash& crash) {
    LogMachine machine;
    fill(machine, crash);
    fill(machine, {});
    ASSERT_EQ(machine.refused, "");
    machine.boot({}, [&](LogMachine::Running& running) {
      EXPECT_EQ(running.found.last, Position{4});
      EXPECT_EQ(running.log.table().segments.size(), 4u);
    });
  });
}

}  // namespace
}  // namespace verity::log
