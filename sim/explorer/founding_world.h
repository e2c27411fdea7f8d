// A few blank nodes that are founding a cluster (engine/consensus/founding.h), in the middle of a story: what can happen
// next. The nodes are the production code. A value; copies share what they have in common.
//
// Messages travel on links as net/peer makes them: what arrives arrives in its order; any of it may be lost, and all that is under
// way is, once either end has another link with that id.
#pragma once

#include "engine/consensus/founding.h"

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace verity::explorer {

struct FoundingBounds {
  std::size_t nodes = 3;
  std::uint8_t restarts = 0;  // each loses what was not saved yet
  std::uint8_t wipes = 2;     // of any disk, at any time
  bool prompt_disks =
      true;  // what is to be saved is durable at once, or the node is started again before it is
};

struct FoundingAction {
  enum class Kind : std::uint8_t { deliver, save, connect, remind, wipe };

  Kind kind{};
  std::uint8_t node = 0;      // to whom it happens
  std::uint8_t peer = 0;      // connect: whom it has a link with, from now on; deliver: the sender
  std::uint16_t message = 0;  // deliver: as FoundingMessages numbers it; what was sent before is lost
  bool crashes = false;       // the node is started again right after it, with what was durable before

  bool operator==(const FoundingAction&) const = default;
};

struct FoundingEnvelope {
  consensus::Member from;
  consensus::Member to;
  consensus::FoundingMessage message;

  std::string describe() const;
};

// All messages that were ever sent in any story, each once. They outlive the worlds that speak of them.
class FoundingMessages {
 public:
  std::uint16_t number_of(const FoundingEnvelope& envelope);
  const FoundingEnvelope& at(std::uint16_t number) const { return *all_.at(number); }

 private:
  std::map<std::string, std::uint16_t> numbers_;
  std::vector<std::unique_ptr<FoundingEnvelope>> all_;
};

class FoundingWorld {
 public:
  FoundingWorld(const FoundingBounds& bounds, FoundingMessages& messages);

  std::vector<FoundingAction> possible() const;
  void apply(const FoundingAction& action);
  // Of two members whose records differ, or one that its own record does not name; nothing so far.
  const std::optional<std::string>& violation() const { return violation_; }
  // Should all faults end here: everybody hears of everybody, and nothing is lost any more. Then every node has to be a member,
  // or know that it is a stranger to those who are. Why not; nothing: so it goes.
  std::optional<std::string> why_it_stands_still() const;

  std::string describe(const FoundingAction& action) const;
  // Equal states, and only those, say the same.
  std::string describe() const;

 private:
  struct Node {
    consensus::Member self;
    consensus::FoundingPromises disk;
    std::optional<consensus::Founding> founding;
    std::optional<consensus::FoundingPromises> save;  // under way
    consensus::MemberSet linked;                      // with these processes
    bool is_stranger = false;                         // and was told so
  };

  consensus::Member blank(std::uint64_t id);
  consensus::FoundingDraw draw() const;
  const Node& at(std::size_t id) const { return *nodes_[id - 1]; }
  void start(Node& node);
  void disconnect(Node& node);
  void connect(const FoundingAction& action, Node& node);
  void carry_out(Node& node, const consensus::FoundingEffects& effects);
  void save(Node& node);
  void check();
  bool step_towards_the_end();

  FoundingMessages* messages_;
  std::vector<std::shared_ptr<const Node>> nodes_;
  // What is under way from a node to another, oldest first. A reminder of what is under way already is left out.
  std::map<std::pair<std::uint8_t, std::uint8_t>, std::vector<std::uint16_t>> links_;
  std::uint8_t incarnations_ = 0;
  std::uint8_t draws_ = 1;
  std::uint8_t restarts_left_;
  std::uint8_t wipes_left_;
  bool prompt_disks_;
  std::optional<std::string> violation_;
};

}  // namespace verity::explorer
