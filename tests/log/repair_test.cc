// A damaged segment is written anew from what is left of it and from what another node has.
#include "engine/log/segment_repair.h"
#include "tests/log/log_machine.h"

#include <map>

namespace verity::log {
namespace {

class RepairedSegments : public ::testing::Test {
 protected:
  RepairedSegments() {
    machine.input.segment_bytes = segment_bytes_min;
    machine.input.mark_lost = [](Position) { return Status(); };
    machine.boot({}, [&](LogMachine::Running& running) {
      while (running.log.table().segments.size() < 4) {
        const EntryPtr entry = LogMachine::propose(running.log, std::string(3000, 'x'));
        elsewhere[entry->position()] = entry;
        ASSERT_TRUE(running.wait.sleep(2ms));
        running.log.set_committed(running.log.durable());
      }
      first = running.log.table().segments.at(1).header.first_position;
      end = running.log.table().segments.at(1).end_position;
      running.process.crash("power cut");
    });
  }

  SegmentRepair repair_of(const Log& log, std::uint64_t sequence) {
    return {.segment = log.table().segments.at(sequence),
            .next = log.table().segments.at(sequence + 1).header,
            .fetch = [this](io::Wait&, Position from, Position to,
                            const Sha256Digest&) -> Result<std::vector<EntryPtr>> {
              std::vector<EntryPtr> some;
              for (Position at = from; at <= to && some.size() < 3; at = at.next()) {
                if (only_copy.contains(at)) return fail(ErrorCode::not_found, "only one copy is left");
                some.push_back(elsewhere.at(at));
                ++fetched;
              }
              return some;
            }};
  }

  // Repairs, looks, and looks again after a power cut.
  void repair_and_check(std::uint64_t sequence) {
    machine.boot({}, [&](LogMachine::Running& running) {
      const auto done = repair_segment(running.wait, running.directory, repair_of(running.log, sequence));
      ASSERT_TRUE(done) << done.error().describe();
      running.log.segment_repaired(done->header, done->end_offset);
      check(running);
      running.process.crash("power cut");
    });
    machine.boot({}, [&](LogMachine::Running& running) {
      EXPECT_TRUE(running.found.damage.empty());
      EXPECT_EQ(running.found.applied, running.found.committed);  // all of it was read in order
      for (const Damage& damage : running.found.damage) ADD_FAILURE() << damage.describe();
      check(running);
      running.process.crash("power cut");
    });
    EXPECT_EQ(machine.refused, "");
  }

  void check(LogMachine::Running& running) {
    for (const auto& [position, entry] : elsewhere) {
      const Result<EntryPtr> found = running.log.reader().read(running.wait, position);
      ASSERT_TRUE(found) << position.describe() << ": " << found.error().describe();
      EXPECT_EQ((*found)->hash(), entry->hash());
    }
  }

  LogMachine machine;
  std::map<Position, EntryPtr> elsewhere;
  std::set<Position> only_copy;  // here
  Position first;
  Position end;
  int fetched = 0;
};

constexpr std::string_view second = "00000001.segment";

TEST_F(RepairedSegments, OnlyWhatIsDamagedIsFetched) {
  machine.disk.flip_bit(second, 20'000, 3);
  for (Position at = first; at < end; at = at.next()) only_copy.insert(at);
  only_copy.erase(Position{first.value + 4});
  only_copy.erase(Position{first.value + 5});
  repair_and_check(1);
  EXPECT_LE(fetched, 2);
  EXPECT_GT(fetched, 0);
}

TEST_F(RepairedSegments, FlippedBitAnywhere) {
  const Bytes whole = machine.disk.durable_content(second);
  for (ByteCount at = 0; at < whole.size(); at += 991) {
    SCOPED_TRACE("at " + std::to_string(at));
    machine.disk.flip_bit(second, at, at % 8);
    repair_and_check(1);
    if (HasFailure()) return;
  }
}

TEST_F(RepairedSegments, MissingOnesComeBackWhole) {
  machine.boot({}, [&](LogMachine::Running& running) {
    ASSERT_TRUE(running.directory.remove(running.wait, sealed_segment_name(0)));
    ASSERT_TRUE(running.directory.remove(running.wait, sealed_segment_name(1)));
    ASSERT_TRUE(running.directory.sync(running.wait));
    running.process.crash("power cut");
  });
  machine.boot({}, [&](LogMachine::Running& running) {
    for (const std::uint64_t sequence : {0, 1}) {
      const auto done = repair_segment(running.wait, running.directory, repair_of(running.log, sequence));
      ASSERT_TRUE(done) << done.error().describe();
    }
    running.process.crash("power cut");
  });
  repair_and_check(1);  // of a whole one nothing is fetched
}

TEST_F(RepairedSegments, WhatDoesNotFitIsNotTaken) {
  machine.disk.flip_bit(second, 20'000, 3);
  machine.boot({}, [&](LogMachine::Running& running) {
    SegmentRepair repair = repair_of(running.log, 1);
    repair.fetch = [&](io::Wait&, Position from, Position,
                       const Sha256Digest&) -> Result<std::vector<EntryPtr>> {
      return std::vector{machine.make(elsewhere.at(Position{from.value - 1}), "not what was written")};
    };
    const auto done = repair_segment(running.wait, running.directory, repair);
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().code, ErrorCode::corrupt);
    const auto files = running.directory.list(running.wait);
    ASSERT_TRUE(files);
    for (const io::DirectoryEntry& file : *files) EXPECT_FALSE(file.name.ends_with(".repair")) << file.name;
    EXPECT_FALSE(running.log.reader().read(running.wait, Position{first.value + 4}) &&
                 running.log.reader().read(running.wait, Position{first.value + 5}));
  });
}

TEST_F(RepairedSegments, CrashLeavesTheOldOneOrTheNewOne) {
  machine.disk.flip_bit(second, 20'000, 3);
  const Bytes damaged = machine.disk.durable_content(second);
  const auto repair = [&](LogMachine::Running& running) {
    const auto done = repair_segment(running.wait, running.directory, repair_of(running.log, 1));
    if (done) running.log.segment_repaired(done->header, done->end_offset);
  };
  // A dry run for the number of calls; then the damage is put back.
  const std::uint64_t calls = machine.boot({}, repair);
  for_every_crash(calls, [&](const Crash& crash) {
    machine.boot({}, [&](LogMachine::Running& running) { running.process.crash("power cut"); });
    machine.disk.overwrite(second, 0, damaged);
    machine.boot(crash, repair);
    machine.boot({}, [&](LogMachine::Running& running) {
      EXPECT_EQ(running.found.last, elsewhere.rbegin()->first);
      for (const auto& [position, entry] : elsewhere) {
        const Result<EntryPtr> found = running.log.reader().read(running.wait, position);
        EXPECT_TRUE(found ? (*found)->hash() == entry->hash() : !running.found.damage.empty());
      }
      running.process.crash("power cut");
    });
    EXPECT_EQ(machine.refused, "");
  });
}

TEST_F(RepairedSegments, DamagedCurrentSegmentIsSealedEarly) {
  machine.boot({}, [&](LogMachine::Running& running) {
    const std::size_t before = running.log.table().segments.size();
    LogMachine::propose(running.log, "more");
    running.log.seal_soon();
    ASSERT_TRUE(running.wait.sleep(30ms));
    EXPECT_EQ(running.log.table().segments.size(), before) << "not everything is committed";
    running.log.set_committed(running.log.durable());
    ASSERT_TRUE(running.wait.sleep(30ms));
    EXPECT_EQ(running.log.table().segments.size(), before + 1);
  });
}

}  // namespace
}  // namespace verity::log
