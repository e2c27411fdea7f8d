// Goes through every state that a founding can reach, breadth first: the first violation comes with a shortest story. Or through
// random stories, which are longer.
#pragma once

#include "sim/explorer/explorer.h"
#include "sim/explorer/founding_world.h"

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

namespace verity::explorer {

class FoundingSearch {
 public:
  // Keeps at most `states_max`; of `heals_once_in` of them one is asked whether it goes on, should all faults end (0: none).
  FoundingSearch(const FoundingBounds& bounds, std::uint64_t states_max, std::uint32_t heals_once_in);

  // Visits up to `count` more states.
  Outcome advance(std::size_t count);

  Outcome outcome() const { return outcome_; }
  std::uint64_t states() const { return found_.size(); }
  std::uint64_t transitions() const { return transitions_; }
  std::size_t depth() const;
  // Of a violation or a standstill: what it is, and what led to it, a line for each thing that happened.
  const std::string& why() const { return why_; }
  std::string story() const;

 private:
  struct Found {
    std::uint32_t parent;
    FoundingAction action;
  };
  void visit(const FoundingWorld& world);
  std::vector<FoundingAction> actions_to(std::uint32_t index) const;

  const FoundingBounds bounds_;
  const std::uint64_t states_max_;
  const std::uint32_t heals_once_in_;
  mutable FoundingMessages messages_;
  std::vector<Found> found_;  // the first is the beginning
  StateSet seen_;
  std::deque<FoundingWorld> waiting_;  // the last of found_, to be visited
  std::uint32_t next_ = 0;
  std::uint64_t transitions_ = 0;
  Outcome outcome_ = Outcome::running;
  std::optional<FoundingAction> last_;  // of the violation
  std::string why_;
};

// A long random story instead; what it led to, with the story, if that may not be.
std::optional<std::string> walk_through_founding(const FoundingBounds& bounds, std::uint64_t seed);

}  // namespace verity::explorer
