// Goes through every state that a small world can reach, breadth first, so that a violation comes with a shortest story.
//
// Of a state only its fingerprint and the action that first led to it are kept; the state itself is made again from its
// story. The states of one depth are in the order of their stories, so that most of each story is at hand from the last one.
//
// Left out because it is covered:
//   - a message that changes nothing where it arrives: whatever follows could follow with the message still on its way;
//   - likewise anything else that changes nothing but what may still happen.
#pragma once

#include "sim/explorer/situation.h"
#include "sim/explorer/state_set.h"

#include <array>
#include <cstdint>
#include <iosfwd>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace verity::explorer {

// How often a message of a type met a node in a status, in this exploration.
using Coverage = std::array<std::array<std::uint64_t, 5>, std::variant_size_v<consensus::Message>>;
std::string describe(const Coverage& coverage);

struct ExplorerLimits {
  std::uint64_t states_max = 10'000'000;  // about 45 bytes of memory each
  std::size_t depth_max = ~std::size_t{0};
  std::uint32_t heals_once_in =
      0;  // of so many states one is asked whether it goes on should all faults end; 0: none
};

enum class Outcome : std::uint8_t {
  running,
  exhausted,  // every state was visited
  full,       // states_max were found
  deep,       // every state up to depth_max was visited
  violated,
  stands_still,  // all faults might end, and it would not go on
};
std::string_view describe(Outcome outcome);

class Explorer {
 public:
  Explorer(const ExploredWorld& world, ExplorerLimits limits);

  // Visits up to `count` more states.
  Outcome advance(std::size_t count);

  Outcome outcome() const { return outcome_; }
  std::uint64_t states() const { return found_.size(); }
  std::uint64_t visited() const { return next_; }
  std::uint64_t transitions() const { return transitions_; }
  std::size_t depth() const { return depth_; }
  const Coverage& coverage() const { return coverage_; }
  // Of the violation; before one, of what is being tried at the moment.
  std::vector<Action> story() const;

  // What was found so far, to go on later with the same program. load() is false, and the explorer as new, if the stream
  // was not written by an explorer of this world and this program.
  void save(std::ostream& out) const;
  bool load(std::istream& in);

 private:
  struct Found {
    std::uint32_t parent;
    Action action;
  };
  struct Stage {
    std::uint32_t index;
    Situation situation;
  };

  const Situation& reach(std::uint32_t index);
  void visit(const Situation& situation, std::uint32_t index);

  const ExploredWorld world_;
  const ExplorerLimits limits_;
  const Situation root_;
  std::vector<Found> found_;  // the first is the root
  StateSet seen_;
  std::uint32_t next_ = 0;     // to be visited
  std::vector<Stage> stages_;  // the story of the state that is visited
  std::size_t depth_ = 0;      // of the state that is visited
  std::optional<Action> trying_;
  std::uint64_t transitions_ = 0;
  Coverage coverage_{};
  Outcome outcome_ = Outcome::running;
};

}  // namespace verity::explorer
