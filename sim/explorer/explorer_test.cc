#include "sim/explorer/explorer.h"

#include "engine/consensus/testing/script.h"
#include "sim/explorer/founding_search.h"
#include "sim/explorer/walk.h"

#include <gtest/gtest.h>

#include <sstream>

namespace verity::explorer {
namespace {

TEST(Explorer, VisitsEveryStateOfTheTinyWorldAndFindsNothing) {
  const ExploredWorld& world = *find_explored_world("tiny");
  Explorer explorer(world, {});
  while (explorer.advance(1000) == Outcome::running) {
  }
  EXPECT_EQ(explorer.outcome(), Outcome::exhausted) << script_of(world, explorer.story());
  EXPECT_GT(explorer.states(), 10000U);
}

TEST(Explorer, GoesOnWhereItWas) {
  const ExploredWorld& world = *find_explored_world("small");
  Explorer whole(world, {});
  whole.advance(400);
  Explorer first(world, {});
  first.advance(150);
  std::stringstream file;
  first.save(file);
  Explorer second(world, {});
  ASSERT_TRUE(second.load(file));
  second.advance(250);
  EXPECT_EQ(second.states(), whole.states());
  EXPECT_EQ(second.transitions(), whole.transitions());
  EXPECT_EQ(second.coverage(), whole.coverage());
  std::stringstream other("something else altogether, and long enough to be read");
  EXPECT_FALSE(Explorer(world, {}).load(other));
}

// What the explorer tells as a script is what the script does.
TEST(Explorer, StoriesAreScripts) {
  for (const std::uint64_t seed : {1U, 2U, 3U, 4U, 5U, 6U, 7U, 8U}) {
    const ExploredWorld world = draw_world(seed);
    Walk walk;
    walk_randomly(world, seed, 150, walk);
    EXPECT_FALSE(walk.failed) << script_of(world, walk.actions);
    const std::string script = script_of(world, walk.actions);
    const std::string told = consensus::testing::run_script(script + "show\n");
    EXPECT_EQ(told.find("cannot be understood"), std::string::npos) << told;
    Situation situation(world);
    for (const Action& action : walk.actions) ASSERT_TRUE(situation.apply(action));
    EXPECT_TRUE(told.ends_with("> show\n" + situation.cluster().describe())) << told;
  }
}

TEST(Walks, FindNothingInAWhile) {
  for (std::uint64_t seed = 100; seed < 1100; ++seed) {
    const ExploredWorld world = draw_world(seed);
    Walk walk;
    walk_randomly(world, seed, 300, walk);
    ASSERT_FALSE(walk.failed) << "seed " << seed << "\n" << script_of(world, walk.actions);
  }
}

TEST(FoundingSearch, FindsNothingInAWhile) {
  FoundingSearch search({}, 20'000, 50);
  while (search.advance(1000) == Outcome::running) {
  }
  EXPECT_EQ(search.outcome(), Outcome::full) << search.story();
  for (std::uint64_t seed = 1; seed <= 500; ++seed) {
    const FoundingBounds bounds{.nodes = 3, .restarts = 2, .wipes = 3, .prompt_disks = seed % 2 == 0};
    const auto story = walk_through_founding(bounds, seed);
    ASSERT_FALSE(story) << "seed " << seed << "\n" << *story;
  }
}

TEST(FoundingWorld, NodesThatAreLeftAloneBecomeMembers) {
  FoundingMessages messages;
  const FoundingWorld world({}, messages);
  EXPECT_EQ(world.why_it_stands_still(), std::nullopt);
  FoundingWorld wiped = world;
  wiped.apply({.kind = FoundingAction::Kind::wipe, .node = 2});
  EXPECT_NE(wiped.describe(), world.describe());
  EXPECT_EQ(wiped.why_it_stands_still(), std::nullopt);
}

TEST(Shrinking, LeavesWhatIsNeeded) {
  std::vector<Action> story;
  story.reserve(100);
  for (std::uint8_t i = 0; i < 100; ++i) story.push_back({.kind = Action::Kind::beat, .node = 1, .arg = i});
  const auto holds = [](const std::vector<Action>& some, std::uint8_t arg) {
    return std::any_of(some.begin(), some.end(), [&](const Action& a) { return a.arg == arg; });
  };
  const auto fails = [&](const std::vector<Action>& some) { return holds(some, 13) && holds(some, 77); };
  const std::vector<Action> shortest = shrink(story, fails);
  ASSERT_EQ(shortest.size(), 2U);
  EXPECT_EQ(shortest[0].arg, 13);
  EXPECT_EQ(shortest[1].arg, 77);
}

}  // namespace
}  // namespace verity::explorer
