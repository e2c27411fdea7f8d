#include "sim/shrink.h"

#include "sim/run.h"
#include "sim/settings.h"

#include <gtest/gtest.h>

namespace verity::sim {
namespace {

TEST(Shrink, KindsOfFailuresForgetNumbersAndDigests) {
  EXPECT_EQ(kind_of("position 12 was 0a1b, is 77ff"), kind_of("position 9 was 9e, is 1"));
  EXPECT_NE(kind_of("position 12 was lost"), kind_of("position 12 came twice"));
}

// Fails if disturbance 7 happens while there are three clients or more.
TEST(Shrink, LeavesWhatIsNeededToFail) {
  const auto fails = [](const Scenario& s) -> std::optional<Finding> {
    if (s.faults.skipped.contains(7)) return Finding{"something else", 20};
    if (s.work.clients < 3) return std::nullopt;
    return Finding{"lost position " + std::to_string(s.work.clients), 20};
  };
  Scenario scenario;
  scenario.work.clients = 9;
  scenario.work.reads = 44;
  const Shrunk shrunk = shrink(scenario, *fails(scenario), fails, [] { return true; });
  EXPECT_EQ(shrunk.scenario.work.clients, 3U);
  EXPECT_EQ(shrunk.scenario.work.reads, 0U);
  EXPECT_EQ(shrunk.scenario.faults.skipped.size(), 19U);
  EXPECT_FALSE(shrunk.scenario.faults.skipped.contains(7));
  EXPECT_EQ(shrunk.finding.failure, "lost position 3");
}

TEST(Shrink, EndsWhenItIsToldTo) {
  int tries = 0;
  const Shrunk shrunk = shrink(
      Scenario{}, {"broken", 1000}, [](const Scenario&) { return std::nullopt; },
      [&] { return ++tries < 10; });
  EXPECT_LT(shrunk.tries, 10U);
}

TEST(Settings, SayWhatDiffersAndTakeItBack) {
  const Scenario drawn = *draw_scenario("cluster", 5);
  Scenario changed = drawn;
  changed.work.clients = drawn.work.clients + 1;
  changed.faults.skipped = {1, 4};
  changed.faults[Disturbance::power_cut] = 77;
  Scenario again = drawn;
  for (const std::string& assignment : differences(drawn, changed)) ASSERT_TRUE(assign(again, assignment));
  EXPECT_EQ(differences(changed, again), std::vector<std::string>{});
  EXPECT_EQ(run_scenario(changed).digest, run_scenario(again).digest);
}

TEST(Settings, RefuseWhatMakesNoSense) {
  Scenario scenario;
  for (const char* wrong :
       {"work.clients", "work.clients=", "work.clients=0", "work.clients=x", "work.cliants=1",
        "faults.skip=1,,2", "faults.skip=-1", "faults.power_cut=1001", "nodes=3"})
    EXPECT_FALSE(assign(scenario, wrong)) << wrong;
  Scenario cluster = *draw_scenario("cluster", 5);
  EXPECT_FALSE(assign(cluster, "nodes=4"));
  EXPECT_TRUE(assign(cluster, "nodes=7"));
  EXPECT_EQ(cluster.nodes, 7U);
}

}  // namespace
}  // namespace verity::sim
