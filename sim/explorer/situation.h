// A cluster in the middle of a story: what can happen next, one thing at a time, and what may still happen. A value.
#pragma once

#include "engine/consensus/testing/canonical.h"
#include "engine/consensus/testing/model_cluster.h"
#include "sim/explorer/explored_world.h"

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace verity::explorer {

// One thing that happens. It keeps its meaning if others before it are left out, so that a story can be shortened.
struct Action {
  enum class Kind : std::uint8_t {
    deliver,
    repeat,
    write,
    propose,
    silence,
    beat,
    confirm,
    hand_over,
    crash,
    start,
    damage,
    wipe,
    tend
  };

  Kind kind{};
  std::uint8_t node = 0;     // to whom it happens
  std::uint8_t peer = 0;     // deliver, repeat: the sender
  std::uint8_t message = 0;  // deliver, repeat: the index of the message's type
  std::uint8_t arg =
      0;  // deliver, repeat: how many such older ones wait; crash: writes kept; damage: position;
          // propose, confirm: a number of its own; hand_over: to whom; tend: how many members there are to be

  bool operator==(const Action&) const = default;
  // As a command of engine/consensus/testing/script.h.
  std::string describe() const;
};

// "prepare", ... by the index in consensus::Message.
std::string_view message_name(std::size_t index);

class Situation {
 public:
  explicit Situation(const ExploredWorld& world);

  // In an order that depends on the situation alone; of equal messages on one link only the oldest.
  std::vector<Action> possible() const;
  bool apply(const Action& action);  // false: it is not possible; nothing has changed
  // True: whatever can follow once `action` has led from `before` to here could as well follow from `before`.
  bool gained_nothing(const Situation& before, const Action& action) const;

  // Of the canonical form, under the renaming that makes it least, and of what may still happen.
  std::array<std::uint64_t, 2> fingerprint() const;

  const consensus::testing::ModelCluster& cluster() const { return cluster_; }
  consensus::testing::ModelCluster& cluster() { return cluster_; }

 private:
  std::size_t find_message(const Action& action) const;
  bool stands_a_wipe(NodeId node) const;

  const ExploredWorld* world_;
  std::shared_ptr<const std::vector<consensus::testing::Renaming>> symmetry_;
  consensus::testing::ModelCluster cluster_;
  Budget left_;
};

// The whole story in the format of engine/consensus/scripts/, with the violation it ends in, if there is one.
std::string script_of(const ExploredWorld& world, const std::vector<Action>& actions);

}  // namespace verity::explorer
