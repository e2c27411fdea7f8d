#include "sim/explorer/walk.h"

#include "engine/consensus/testing/healing.h"
#include "io/base/prng.h"

#include <algorithm>

namespace verity::explorer {
namespace {

constexpr std::uint64_t heals_once_in = 40;  // things that happen

}  // namespace

ExploredWorld draw_world(std::uint64_t seed) {
  Prng prng = Prng(seed).fork("world");
  ExploredWorld world{.name = "walk", .what = "drawn from a seed"};
  world.nodes = prng.chance(1, 4) ? 5 : 3;
  world.view_max = 40;
  const auto some = [&](std::uint64_t high) {
    return prng.chance(1, 3) ? std::uint8_t{0} : static_cast<std::uint8_t>(prng.between(1, high));
  };
  world.budget = {.proposals = static_cast<std::uint8_t>(prng.between(1, 8)),
                  .silences = static_cast<std::uint8_t>(prng.between(2, 16)),
                  .beats = some(12),
                  .crashes = some(6),
                  .repeats = some(8),
                  .damages = some(2),
                  .confirms = some(4)};
  world.prompt_disks = prng.chance(1, 3);
  world.budget.handovers = some(3);
  // Where a log takes many messages, it takes long.
  world.batch = prng.chance(1, 4) ? prng.between(1, 3) : 0;
  // The membership changes in some.
  Prng members = Prng(seed).fork("members");
  if (members.chance(1, 2)) return world;
  world.tends = true;
  world.budget.damages = 0;
  world.budget.beats = static_cast<std::uint8_t>(members.between(6, 30));
  world.budget.crashes = static_cast<std::uint8_t>(members.between(1, 6));
  world.budget.wipes = static_cast<std::uint8_t>(members.between(0, 4));
  if (members.chance(1, 3)) {
    world.nodes = members.chance(1, 3) ? 3 : 1;
    world.blanks = 2;
    world.members = world.nodes + world.blanks;
  } else if (members.chance(1, 4)) {
    world.nodes = members.chance(1, 2) ? 3 : 5;
    world.members = world.nodes - 2;
  }
  return world;
}

namespace {

// Some nodes among which all goes on without a hitch: the newest messages first, so that older ones stay on their way into
// views that they were not meant for.
struct Group {
  std::vector<std::uint8_t> nodes;
  const std::size_t length;  // of the whole walk
  Situation& situation;
  Walk& walk;

  bool has(std::uint8_t id) const { return std::find(nodes.begin(), nodes.end(), id) != nodes.end(); }
  const consensus::Replica& replica(std::uint8_t id) const { return situation.cluster().replica(NodeId{id}); }
  void act(const Action& action) {
    if (!situation.apply(action)) return;
    walk.actions.push_back(action);
    walk.failed = situation.cluster().violation().has_value();
  }
  // Until done(), or nothing is left to do.
  void go_on(const std::function<bool()>& done) {
    while (!walk.failed && walk.actions.size() < length && !done()) {
      const std::vector<Action> possible = situation.possible();
      const auto useful = [&](const Action& action) {
        return has(action.node) && (action.kind == Action::Kind::write ||
                                    (action.kind == Action::Kind::deliver && has(action.peer)));
      };
      auto next = std::find_if(possible.begin(), possible.end(), [&](const Action& action) {
        return useful(action) && action.kind == Action::Kind::write;
      });
      if (next == possible.end()) {
        const auto newest = std::find_if(possible.rbegin(), possible.rend(), useful);
        if (newest == possible.rend()) return;
        next = newest.base() - 1;
      }
      act(*next);
    }
  }
};

std::vector<std::uint8_t> running(const ExploredWorld& world, const Situation& situation) {
  std::vector<std::uint8_t> nodes;
  for (std::uint8_t id = 1; id <= world.nodes + world.blanks; ++id) {
    if (situation.cluster().is_up(NodeId{id})) nodes.push_back(id);
  }
  return nodes;
}

// A majority of some nodes changes the view. False: a violation.
bool change_view(const ExploredWorld& world, Prng& prng, std::size_t length, Situation& situation,
                 Walk& walk) {
  Group group{running(world, situation), length, situation, walk};
  prng.shuffle(group.nodes);
  group.nodes.resize(std::min(group.nodes.size(), (world.nodes + world.blanks) / 2 + 1));
  View before;
  for (const std::uint8_t id : group.nodes) before = std::max(before, group.replica(id).view());
  for (const std::uint8_t id : group.nodes) group.act({.kind = Action::Kind::silence, .node = id});
  group.go_on([&] {
    return std::any_of(group.nodes.begin(), group.nodes.end(), [&](std::uint8_t id) {
      return group.replica(id).is_primary() && group.replica(id).view() > before;
    });
  });
  return !walk.failed;
}

// The primary and those without a vote, and maybe one more, go on until the change has reached them. False: a violation.
bool let_in(const ExploredWorld& world, Prng& prng, std::size_t length, const Action& tend,
            Situation& situation, Walk& walk) {
  Group group{{tend.node}, length, situation, walk};
  const auto votes = [&](std::uint8_t id) {
    return group.replica(tend.node).journal().membership().is_voter(situation.cluster().member(NodeId{id}));
  };
  for (const std::uint8_t id : running(world, situation)) {
    if (id != tend.node && (!votes(id) || prng.chance(1, 4))) group.nodes.push_back(id);
  }
  for (int round = 0; round < 3 && !walk.failed; ++round) {
    if (!group.replica(tend.node).is_primary()) break;
    group.act(tend);
    group.go_on([] { return false; });
  }
  return !walk.failed;
}

}  // namespace

void walk_randomly(const ExploredWorld& world, std::uint64_t seed, std::size_t length, Walk& walk) {
  using Kind = Action::Kind;
  Prng prng = Prng(seed).fork("walk");
  // How much of what is ordinary happens for one thing that is not; how often a message is an old one; whom faults like.
  const std::uint64_t ordinary = prng.between(2, 24);
  const std::uint64_t late_percent = prng.chance(1, 2) ? 2 : 25;
  const bool hasty = prng.chance(1, 3);  // view changes in one go
  const bool early_crashes =
      prng.chance(1, 2);  // a crash comes while something is being written, or not at all
  const std::uint64_t unlucky = prng.between(0, world.nodes);
  Situation situation(world);
  while (walk.actions.size() < length) {
    const std::vector<Action> possible = situation.possible();
    std::vector<Action> messages;
    std::vector<Action> writes;
    std::vector<Action> others;
    for (const Action& action : possible) {
      if (action.kind == Kind::deliver) {
        messages.push_back(action);
      } else if (action.kind == Kind::write) {
        writes.push_back(action);
      } else {
        others.push_back(action);
      }
    }
    const bool is_ordinary = prng.below(ordinary + 1) != 0;
    const std::vector<Action>* choice = &others;
    if (is_ordinary && !messages.empty()) choice = &messages;
    if (is_ordinary && !writes.empty() && (messages.empty() || prng.chance(1, 3))) choice = &writes;
    if (choice->empty()) choice = &possible;
    if (choice->empty()) return;
    Action action = choice->at(prng.below(choice->size()));
    if (choice == &messages && prng.below(100) >= late_percent) {
      // One of the newest: what waits longer was probably lost.
      const std::size_t recent = std::min<std::size_t>(messages.size(), 4);
      action = messages.at(messages.size() - 1 - prng.below(recent));
    }
    const bool fault = action.kind == Kind::crash || action.kind == Kind::damage;
    if (fault && unlucky != 0 && action.node != unlucky && prng.chance(2, 3)) continue;
    if (action.kind == Kind::silence && hasty && prng.chance(1, 2)) {
      if (!change_view(world, prng, length, situation, walk)) return;
      continue;
    }
    if (action.kind == Kind::tend && prng.chance(1, 2)) {
      if (!let_in(world, prng, length, action, situation, walk)) return;
      continue;
    }
    const bool idle =
        action.kind == Kind::crash && situation.cluster().writes_under_way(NodeId{action.node}) == 0;
    if (idle && early_crashes && !world.prompt_disks && prng.chance(7, 8)) continue;
    walk.actions.push_back(action);
    situation.apply(action);
    walk.failed = situation.cluster().violation().has_value();
    if (!walk.failed && prng.below(heals_once_in) == 0)
      walk.failed = walk.stands_still = why_it_stands_still(world, situation).has_value();
    if (walk.failed) return;
  }
}

std::optional<std::string> why_it_stands_still(const ExploredWorld& world, const Situation& situation) {
  const consensus::testing::ModelCluster& cluster = situation.cluster();
  if (!consensus::testing::has_to_heal(cluster)) return std::nullopt;
  consensus::testing::Healing how{.members = world.members,
                                  .away = {},
                                  .seed = 31 * cluster.committed().value + cluster.messages().size()};
  const auto heal = [&] {
    consensus::testing::ModelCluster copy = cluster;
    auto why = what_does_not_heal(copy, how);
    if (why) why = how.describe() + ": " + *why;
    return why;
  };
  if (auto why = heal()) return why;
  // One may be gone for good.
  how.away = NodeId{1 + cluster.messages().size() % cluster.size()};
  if (!cluster.can_do_without(*how.away)) return std::nullopt;
  return heal();
}

std::optional<std::string> flaw_of(const ExploredWorld& world, const std::vector<Action>& story, Flaw flaw) {
  Situation situation(world);
  for (const Action& action : story) {
    situation.apply(action);
    if (situation.cluster().violation()) return situation.cluster().violation();
  }
  return flaw == Flaw::standstill ? why_it_stands_still(world, situation) : std::nullopt;
}

std::vector<Action> shrink(std::vector<Action> story,
                           const std::function<bool(const std::vector<Action>&)>& fails) {
  for (std::size_t length = std::max<std::size_t>(story.size() / 2, 1);;) {
    bool shorter = false;
    for (std::size_t begin = 0; begin < story.size();) {
      std::vector<Action> without(story.begin(), story.begin() + static_cast<std::ptrdiff_t>(begin));
      const std::size_t end = std::min(begin + length, story.size());
      without.insert(without.end(), story.begin() + static_cast<std::ptrdiff_t>(end), story.end());
      if (fails(without)) {
        story = std::move(without);
        shorter = true;
      } else {
        begin = end;
      }
    }
    if (length > 1) {
      length = (length + 1) / 2;
    } else if (!shorter) {
      return story;
    }
  }
}

}  // namespace verity::explorer
