// A few hundred seeds of the whole: the production node and server in the simulated world. `verity-sim` runs more.
#include "sim/run.h"
#include "io/fiber/sanitizer.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace verity::sim {
namespace {

std::string replay(const std::string& name, std::uint64_t seed) {
  return "verity-sim --seed " + std::to_string(seed) + " --scenario " + name;
}

// Short runs, so that many fit into some seconds.
Scenario short_scenario(const std::string& name, std::uint64_t seed) {
  Scenario scenario = *draw_scenario(name, seed);
  scenario.faults.lasts = std::min<Duration>(scenario.faults.lasts, 700ms);
  scenario.faults.interval = std::min<Duration>(scenario.faults.interval, 200ms);
  return scenario;
}

// Under a sanitizer everything takes many times as long: it sees a sample.
#if defined(VERITY_ASAN) || defined(VERITY_TSAN)
constexpr std::uint64_t seeds_of_each = 3;
#else
constexpr std::uint64_t seeds_of_each = 8;
#endif

class EveryScenario : public testing::TestWithParam<std::string> {};

TEST_P(EveryScenario, KeepsItsPromisesOverAFewSeeds) {
  for (std::uint64_t seed = 1; seed <= seeds_of_each; ++seed) {
    const RunResult result = run_scenario(short_scenario(GetParam(), seed));
    ASSERT_FALSE(result.failure) << *result.failure << "\nlike " << replay(GetParam(), seed)
                                 << ", shortened\n"
                                 << result.last_lines;
    EXPECT_GT(result.requests, 0u);
  }
}

std::vector<std::string> all_names() {
  std::vector<std::string> names;
  for (const auto& entry : scenario_names()) names.emplace_back(entry.name);
  return names;
}

INSTANTIATE_TEST_SUITE_P(Sim, EveryScenario, testing::ValuesIn(all_names()),
                         [](const auto& instance) { return instance.param; });

TEST(Run, TheSameSeedGivesTheSameDigest) {
  for (const char* name : {"swarm", "crashes", "subscriptions", "cluster"}) {
    const RunResult once = run_scenario(short_scenario(name, 3));
    const RunResult again = run_scenario(short_scenario(name, 3));
    EXPECT_EQ(once.digest, again.digest) << replay(name, 3);
    EXPECT_NE(once.digest, run_scenario(short_scenario(name, 4)).digest);
  }
}

// Seeds that once failed, with what they found. A change of the workload gives a seed another run; the stories that
// were bugs of the node stand as scripted tests beside the code they were in.
TEST(Run, KeptSeedsSurvive) {
  struct Kept {
    std::uint64_t seed;
    const char* scenario;
  };
  const Kept kept[] = {
      // An asynchronous server crashed, and refused some starts before it recovered: the checker forgot the crash.
      {1228034790, "swarm"},
      // An asynchronous server wrote down that it was founded before its first entries were durable.
      {2142, "async"},
      // A request that was given up on a slow disk was told that the node does not lead.
      {3033, "swarm"},
      // A read was given the answer to an append that an earlier process had passed on.
      {3746, "cluster"},
      // A log that had given up refused an entry, and the commit that came with it was carried out all the same.
      {6627, "cluster"},
      // A leader that was cut off took what had replaced its entry for it: told of both in one message, it answered a
      // repeated request as if it were the first.
      {1070, "cluster"},
      // A backup that was being filled over a slow link answered no heartbeat: its primary took itself for unheard, view after
      // view.
      {247, "lost_disks"},
      // A node that was started again between a change's being settled and its writing that down never heard of it again.
      {145, "lost_disks"},
      // A learner, whose log named one voter, took its own clock for what a majority of one shows, and dated by it later.
      {69, "growth"},
      // Killed while its state that says "async" was in the page cache alone, a node forgot what it was: the checker did not.
      {1012, "async_cluster"},
  };
  for (const auto& [seed, name] : kept) {
    const RunResult result = run_scenario(*draw_scenario(name, seed));
    EXPECT_FALSE(result.failure) << *result.failure << "\n" << replay(name, seed);
  }
}

// Zeros that a start lays behind the end may come to lie on the last flush: it is read before and written after them, so
// that what was acknowledged is not the end of the log by then.
TEST(Run, MisdirectedZerosDoNotEndTheLog) {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    Scenario scenario = short_scenario("misdirected", seed);
    scenario.setup.disk.refuses_direct = false;
    scenario.setup.node.tuning.mark_delay = 20ms;
    scenario.setup.node.segment_bytes = 64 * KiB;
    scenario.setup.node.tuning.checkpoint_entries = 5;
    scenario.work.think = 10ms;
    scenario.work.data_bytes = 1200;
    scenario.faults.interval = 60ms;
    scenario.faults.lasts = 2s;
    const RunResult result = run_scenario(scenario);
    ASSERT_FALSE(result.failure) << *result.failure << "\n" << replay("misdirected", seed) << ", tuned";
  }
}

// Alone and with others; that it changes nothing, every run checks.
TEST(Run, ProcessesStandStill) {
  for (const char* name : {"swarm", "pauses"}) {
    std::uint64_t pauses = 0;
    for (std::uint64_t seed = 1; seed <= 3; ++seed) {
      Scenario scenario = short_scenario(name, seed);
      scenario.faults.weights = {};
      scenario.faults[Disturbance::pause] = 1;
      const RunResult result = run_scenario(scenario);
      ASSERT_FALSE(result.failure) << *result.failure << "\n" << replay(name, seed) << ", pauses alone";
      pauses += result.pauses;
    }
    EXPECT_GT(pauses, 0u) << name;
  }
}

// Alone and with others; that nothing is lost by it, every run checks.
TEST(Run, NamesFail) {
  for (const char* name : {"segments", "cluster"}) {
    std::uint64_t failed = 0;
    for (std::uint64_t seed = 1; seed <= 4; ++seed) {
      Scenario scenario = short_scenario(name, seed);
      scenario.setup.node.segment_bytes = 64 * KiB;
      scenario.faults.weights = {};
      scenario.faults[Disturbance::failed_names] = 1;
      const RunResult result = run_scenario(scenario);
      ASSERT_FALSE(result.failure) << *result.failure << "\n"
                                   << replay(name, seed) << ", failing names alone";
      failed += result.damages;
    }
    EXPECT_GT(failed, 0u) << name;
  }
}

// Links that carry little meet everything else, nodes are slow for others, and links come back one by one.
TEST(Run, SlowLinksMeetOtherFaults) {
  int carry_little = 0;
  for (std::uint64_t seed = 1; seed <= 100; ++seed)
    carry_little += draw_scenario("cluster", seed)->network.bytes_per_second != 0 ? 1 : 0;
  EXPECT_GE(carry_little, 10);
  EXPECT_LE(carry_little, 30);
  int slowed = 0;
  int mended = 0;
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    Scenario scenario = short_scenario("cluster", seed);
    scenario.network.bytes_per_second = 40 * KiB;
    scenario.mends_one_by_one = true;
    scenario.faults.interval = 60ms;
    scenario.faults[Disturbance::slow_peer] = 20;
    scenario.faults[Disturbance::partition] = 20;
    const RunResult result = run_scenario(scenario, [&](std::string_view line) {
      slowed += line.contains("times as slow") ? 1 : 0;
      mended += line.contains(" again") && line.contains(" reaches ") ? 1 : 0;
    });
    ASSERT_FALSE(result.failure) << *result.failure << "\n" << replay("cluster", seed) << ", slow links";
  }
  EXPECT_GT(slowed, 0);
  EXPECT_GT(mended, 0);
}

TEST(Run, UnknownScenariosAreNotDrawn) {
  EXPECT_FALSE(draw_scenario("nothing", 1));
}

// docs/faults.md, undetectable: an asynchronous server loses the end of its log at a power cut, and nothing else.
// That nothing else is lost, the history checks in every run; that the end can be, this shows.
TEST(Undetectable, AnAsynchronousServerLosesItsEnd) {
  std::uint64_t lost = 0;
  for (std::uint64_t seed = 1; seed <= 60 && lost == 0; ++seed) {
    Scenario scenario = short_scenario("async", seed);
    scenario.setup.disk.sync_latency = 5ms;  // acknowledgements run ahead of the disk
    const RunResult result = run_scenario(scenario);
    ASSERT_FALSE(result.failure) << *result.failure << "\nasync seed " << seed;
    lost += result.lost;
  }
  EXPECT_GT(lost, 0u);
}

// docs/faults.md, undetectable: the disk says that a flush is durable, drops it, and the power fails before a mark
// speaks of it.
TEST(Undetectable, ALostWriteOfTheLastFlush) {
  std::uint64_t lost = 0;
  for (std::uint64_t seed = 1; seed <= 120 && lost == 0; ++seed) {
    Scenario scenario = short_scenario("lost_write", seed);
    scenario.setup.disk.refuses_direct = false;
    scenario.setup.node.tuning.mark_delay = 20ms;
    scenario.work.think = 10ms;
    scenario.faults.interval = 60ms;
    const RunResult result = run_scenario(scenario);
    ASSERT_FALSE(result.failure) << *result.failure << "\nlost_write seed " << seed;
    lost += result.lost;
  }
  EXPECT_GT(lost, 0u);
}

// docs/faults.md, undetectable: a node starts, and twice its disk shows zeros where the last flush is.
TEST(Undetectable, AStaleReadOfTheLastFlushDuringAStart) {
  std::uint64_t lost = 0;
  for (std::uint64_t seed = 1; seed <= 200 && lost == 0; ++seed) {
    Scenario scenario = short_scenario("stale_read", seed);
    scenario.setup.disk.sector_bytes = 4096;  // all of a small flush
    scenario.setup.disk.refuses_direct = false;
    scenario.setup.node.tuning.mark_delay = 20ms;
    scenario.setup.node.tuning.checkpoint_entries = 200;  // none vouches for it
    scenario.work.think = 10ms;
    scenario.work.data_bytes = 40;
    scenario.work.batch_events = 1;
    scenario.work.several_streams = 0;
    scenario.faults.interval = 40ms;
    scenario.faults.stale_read_ppm = 500'000;
    const RunResult result = run_scenario(scenario);
    ASSERT_FALSE(result.failure) << *result.failure << "\nstale_read seed " << seed << "\n"
                                 << result.last_lines;
    lost += result.lost;
  }
  EXPECT_GT(lost, 0u);
}

// In a cluster, with a minority harmed: what can be told to be missing or wrong is repaired, as every run checks.
TEST(LyingDisks, AreRepairedFromTheOthers) {
  for (const auto lie : {DamageClass::lost_write, DamageClass::misdirected_write, DamageClass::stale_read}) {
    std::uint64_t lies = 0;
    for (std::uint64_t seed = 1; seed <= 3; ++seed) {
      Scenario scenario = short_scenario("lying_disks", seed);
      scenario.faults.damage_class = lie;
      const RunResult result = run_scenario(scenario);
      ASSERT_FALSE(result.failure) << *result.failure << "\n"
                                   << describe(lie) << ", lying_disks seed " << seed << "\n"
                                   << result.last_lines;
      EXPECT_EQ(result.lost, 0u);
      lies += result.damages;
    }
    EXPECT_GT(lies, 0u) << describe(lie);
  }
}

// Anywhere else an old sector does not fit what is around it: it is read again, or found.
TEST(StaleRead, LosesNothingWhereNoStartLooksForTheEnd) {
  std::uint64_t stale_reads = 0;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    Scenario scenario = short_scenario("stale_read", seed);
    scenario.faults.weights = {};
    scenario.faults[Disturbance::damage] = 1;
    scenario.faults.interval = 40ms;
    scenario.faults.stale_read_ppm = 300'000;
    scenario.setup.node.tuning.read_cache_bytes = 0;
    const RunResult result = run_scenario(scenario);
    ASSERT_FALSE(result.failure) << *result.failure << "\nstale_read seed " << seed << "\n"
                                 << result.last_lines;
    EXPECT_EQ(result.lost, 0u) << "stale_read seed " << seed;
    stale_reads += result.damages;
  }
  EXPECT_GT(stale_reads, 0u);
}

}  // namespace
}  // namespace verity::sim
