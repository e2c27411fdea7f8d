// Stories of three production nodes, told step by step; each of them was once a seed of the scenario "cluster".
#include "engine/node/node.h"
#include "sim/network.h"
#include "sim/node_host.h"
#include "sim/scenario.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <vector>

namespace verity::sim {
namespace {

using node::AppendReceipt;
using node::AppendRequest;
using node::Expectation;
using node::Outcome;
using node::RefusalCode;

const Expectation nothing{Expectation::Kind::none, {}};
Expectation at(std::uint64_t revision) {
  return {Expectation::Kind::exact, Revision{revision}};
}

class ClusterStory : public testing::Test {
 protected:
  ClusterStory() {
    Scenario scenario = *draw_scenario("cluster", 1);
    scenario.nodes = 3;
    scenario.setup.disk.refuses_direct = false;
    for (std::uint64_t node = 1; node <= 3; ++node)
      hosts.push_back(std::make_unique<NodeHost>(world, scenario.setup_of(node)));
  }
  ~ClusterStory() override {
    world.network().mend();
    for (const auto& host : hosts) {
      if (!host->is_running()) continue;
      host->crash(CrashKind::power, "the story is told");
      host->process()->drain();
    }
  }

  void start_all() {
    for (const auto& host : hosts) host->start();
  }
  void run_until(const std::function<bool()>& done) { ASSERT_TRUE(world.run_until(done, world.now() + 60s)); }

  // The one that leads and has made the first tenant; null: none yet. `other_than` does not count.
  NodeHost* leader(const NodeHost* other_than = nullptr) {
    for (const auto& host : hosts) {
      if (host.get() == other_than || !host->is_serving()) continue;
      const node::NodeStatus status = host->node()->status();
      if (status.state == "leader" && status.tenants > 0) return host.get();
    }
    return nullptr;
  }
  void isolate(const NodeHost& host) {
    for (const auto& other : hosts) {
      if (other.get() == &host) continue;
      world.network().cut({host.address().host, other->address().host});
      world.network().cut({other->address().host, host.address().host});
    }
  }
  Outcome<AppendReceipt> append(NodeHost& host, Expectation expected) {
    std::optional<Outcome<AppendReceipt>> outcome;
    host.process()->spawn("story", [&](io::Wait& wait) {
      io::Wait patient = wait.within(5s);
      const AppendRequest request{"default", {{"ward", expected, {{"note", "1"}}}}, std::nullopt};
      outcome = host.node()->append(patient, request);
    });
    world.run_until([&] { return outcome.has_value(); });
    return *outcome;
  }

  Outcome<node::TenantInfo> create_tenant(NodeHost& host, std::string_view name) {
    std::optional<Outcome<node::TenantInfo>> outcome;
    host.process()->spawn("story", [&](io::Wait& wait) { outcome = host.node()->create_tenant(wait, name); });
    world.run_until([&] { return outcome.has_value(); });
    return *outcome;
  }

  World world{{.seed = 1}};
  std::vector<std::unique_ptr<NodeHost>> hosts;
};

// It does not know of the append that would have made the expectation true: nothing it sees may be a reason to refuse.
TEST_F(ClusterStory, ALeaderThatIsCutOffRefusesNothingByWhatItSees) {
  start_all();
  run_until([&] { return leader() != nullptr; });
  NodeHost& old_leader = *leader();
  ASSERT_TRUE(append(old_leader, nothing));
  isolate(old_leader);
  run_until([&] { return leader(&old_leader) != nullptr; });
  ASSERT_TRUE(append(*leader(&old_leader), at(0)));
  const auto outcome = append(old_leader, at(1));
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, RefusalCode::not_leader) << outcome.error().describe();
}

// Its entry may be replaced: a refusal that comes of it would speak of what never was.
TEST_F(ClusterStory, NothingIsRefusedBecauseOfWhatIsNotCommitted) {
  start_all();
  run_until([&] { return leader() != nullptr; });
  NodeHost& old_leader = *leader();
  isolate(old_leader);
  const auto unknown = append(old_leader, nothing);
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().code, RefusalCode::outcome_unknown) << unknown.error().describe();
  const auto outcome = append(old_leader, nothing);
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, RefusalCode::not_leader) << outcome.error().describe();
}

// What a node does not hear while it does not run is nobody's silence: the view stays, whether timers or messages are seen
// first.
TEST_F(ClusterStory, NodesThatAllStandStillElectNobody) {
  start_all();
  run_until([&] { return leader() != nullptr; });
  NodeHost& old_leader = *leader();
  const View view = old_leader.node()->status().view;
  for (std::uint64_t i = 0; i < 20; ++i) {
    for (const auto& host : hosts) host->process()->pause(3s, i % 2 == 0);
    world.run_for(3s + 100ms);
    const auto outcome = append(old_leader, i == 0 ? nothing : at(i - 1));
    ASSERT_TRUE(outcome) << i << " " << outcome.error().describe();
  }
  for (const auto& host : hosts) EXPECT_EQ(host->node()->status().view, view);
}

// It takes itself for the leader when it goes on.
TEST_F(ClusterStory, ALeaderThatStoodStillRefusesNothingByWhatItSees) {
  start_all();
  run_until([&] { return leader() != nullptr; });
  NodeHost& old_leader = *leader();
  ASSERT_TRUE(append(old_leader, nothing));
  old_leader.process()->pause(1h, true);
  run_until([&] { return leader(&old_leader) != nullptr; });
  ASSERT_TRUE(append(*leader(&old_leader), at(0)));
  EXPECT_EQ(old_leader.node()->status().state, "leader");
  old_leader.process()->resume();
  const auto outcome = append(old_leader, at(1));
  EXPECT_TRUE(outcome) << outcome.error().describe();
}

TEST_F(ClusterStory, ANodeThatWaitsForTheOthersCanBeStopped) {
  hosts[0]->start();
  world.run_for(1s);
  ASSERT_TRUE(hosts[0]->is_running());
  hosts[0]->ask_to_stop();
  run_until([&] { return !hosts[0]->is_running(); });
  EXPECT_EQ(hosts[0]->take_ending(), Ending::stopped);
}

// A leader serves from its first moment on; until the tenant "default" is there nobody may be told that it is not.
TEST_F(ClusterStory, ANewClusterIsNotReadyBeforeItHasATenant) {
  start_all();
  const auto leads = [&](const auto& host) {
    return host->is_serving() && host->node()->status().state == "leader";
  };
  run_until([&] { return std::any_of(hosts.begin(), hosts.end(), leads); });
  ASSERT_EQ(leader(), nullptr);
  NodeHost& first = **std::find_if(hosts.begin(), hosts.end(), leads);
  const auto outcome = append(first, nothing);
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, RefusalCode::not_ready) << outcome.error().describe();
}

TEST_F(ClusterStory, WhoeverAsksFirstDoesNotMakeTheFirstTenant) {
  start_all();
  run_until([&] { return hosts[0]->is_serving(); });
  ASSERT_NE(hosts[0]->node()->status().state, "leader");
  const auto other = create_tenant(*hosts[0], "other");
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().code, RefusalCode::not_ready) << other.error().describe();
  run_until([&] { return leader() != nullptr; });
  EXPECT_TRUE(create_tenant(*leader(), "other"));
  EXPECT_TRUE(append(*leader(), nothing));
}

// docs/faults.md, undetectable: of the two that acknowledged an entry, one no longer knows that it did.
class UndetectableInACluster : public ClusterStory {
 protected:
  UndetectableInACluster() {
    start_all();
    run_until([&] { return leader() != nullptr; });
    first = leader();
    const auto others = [&](const auto& host) { return host.get() != first; };
    forgetful = std::find_if(hosts.begin(), hosts.end(), others)->get();
    third = std::find_if(hosts.rbegin(), hosts.rend(), others)->get();
    EXPECT_TRUE(append(*first, nothing));
    run_until([&] { return is_level(); });
    world.run_for(1s);  // marks are written
  }

  // Nothing but what is committed, the same everywhere.
  bool is_level() {
    return std::all_of(hosts.begin(), hosts.end(), [&](const auto& host) {
      if (!host->is_serving()) return false;
      const node::NodeStatus status = host->node()->status();
      const Position end = first->node()->status().durable_position;
      return status.durable_position == end && status.commit_index == end && status.damage.empty();
    });
  }
  // Revision 1, durable on the first one and, as far as anybody knows, on the forgetful one.
  void acknowledge_without_third() {
    crash(*third);
    ASSERT_TRUE(append(*first, at(0)));
  }
  void crash(NodeHost& host) {
    host.crash(CrashKind::power, "the story says so");
    host.process()->drain();
    ASSERT_EQ(host.take_ending(), Ending::crashed);
  }
  void start_both() {
    forgetful->disk().options().faults = {};
    forgetful->start();
    third->start();
  }
  // The two who do not know of revision 1 are a majority: it is given to another event, and what came before is there.
  void expect_that_loss_and_no_other() {
    isolate(*first);
    start_both();
    run_until([&] { return leader(first) != nullptr; });
    ASSERT_TRUE(append(*leader(first), at(0)));
    world.network().mend();
    run_until([&] { return is_level(); });
    EXPECT_TRUE(append(*leader(), at(1)));
  }

  NodeHost* first = nullptr;
  NodeHost* forgetful = nullptr;
  NodeHost* third = nullptr;
};

TEST_F(UndetectableInACluster, ALostWriteOfTheLastFlushBeforeACrash) {
  forgetful->disk().options().faults = {.lost_write_ppm = 1'000'000, .only_path = "current.segment"};
  acknowledge_without_third();
  crash(*forgetful);
  expect_that_loss_and_no_other();
}

// It is the node's second start, as far as the others are told.
TEST_F(UndetectableInACluster, ACopyOfARunningNodeThatIsPutBackBeforeItsNextStart) {
  const auto copy = forgetful->disk().copy();
  acknowledge_without_third();
  crash(*forgetful);
  forgetful->disk().put_back(*copy);
  expect_that_loss_and_no_other();
}

// Whoever has it takes part: the entry is there, and goes to the others again.
TEST_F(UndetectableInACluster, IsNoLossWhileTheOthersWhoHaveItTakePart) {
  forgetful->disk().options().faults = {.lost_write_ppm = 1'000'000, .only_path = "current.segment"};
  acknowledge_without_third();
  crash(*forgetful);
  start_both();
  run_until([&] { return leader() != nullptr && is_level(); });
  EXPECT_TRUE(append(*leader(), at(1)));
}

}  // namespace
}  // namespace verity::sim
