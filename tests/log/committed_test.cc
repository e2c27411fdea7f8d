// The log knows what is committed: it says so in the file, finds it again, and seals nothing else.
#include "tests/log/log_machine.h"

#include <map>

namespace verity::log {
namespace {

constexpr std::string_view first_sealed = "00000000.segment";

std::string filler(std::size_t size) {
  return std::string(size, 'x');
}

struct Committed : testing::Test {
  LogMachine machine;
};

TEST_F(Committed, IsFoundAgainAndTheTailApart) {
  Sha256Digest head;
  machine.boot({}, [&](LogMachine::Running& running) {
    for (int i = 1; i <= 5; ++i) LogMachine::propose(running.log, std::to_string(i));
    ASSERT_TRUE(running.wait.sleep(20ms));
    running.log.set_committed(Position{3});
    ASSERT_TRUE(running.wait.sleep(20ms));  // long enough for a mark
    head = running.log.proposed_head();
    running.process.crash("power cut");
  });
  machine.boot({}, [&](LogMachine::Running& running) {
    EXPECT_EQ(running.found.committed, Position{3});
    EXPECT_EQ(running.applied.size(), 3u);
    EXPECT_EQ(running.found.applied, Position{3});
    ASSERT_EQ(running.found.tail.size(), 2u);
    EXPECT_EQ(as_text(running.found.tail.front()->body()), "4");
    EXPECT_EQ(running.found.last, Position{5});
    EXPECT_EQ(running.found.tail.back()->hash(), head);
    EXPECT_EQ(running.log.committed(), Position{3});
    running.log.set_committed(Position{5});
    running.log.set_committed(Position{4});
    EXPECT_EQ(running.log.committed(), Position{5});
  });
  // A clean stop notes it without an entry to go with.
  machine.boot({}, [&](LogMachine::Running& running) {
    EXPECT_EQ(running.found.committed, Position{5});
    EXPECT_TRUE(running.found.tail.empty());
  });
}

TEST_F(Committed, IsAtLeastWhatACheckpointDerived) {
  Sha256Digest hash;
  machine.boot({}, [&](LogMachine::Running& running) {
    LogMachine::propose(running.log, "1");
    hash = LogMachine::propose(running.log, "2")->hash();
    LogMachine::propose(running.log, "3");
  });
  machine.input.checkpoint = Position{2};
  machine.input.checkpoint_hash = hash;
  machine.boot({}, [&](LogMachine::Running& running) {
    EXPECT_EQ(running.found.committed, Position{2});
    EXPECT_TRUE(running.applied.empty());
    ASSERT_EQ(running.found.tail.size(), 1u);
  });
}

TEST_F(Committed, NothingElseIsSealed) {
  Position durable;
  machine.on_durable = [&](const std::vector<EntryPtr>& entries, const FlushReport&) {
    durable = entries.back()->position();
  };
  const auto is_sealed = [&] { return !machine.disk.durable_content(first_sealed).empty(); };
  machine.boot({}, [&](LogMachine::Running& running) {
    for (int i = 0; i < 20; ++i) LogMachine::propose(running.log, filler(6000));
    ASSERT_TRUE(running.wait.sleep(50ms));
    EXPECT_LT(durable, Position{20});
    EXPECT_FALSE(is_sealed());
    running.log.set_committed(Position{durable.value - 1});
    ASSERT_TRUE(running.wait.sleep(20ms));
    EXPECT_FALSE(is_sealed());
    running.log.set_committed(durable);
    ASSERT_TRUE(running.wait.sleep(20ms));
    EXPECT_TRUE(is_sealed());
  });
}

// What would commit its last entry may need what is queued to be durable first.
TEST_F(Committed, ASegmentThatCannotBeSealedIsMadeLonger) {
  Sha256Digest head;
  machine.boot({}, [&](LogMachine::Running& running) {
    for (int i = 0; i < 40; ++i) LogMachine::propose(running.log, filler(6000));
    head = running.log.proposed_head();
    ASSERT_TRUE(running.wait.sleep(10s));
    EXPECT_EQ(running.log.durable(), Position{40});
    EXPECT_TRUE(machine.disk.durable_content(first_sealed).empty());
    running.process.crash("power cut");
  });
  machine.boot({}, [&](LogMachine::Running& running) {
    EXPECT_EQ(running.found.committed, Position{0});
    EXPECT_EQ(running.found.head, head);
    running.log.set_committed(Position{40});
    for (int i = 0; i < 4; ++i) LogMachine::propose(running.log, filler(20'000));
    ASSERT_TRUE(running.wait.sleep(20ms));
    EXPECT_FALSE(machine.disk.durable_content(first_sealed).empty());
    for (std::uint64_t p = 1; p <= 44; ++p) EXPECT_TRUE(running.log.reader().read(running.wait, Position{p}));
  });
}

// A stop cannot wait for a commit that may never come.
TEST_F(Committed, AStopGivesUpWhatWaitsForASeal) {
  machine.boot({}, [&](LogMachine::Running& running) {
    for (int i = 0; i < 20; ++i) LogMachine::propose(running.log, filler(6000));
    ASSERT_TRUE(running.wait.sleep(20ms));
  });
  EXPECT_EQ(machine.refused, "");
  machine.boot({}, [&](LogMachine::Running& running) {
    EXPECT_EQ(running.found.committed, Position{0});
    EXPECT_LT(running.found.last, Position{20});
  });
}

// Entries over several segments, committed a little later than they are durable, and a crash at every call.
TEST(CommittedCrash, EveryWhere) {
  struct Life {
    explicit Life(std::uint64_t seed) : machine(seed) {
      machine.on_durable = [this](const std::vector<EntryPtr>& entries, const FlushReport&) {
        durable = entries.back()->position();
      };
    }
    std::uint64_t live(const Crash& crash) {
      return machine.boot(crash, [&](LogMachine::Running& running) {
        for (int i = 0; i < 24 && running.log.is_writable(); ++i) {
          const EntryPtr entry = LogMachine::propose(running.log, filler(i % 3 == 0 ? 11'000 : 700));
          proposed[entry->position()] = entry->hash();
          if (!running.wait.sleep(i % 5 == 0 ? 12ms : 300us)) return;
          told = std::max(told, Position{durable.value - std::min<std::uint64_t>(durable.value, i % 3)});
          running.log.set_committed(told);
        }
        while (running.log.is_writable() && durable < running.log.last_proposed()) {
          told = durable;
          running.log.set_committed(told);
          if (!running.wait.sleep(1ms)) return;
        }
      });
    }
    void check() {
      bool started = false;
      machine.boot({}, [&](LogMachine::Running& running) {
        started = true;
        EXPECT_GE(running.found.last, durable);
        EXPECT_LE(running.found.committed, told);
        ASSERT_EQ(running.applied.size(), running.found.committed.value);
        std::vector<EntryPtr> all = running.applied;
        all.insert(all.end(), running.found.tail.begin(), running.found.tail.end());
        ASSERT_EQ(all.size(), running.found.last.value);
        for (const EntryPtr& entry : all) EXPECT_EQ(entry->hash(), proposed[entry->position()]);
        for (const SegmentInfo& segment : running.log.table().segments) {
          if (!segment.sealed) continue;
          EXPECT_LE(segment.end_position, told.next());
        }
      });
      EXPECT_TRUE(started) << machine.refused;
    }
    LogMachine machine;
    Position durable;
    Position told;
    std::map<Position, Sha256Digest> proposed;
  };
  const std::uint64_t calls = Life(1).live({});
  ASSERT_GT(calls, 60u);
  std::uint64_t seed = 0;
  for_every_crash(calls, [&](const Crash& crash) {
    Life life(++seed);
    life.live(crash);
    life.check();
    life.check();
  });
}

}  // namespace
}  // namespace verity::log
