// Entries that somebody else made, and suffixes that take the place of one's own.
#include "engine/log/offsets.h"
#include "engine/log/replay.h"
#include "engine/log/verify.h"
#include "io/base/prng.h"
#include "tests/log/log_machine.h"

namespace verity::log {
namespace {

std::string filler(std::size_t size) {
  return std::string(size, 'x');
}

struct Replace : testing::Test {
  // `count` entries after `before`, with different bodies for different letters.
  std::vector<EntryPtr> make(EntryPtr before, char letter, int count, std::size_t size = 100) {
    std::vector<EntryPtr> entries;
    for (int i = 0; i < count; ++i) {
      entries.push_back(machine.make(before, std::string(size, letter)));
      before = entries.back();
    }
    return entries;
  }
  static std::string letters(LogMachine::Running& running) {
    std::string text;
    for (std::uint64_t p = 1; p <= running.log.last_proposed().value; ++p) {
      const auto entry = running.log.reader().read(running.wait, Position{p});
      text += entry ? static_cast<char>((*entry)->body()[0]) : '?';
    }
    return text;
  }
  void expect_found(const std::string& expected) {
    machine.boot({}, [&](LogMachine::Running& running) {
      EXPECT_EQ(letters(running), expected);
      EXPECT_EQ(running.applied.size() + running.found.tail.size(), expected.size());
      const auto report = verify_log(running.wait, running.directory, {});
      ASSERT_TRUE(report) << report.error().describe();
      EXPECT_TRUE(report->damage.empty()) << report->damage.front().describe();
      EXPECT_EQ(report->head, running.log.proposed_head());
      EXPECT_EQ(report->last, running.log.last_proposed());
    });
    EXPECT_EQ(machine.refused, "");
  }

  LogMachine machine;
};

TEST_F(Replace, AnEntryThatDoesNotFitIsRefusedByName) {
  machine.boot({}, [&](LogMachine::Running& running) {
    const std::vector<EntryPtr> chain = make(nullptr, 'a', 3);
    const auto refusal = [&](const EntryPtr& entry) {
      const Status status = running.log.append(entry);
      return status ? "" : status.error().message;
    };
    const auto contains = [](const std::string& text, std::string_view part) {
      return text.find(part) != std::string::npos;
    };
    ASSERT_TRUE(running.log.append(chain[0]));
    EXPECT_TRUE(contains(refusal(chain[2]), "position 2 is next")) << refusal(chain[2]);
    EXPECT_TRUE(contains(refusal(chain[0]), "position 2 is next"));
    EntryHeader header = chain[1]->header();
    header.parent = chain[1]->hash();
    EXPECT_TRUE(contains(refusal(Entry::make(header, as_bytes("x"))), "its parent is"));
    header = chain[1]->header();
    header.cluster_id.bytes[3] ^= 1;
    EXPECT_TRUE(contains(refusal(Entry::make(header, as_bytes("x"))), "it belongs to cluster"));
    header = chain[1]->header();
    header.timestamp = Timestamp{chain[0]->header().timestamp.ns - 1};
    EXPECT_TRUE(contains(refusal(Entry::make(header, as_bytes("x"))), "timestamp"));
    EXPECT_EQ(running.log.last_proposed(), Position{1});
    EXPECT_EQ(refusal(chain[1]), "");
    running.log.set_committed(Position{1});
    EXPECT_TRUE(contains(running.log.replace_from(Position{1}, {}).error().message, "1 is committed"));
    EXPECT_TRUE(contains(running.log.replace_from(Position{4}, {}).error().message, "cannot follow 2"));
    EXPECT_EQ(running.log.generation(), 0u);
  });
  expect_found("aa");
}

TEST_F(Replace, WhatIsInTheFileInFlightAndQueued) {
  std::vector<std::pair<std::uint64_t, std::size_t>> reports;
  machine.on_durable = [&](const std::vector<EntryPtr>& entries, const FlushReport& report) {
    reports.emplace_back(report.generation, entries.size());
  };
  machine.boot({}, [&](LogMachine::Running& running) {
    const std::vector<EntryPtr> a = make(nullptr, 'a', 9);
    for (int i = 0; i < 4; ++i) ASSERT_TRUE(running.log.append(a[i]));
    ASSERT_TRUE(running.wait.sleep(3ms));
    for (int i = 4; i < 6; ++i) ASSERT_TRUE(running.log.append(a[i]));
    ASSERT_TRUE(running.wait.yield());  // in flight
    for (int i = 6; i < 9; ++i) ASSERT_TRUE(running.log.append(a[i]));
    ASSERT_TRUE(running.log.replace_from(Position{3}, make(a[1], 'b', 2)));
    EXPECT_EQ(running.log.generation(), 1u);
    EXPECT_EQ(running.log.durable(), Position{2});
    EXPECT_EQ(letters(running), "aabb");
    ASSERT_TRUE(running.wait.sleep(3ms));
    EXPECT_EQ(running.log.durable(), Position{4});
    EXPECT_EQ(letters(running), "aabb");
  });
  using Reports = decltype(reports);
  EXPECT_EQ(reports, (Reports{{0, 4}, {0, 0}, {1, 2}}));
  expect_found("aabb");
}

TEST_F(Replace, ACutAloneIsReportedToo) {
  std::uint64_t reported = 0;
  machine.on_durable = [&](const std::vector<EntryPtr>&, const FlushReport& report) {
    reported = report.generation;
  };
  machine.boot({}, [&](LogMachine::Running& running) {
    const std::vector<EntryPtr> a = make(nullptr, 'a', 3);
    ASSERT_TRUE(running.log.replace_from(Position{1}, a));
    ASSERT_TRUE(running.log.replace_from(Position{3}, {}));  // nothing of it was written
    ASSERT_TRUE(running.wait.sleep(20ms));
    EXPECT_EQ(reported, 1u);
    ASSERT_TRUE(running.log.replace_from(Position{2}, {}));
    ASSERT_TRUE(running.log.replace_from(Position{2}, make(a[0], 'b', 1)));
    ASSERT_TRUE(running.log.replace_from(Position{2}, {}));
    ASSERT_TRUE(running.wait.sleep(20ms));
    EXPECT_EQ(reported, 3u);  // one of the four dropped nothing
    running.process.crash("power cut");
  });
  expect_found("a");
}

// The old suffix fills the segment; the new one is there at once all the same.
TEST_F(Replace, MoreThanTheSegmentHasRoomFor) {
  machine.boot({}, [&](LogMachine::Running& running) {
    const std::vector<EntryPtr> a = make(nullptr, 'a', 9, 6000);
    ASSERT_TRUE(running.log.replace_from(Position{1}, a));
    ASSERT_TRUE(running.wait.sleep(50ms));
    ASSERT_TRUE(running.log.replace_from(Position{2}, make(a[0], 'b', 20, 6000)));
    while (running.log.durable() < Position{2}) ASSERT_TRUE(running.wait.sleep(10us));
    EXPECT_EQ(running.log.durable(), Position{21});
    running.process.crash("power cut");
  });
  expect_found("a" + std::string(20, 'b'));
}

TEST_F(Replace, ASealedSegmentShowsOnlyWhatLives) {
  machine.boot({}, [&](LogMachine::Running& running) {
    EntryPtr last = make(nullptr, 'a', 1).front();
    ASSERT_TRUE(running.log.append(last));
    for (int round = 0; round < 3; ++round) {
      ASSERT_TRUE(running.log.replace_from(last->position().next(), make(last, 'x', 2, 5000)));
      ASSERT_TRUE(running.wait.sleep(20ms));
      const std::vector<EntryPtr> living = make(last, static_cast<char>('b' + round), 2, 2000);
      ASSERT_TRUE(running.log.replace_from(last->position().next(), living));
      ASSERT_TRUE(running.wait.sleep(1ms));
      last = living.back();
      running.log.set_committed(last->position());
    }
    ASSERT_TRUE(running.log.replace_from(last->position().next(), make(last, 'e', 4, 10'000)));
    while (running.log.durable() < Position{11}) {
      ASSERT_TRUE(running.wait.sleep(1ms));
      running.log.set_committed(running.log.durable());
    }
    ASSERT_TRUE(running.log.table().segments.front().sealed);
    EXPECT_EQ(letters(running), "abbccddeeee");
  });
  machine.options.read_cache_bytes = 0;
  expect_found("abbccddeeee");
  machine.boot({}, [&](LogMachine::Running& running) {
    ASSERT_TRUE(running.directory.remove(running.wait, offsets_name(0)));
    EXPECT_EQ(letters(running), "abbccddeeee");
    std::string replayed;
    const auto damage = replay(running.wait, running.directory, running.log.table(), Position{1},
                               Position{12}, [&](const EntryPtr& entry) -> Status {
                                 replayed += static_cast<char>(entry->body()[0]);
                                 return {};
                               });
    EXPECT_TRUE(damage && !*damage);
    EXPECT_EQ(replayed, "abbccddeeee");
  });
}

// A replacement that the disk lost is missed although the positions it held are there, in an older version.
TEST_F(Replace, ALostReplacementIsDamage) {
  ByteCount at = 0;
  machine.boot({}, [&](LogMachine::Running& running) {
    const std::vector<EntryPtr> a = make(nullptr, 'a', 3);
    ASSERT_TRUE(running.log.replace_from(Position{1}, a));
    ASSERT_TRUE(running.wait.sleep(1ms));
    at = running.log.table().current().end_offset;
    ASSERT_TRUE(running.log.replace_from(Position{2}, make(a[0], 'b', 2)));
    ASSERT_TRUE(running.wait.sleep(50ms));  // and a mark
    running.process.crash("power cut");
  });
  machine.disk.overwrite(current_segment_name, at, Bytes(512));
  machine.boot({}, [&](LogMachine::Running&) { ADD_FAILURE(); });
  EXPECT_NE(machine.refused.find("at offset " + std::to_string(at)), std::string::npos) << machine.refused;
}

// A life of appends, replacements and commits, ended at every call. What is found is exactly one of the states the log went
// through, none older than what was reported.
class Life {
 public:
  explicit Life(std::uint64_t seed) : machine_(seed), prng_(seed) {
    states_.push_back({});
    machine_.options.flush_bytes_max = 8 * KiB;  // so that a replacement is more than a flush usually holds
    machine_.on_durable = [this](const std::vector<EntryPtr>& entries, const FlushReport& report) {
      note_durable(entries, report.generation);
    };
  }

  std::uint64_t live(const Crash& crash, int steps) {
    return machine_.boot(crash, [&](LogMachine::Running& running) {
      found(running);
      for (int i = 0; i < steps && running.log.is_writable(); ++i) {
        act(running);
        if (prng_.below(3) == 0 && !running.wait.sleep(prng_.below(8) == 0 ? 12ms : 200us)) break;
      }
    });
  }

  void check() {
    bool started = false;
    machine_.boot({}, [&](LogMachine::Running& running) {
      started = true;
      found(running);
      const auto report = verify_log(running.wait, running.directory, {});
      ASSERT_TRUE(report) << report.error().describe();
      EXPECT_TRUE(report->damage.empty()) << report->damage.front().describe();
      EXPECT_EQ(report->last.value, chain_.size());
      for (std::uint64_t p = 1; p <= chain_.size(); ++p) {
        const auto entry = running.log.reader().read(running.wait, Position{p});
        ASSERT_TRUE(entry) << entry.error().describe();
        EXPECT_EQ((*entry)->hash(), chain_[p - 1]->hash());
      }
    });
    EXPECT_TRUE(started) << machine_.refused;
  }

 private:
  struct State {
    std::vector<Sha256Digest> hashes;
    std::uint64_t generation = 0;
  };

  // What a start finds is where life goes on.
  void found(LogMachine::Running& running) {
    chain_ = running.applied;
    EXPECT_EQ(chain_.size(), running.found.committed.value);
    EXPECT_LE(running.found.committed.value, committed_);
    chain_.insert(chain_.end(), running.found.tail.begin(), running.found.tail.end());
    EXPECT_EQ(chain_.size(), running.found.last.value);
    const std::vector<Sha256Digest> hashes = hashes_of(chain_);
    const auto any_state = [&](const auto& fits) {
      return std::any_of(states_.begin(), states_.end(), fits);
    };
    EXPECT_TRUE(any_state([&](const State& state) { return state.hashes == hashes; }))
        << hashes.size() << " entries that never were the log";
    EXPECT_TRUE(any_state([&](const State& state) {
      return state.generation >= cut_ && state.hashes.size() >= hashes.size() &&
             std::equal(hashes.begin(), hashes.end(), state.hashes.begin());
    })) << "entries are there again that had been replaced";
    ASSERT_GE(hashes.size(), durable_.size());
    EXPECT_TRUE(std::equal(durable_.begin(), durable_.end(), hashes.begin())) << "a durable entry is lost";
    committed_ = running.found.committed.value;
    durable_ = hashes;
    cut_ = 0;
    states_ = {{hashes, 0}};
  }

  static std::vector<Sha256Digest> hashes_of(const std::vector<EntryPtr>& chain) {
    std::vector<Sha256Digest> hashes;
    hashes.reserve(chain.size());
    for (const EntryPtr& entry : chain) hashes.push_back(entry->hash());
    return hashes;
  }

  void note_durable(const std::vector<EntryPtr>& entries, std::uint64_t generation) {
    cut_ = generation;
    if (entries.empty()) return;
    const std::size_t count = entries.back()->position().value;
    ASSERT_LE(count, chain_.size());
    EXPECT_EQ(entries.back()->hash(), chain_[count - 1]->hash()) << "a dead entry was reported";
    durable_ = hashes_of(chain_);
    durable_.resize(count);
  }

  EntryPtr make() {
    constexpr std::array<std::size_t, 4> sizes = {200, 900, 4000, 11'000};
    const std::string body = std::to_string(++made_) + filler(sizes[prng_.below(sizes.size())]);
    return machine_.make(chain_.empty() ? nullptr : chain_.back(), body);
  }

  void act(LogMachine::Running& running) {
    Log& log = running.log;
    const std::uint64_t choice = prng_.below(10);
    if (choice < 6) {
      chain_.push_back(make());
      ASSERT_TRUE(log.append(chain_.back()));
      states_.push_back({hashes_of(chain_), log.generation()});
    } else if (choice < 8) {
      const std::uint64_t first = committed_ + 1 + prng_.below(chain_.size() - committed_ + 1);
      chain_.resize(first - 1);
      durable_.resize(std::min<std::size_t>(durable_.size(), first - 1));
      std::vector<EntryPtr> entries;
      for (std::uint64_t i = prng_.below(5); i > 0; --i) {
        entries.push_back(make());
        chain_.push_back(entries.back());
      }
      const bool is_atomic =
          log.durable() >= Position{first};  // else nothing durable goes, and entries come one by one
      ASSERT_TRUE(log.replace_from(Position{first}, entries));
      for (std::size_t count = is_atomic ? chain_.size() : first - 1; count <= chain_.size(); ++count) {
        states_.push_back({hashes_of(chain_), log.generation()});
        states_.back().hashes.resize(count);
      }
    } else if (log.durable().value > committed_) {
      committed_ += 1 + prng_.below(log.durable().value - committed_);
      log.set_committed(Position{committed_});
    }
  }

  LogMachine machine_;
  Prng prng_;
  std::vector<EntryPtr> chain_;
  std::vector<State> states_;
  std::vector<Sha256Digest> durable_;  // was reported, and must be found unless it is replaced
  std::uint64_t cut_ = 0;              // replacements that are in the file for certain
  std::uint64_t committed_ = 0;
  std::uint64_t made_ = 0;
};

TEST(ReplaceCrash, AtEveryCallOneStateIsFound) {
  constexpr int steps = 60;
  std::uint64_t calls = 0;
  for (std::uint64_t seed = 1; seed <= 3; ++seed) calls = std::max(calls, Life(seed).live({}, steps));
  ASSERT_GT(calls, 60u);
  std::uint64_t seed = 0;
  for_every_crash(calls, [&](const Crash& crash) {
    ++seed;
    SCOPED_TRACE("seed " + std::to_string(seed));
    Life life(seed);
    life.live(crash, steps);
    life.live({1 + seed % 40, crash.during, sim::CrashKind::power}, 20);
    life.check();
    life.live({}, 20);
    life.check();
  });
}

}  // namespace
}  // namespace verity::log
