// What recovery does about damage when other nodes hold the log too: nothing acknowledged is forgotten without a mark, and
// nothing false is found.
#include "tests/log/log_machine.h"

#include <map>

namespace verity::log {
namespace {

constexpr std::string_view current = "current.segment";

class Damaged : public ::testing::Test {
 protected:
  Damaged() {
    machine.input.segment_bytes = segment_bytes_min;
    machine.input.mark_lost = [this](Position position) -> Status {
      lost_from = lost_from ? std::min(*lost_from, position) : position;
      return {};
    };
  }

  // Entries 1..count, each in a flush of its own, all but the last `open` of them committed.
  void write(int count, int open = 0, View view = {}) {
    machine.boot({}, [&](LogMachine::Running& running) {
      for (int i = 1; i <= count; ++i) {
        const EntryPtr entry = LogMachine::propose(running.log, "entry " + std::to_string(i), view);
        written[entry->position()] = entry->hash();
        ASSERT_TRUE(running.wait.sleep(mark_between ? 20ms : 2ms));
        if (i <= count - open) running.log.set_committed(running.log.durable());
      }
      running.process.crash("power cut");
    });
  }

  // 1..4 are committed, 5 is another than the one that was written in an older view and still stands in the file.
  void write_replaced(const std::function<void(LogMachine::Running&)>& more = {}) {
    machine.input.log_view = View{3};
    machine.boot({}, [&](LogMachine::Running& running) {
      EntryPtr four;
      for (int i = 1; i <= 4; ++i) {
        four = LogMachine::propose(running.log, "entry " + std::to_string(i), View{1});
        written[four->position()] = four->hash();
      }
      ASSERT_TRUE(running.wait.sleep(2ms));
      running.log.set_committed(running.log.durable());
      dead = LogMachine::propose(running.log, "dead", View{2})->hash();
      ASSERT_TRUE(running.wait.sleep(2ms));
      const EntryPtr five = machine.make(four, "alive");
      ASSERT_TRUE(running.log.replace_from(Position{5}, {five}));
      written[Position{5}] = five->hash();
      ASSERT_TRUE(running.wait.sleep(2ms));
      if (more) more(running);
      running.process.crash("power cut");
    });
  }

  // Where the flush of that kind with that first entry stands.
  ByteCount offset_of(Position position, FlushKind kind = FlushKind::entries,
                      std::string_view file = current) {
    const Bytes bytes = machine.disk.durable_content(file);
    for (ByteCount at = segment_header_bytes; at < bytes.size(); at += 512) {
      const auto header = decode_flush_header(ByteView(bytes).subspan(at, 512));
      if (header && header->first_position == position && header->kind == kind) return at;
    }
    ADD_FAILURE() << "no flush of " << position.describe();
    return 0;
  }

  // Everything that is found is what was written; everything else is damage that is known, or marked as lost.
  void check(LogMachine::Running& running) {
    for (const auto& [position, hash] : written) {
      if (position > running.found.last) {
        EXPECT_TRUE(lost_from && *lost_from <= position) << position.describe() << " is forgotten";
        continue;
      }
      const Result<EntryPtr> entry = running.log.reader().read(running.wait, position);
      if (entry) {
        EXPECT_EQ((*entry)->hash(), hash) << position.describe();
      } else {
        EXPECT_EQ(entry.error().code, ErrorCode::corrupt);
        EXPECT_FALSE(running.found.damage.empty());
        EXPECT_LE(position, running.found.committed);
      }
    }
  }

  LogMachine machine;
  bool mark_between = false;
  std::map<Position, Sha256Digest> written;
  Sha256Digest dead;
  std::optional<Position> lost_from;
};

TEST_F(Damaged, EndIsCutOffAndMarked) {
  write(5, 3);
  machine.disk.flip_bit(current, offset_of(Position{4}) + 200, 3);
  const auto mark_lost = std::exchange(machine.input.mark_lost, nullptr);
  machine.boot({}, [](LogMachine::Running&) { FAIL() << "alone, that is a reason not to start"; });
  EXPECT_NE(machine.refused, "");
  machine.input.mark_lost = mark_lost;
  for (int i = 0; i < 2; ++i) {
    lost_from.reset();
    machine.boot({}, [&](LogMachine::Running& running) {
      EXPECT_EQ(running.found.last, Position{3});
      EXPECT_TRUE(running.found.damage.empty());
      if (i == 0) check(running);
      EXPECT_EQ(lost_from.has_value(), i == 0) << "only once";
      running.process.crash("power cut");
    });
    EXPECT_EQ(machine.refused, "");
  }
}

TEST_F(Damaged, MarkComesBeforeAnythingIsChanged) {
  write(5, 3);
  machine.disk.flip_bit(current, offset_of(Position{4}) + 200, 3);
  const Bytes before = machine.disk.durable_content(current);
  machine.input.mark_lost = [&](Position) -> Status {
    EXPECT_EQ(machine.disk.durable_content(current), before);
    return fail(ErrorCode::io_error, "the state cannot be written");
  };
  machine.boot({}, [](LogMachine::Running&) { FAIL(); });
  EXPECT_NE(machine.refused.find("the state cannot be written"), std::string::npos) << machine.refused;
  EXPECT_EQ(machine.disk.durable_content(current), before);
}

TEST_F(Damaged, WhatReadsDifferentlyIsNotWrittenBack) {
  write(5, 3);
  machine.disk.flip_bit(current, offset_of(Position{5}) + 200, 3);
  const Bytes before = machine.disk.durable_content(current);
  const auto mark_lost = std::exchange(machine.input.mark_lost, [&](Position) -> Status {
    machine.disk.options().faults.stale_read_ppm = 1'000'000;  // from here on, when all has been read once
    return {};
  });
  machine.boot({}, [](LogMachine::Running&) { FAIL(); });
  EXPECT_NE(machine.refused.find("reads differently each time"), std::string::npos) << machine.refused;
  EXPECT_EQ(machine.disk.durable_content(current), before);
  machine.disk.options().faults.stale_read_ppm = 0;
  machine.input.mark_lost = mark_lost;
  machine.boot({}, [&](LogMachine::Running& running) {
    EXPECT_EQ(running.found.last, Position{4});
    check(running);
    running.process.crash("power cut");
  });
  EXPECT_EQ(machine.refused, "");
}

// A sector went bad since it was scanned (verity-sim --scenario cluster --seed 286).
TEST_F(Damaged, WhatCannotBeReadAgainIsWrittenBackAsItWasScanned) {
  write(5, 3);
  machine.disk.flip_bit(current, offset_of(Position{5}) + 200, 3);
  const ByteCount fourth = offset_of(Position{4});
  const auto mark_lost = std::exchange(machine.input.mark_lost, [&](Position position) -> Status {
    lost_from = position;
    machine.disk.make_unreadable(current, fourth);  // when all has been read once
    return {};
  });
  for (int start = 0; start < 2; ++start) {
    machine.boot({}, [&](LogMachine::Running& running) {
      EXPECT_EQ(running.found.last, Position{4});
      check(running);
      running.process.crash("power cut");
    });
    EXPECT_EQ(machine.refused, "");
    machine.input.mark_lost = mark_lost;
  }
}

TEST_F(Damaged, PlaceOfCommittedEntriesIsAHole) {
  write(6);
  machine.disk.flip_bit(current, offset_of(Position{3}) + 200, 3);
  for (int i = 0; i < 2; ++i) {
    machine.boot({}, [&](LogMachine::Running& running) {
      EXPECT_EQ(running.found.last, Position{6});
      ASSERT_EQ(running.found.damage.size(), 1u);
      EXPECT_EQ(running.found.applied, Position{2});
      EXPECT_FALSE(lost_from);
      check(running);
      EXPECT_FALSE(running.log.reader().read(running.wait, Position{3}));
      EXPECT_TRUE(running.log.reader().read(running.wait, Position{4}));
      // The log goes on behind it.
      const EntryPtr entry = LogMachine::propose(running.log, "more");
      written[entry->position()] = entry->hash();
      ASSERT_TRUE(running.wait.sleep(2ms));
      EXPECT_TRUE(running.log.reader().read(running.wait, entry->position()));
      written.erase(entry->position());
      running.log.set_committed(Position{6});
      running.process.crash("kill", sim::CrashKind::kill);
    });
    EXPECT_EQ(machine.refused, "");
    if (i == 1) break;
    // What followed the hole is cut off again, so that the second round finds the same.
    machine.disk.flip_bit(current, offset_of(Position{7}) + 200, 3);
    machine.boot({}, [&](LogMachine::Running& running) {
      EXPECT_EQ(lost_from, Position{7});
      EXPECT_EQ(running.found.last, Position{6});
      running.process.crash("power cut");
    });
    lost_from.reset();
  }
}

TEST_F(Damaged, WhatMayHaveBeenReplacedByWhatIsLostDoesNotCount) {
  write(5, 3, View{2});
  machine.input.log_view = View{4};  // in which the lost flush may have replaced 3 and 4
  machine.disk.flip_bit(current, offset_of(Position{5}) + 200, 3);
  machine.boot({}, [&](LogMachine::Running& running) {
    EXPECT_EQ(lost_from, running.found.committed.next());
    EXPECT_EQ(running.found.last, running.found.committed);
    EXPECT_TRUE(running.found.tail.empty());
    running.process.crash("power cut");
  });
  machine.boot({}, [&](LogMachine::Running& running) {
    EXPECT_EQ(running.found.last, *lost_from == Position{1} ? Position{} : Position{lost_from->value - 1});
    LogMachine::propose(running.log, "another");
  });
  EXPECT_EQ(machine.refused, "");
}

TEST_F(Damaged, BelowTheCheckpointNothingIsUnknown) {
  write(5);
  machine.input.checkpoint = Position{5};
  machine.input.checkpoint_hash = written[Position{5}];
  machine.disk.flip_bit(current, offset_of(Position{4}) + 200, 3);
  machine.disk.flip_bit(current, offset_of(Position{5}) + 200, 3);
  Sha256Digest next;
  machine.boot({}, [&](LogMachine::Running& running) {
    EXPECT_EQ(running.found.last, Position{5});
    EXPECT_EQ(running.found.committed, Position{5});
    EXPECT_EQ(lost_from, Position{6});
    check(running);
    const EntryPtr entry = LogMachine::propose(running.log, "six");
    EXPECT_EQ(entry->header().parent, written[Position{5}]);
    next = entry->hash();
    ASSERT_TRUE(running.wait.sleep(2ms));
    running.process.crash("power cut");
  });
  machine.boot({}, [&](LogMachine::Running& running) {
    EXPECT_EQ(running.found.last, Position{6});
    const auto entry = running.log.reader().read(running.wait, Position{6});
    ASSERT_TRUE(entry);
    EXPECT_EQ((*entry)->hash(), next);
    EXPECT_FALSE(running.found.damage.empty());
  });
  EXPECT_EQ(machine.refused, "");
}

// Whatever a crash leaves of the recovery: what was replaced does not come back with the loss of what replaced it.
TEST_F(Damaged, WhatWasReplacedStaysDead) {
  write_replaced();
  machine.disk.flip_bit(current, offset_of(Position{5}, FlushKind::replace) + 200, 3);
  const Bytes damaged = machine.disk.durable_content(current);
  const std::uint64_t calls =
      machine.boot({}, [](LogMachine::Running& running) { running.process.crash("power cut"); });
  for_every_crash(calls, [&](const Crash& crash) {
    machine.disk.overwrite(current, 0, damaged);
    lost_from.reset();
    machine.boot(crash, [](LogMachine::Running& running) { running.process.crash("power cut"); });
    machine.boot({}, [&](LogMachine::Running& running) {
      EXPECT_EQ(running.found.last, Position{4});
      EXPECT_EQ(lost_from, Position{5});
      running.process.crash("power cut");
    });
    EXPECT_EQ(machine.refused, "");
  });
}

TEST_F(Damaged, WhatWasReplacedInASealedSegmentIsNotTaken) {
  write_replaced([](LogMachine::Running& running) {
    while (running.log.table().segments.size() < 2) {
      LogMachine::propose(running.log, std::string(6000, 'x'), View{3});
      ASSERT_TRUE(running.wait.sleep(2ms));
      running.log.set_committed(running.log.durable());
    }
  });
  constexpr std::string_view sealed = "00000000.segment";
  machine.disk.flip_bit(sealed, offset_of(Position{5}, FlushKind::replace, sealed) + 200, 3);
  machine.boot({}, [&](LogMachine::Running& running) {
    EXPECT_EQ(running.applied.size(), 4u);
    EXPECT_EQ(running.found.damage.size(), 1u);
    for (const EntryPtr& entry : running.applied) EXPECT_NE(entry->hash(), dead);
    const auto five = running.log.reader().read(running.wait, Position{5});
    EXPECT_FALSE(five);
    ASSERT_TRUE(running.directory.remove(running.wait, current_segment_name));
    ASSERT_TRUE(running.directory.sync(running.wait));
    running.process.crash("power cut");
  });
  // Nor does the next segment continue it.
  machine.boot({}, [&](LogMachine::Running& running) {
    EXPECT_EQ(running.found.last, Position{4});
    EXPECT_EQ(running.found.head, written[Position{4}]);
    EXPECT_EQ(lost_from, Position{5});
    running.process.crash("power cut");
  });
  EXPECT_EQ(machine.refused, "");
}

TEST_F(Damaged, CheckpointSaysThatWhatIsLeftWasReplaced) {
  write_replaced([](LogMachine::Running& running) {
    running.log.set_committed(running.log.durable());
    ASSERT_TRUE(running.wait.sleep(20ms));  // a mark
  });
  machine.input.checkpoint = Position{5};
  machine.input.checkpoint_hash = written[Position{5}];
  machine.disk.flip_bit(current, offset_of(Position{5}, FlushKind::replace) + 200, 3);
  EntryPtr six;
  for (int i = 0; i < 3; ++i) {
    machine.boot({}, [&](LogMachine::Running& running) {
      EXPECT_EQ(running.found.last, Position{i == 2 ? 6u : 5u});
      EXPECT_GE(running.found.committed, Position{5});
      EXPECT_FALSE(running.log.reader().read(running.wait, Position{5}));
      check(running);
      if (i == 1) {
        six = LogMachine::propose(running.log, "six", View{3});
        EXPECT_EQ(six->header().parent, written[Position{5}]);
        ASSERT_TRUE(running.wait.sleep(2ms));
      }
      running.process.crash("power cut");
    });
    EXPECT_EQ(machine.refused, "");
  }
}

TEST_F(Damaged, MarkBehindAHoleHidesNothing) {
  mark_between = true;
  write(6);
  machine.disk.flip_bit(current, offset_of(Position{3}) + 200, 3);
  ASSERT_NE(offset_of(Position{4}, FlushKind::mark), 0u);
  machine.boot({}, [&](LogMachine::Running& running) {
    EXPECT_EQ(running.found.last, Position{6});
    EXPECT_FALSE(lost_from);
    check(running);
    EXPECT_TRUE(running.log.reader().read(running.wait, Position{4}));
    running.process.crash("power cut");
  });
  EXPECT_EQ(machine.refused, "");
}

TEST_F(Damaged, CurrentSegmentThatIsGoneIsBegunAnew) {
  Position first;
  machine.boot({}, [&](LogMachine::Running& running) {
    while (running.log.table().segments.size() < 3) {
      const EntryPtr entry = LogMachine::propose(running.log, std::string(6000, 'x'));
      written[entry->position()] = entry->hash();
      ASSERT_TRUE(running.wait.sleep(2ms));
      running.log.set_committed(running.log.durable());
    }
    first = running.log.table().current().header.first_position;
    running.process.crash("power cut");
  });
  machine.boot({}, [&](LogMachine::Running& running) {
    ASSERT_TRUE(running.directory.remove(running.wait, current_segment_name));
    ASSERT_TRUE(running.directory.sync(running.wait));
    running.process.crash("power cut");
  });
  for (int i = 0; i < 2; ++i) {
    machine.boot({}, [&](LogMachine::Running& running) {
      EXPECT_EQ(running.found.last, Position{first.value - 1});
      EXPECT_EQ(lost_from, first);
      check(running);
      running.process.crash("power cut");
    });
    EXPECT_EQ(machine.refused, "");
  }
}

TEST_F(Damaged, SealedSegmentsThatAreGoneLeaveTheOthers) {
  machine.boot({}, [&](LogMachine::Running& running) {
    while (running.log.table().segments.size() < 5) {
      const EntryPtr entry = LogMachine::propose(running.log, std::string(6000, 'x'));
      written[entry->position()] = entry->hash();
      ASSERT_TRUE(running.wait.sleep(2ms));
      running.log.set_committed(running.log.durable());
    }
  });
  const auto remove = [&](const std::vector<std::uint64_t>& gone) {
    machine.boot({}, [&](LogMachine::Running& running) {
      for (const std::uint64_t sequence : gone)
        ASSERT_TRUE(running.directory.remove(running.wait, sealed_segment_name(sequence)));
      ASSERT_TRUE(running.directory.sync(running.wait));
      running.process.crash("power cut");
    });
  };
  for (const std::vector<std::uint64_t>& gone : {std::vector<std::uint64_t>{3}, {1}, {2}, {0}}) {
    remove(gone);
    machine.boot({}, [&](LogMachine::Running& running) {
      EXPECT_EQ(running.found.last, written.rbegin()->first);
      EXPECT_FALSE(lost_from);
      check(running);
      running.process.crash("power cut");
    });
    EXPECT_EQ(machine.refused, "");
  }
}

class DamagedAnywhere : public Damaged {
 protected:
  // Every flipped bit, whatever it hits.
  void flip_every_bit() {
    write(8, 3);
    const Bytes whole = machine.disk.durable_content(current);
    const ByteCount end = offset_of(Position{8}) + 1024;
    for (ByteCount at = 0; at < end; at += 37) {
      SCOPED_TRACE("at " + std::to_string(at));
      machine.disk.overwrite(current, 0, whole);
      machine.disk.flip_bit(current, at, at % 8);
      lost_from.reset();
      machine.boot({}, [&](LogMachine::Running& running) {
        check(running);
        running.process.crash("power cut");
      });
      EXPECT_EQ(machine.refused, "");
      if (HasFailure()) return;
    }
  }
};

TEST_F(DamagedAnywhere, NothingIsForgottenAndNothingFalseIsFound) {
  flip_every_bit();
}

TEST_F(DamagedAnywhere, NorWithMarksInBetween) {
  mark_between = true;
  flip_every_bit();
}

}  // namespace
}  // namespace verity::log
