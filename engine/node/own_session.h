// The sessions under which a node passes on what its clients ask without one. An append that has a number of one can be asked
// again when an answer is lost, of whoever leads by then, and is still carried out once.
//
//   client ─► node: take() ─► 17 of session S ─► leader … lost … next leader: 17 of S was done at position 1234
//
// Opened when they are first needed, anew with every start of the node: one, and more while requests of an earlier one that
// are not answered leave no room in it. Called by fibers of one loop.
#pragma once

#include "engine/node/request.h"
#include "io/fiber/sync.h"

#include <cstdint>
#include <functional>
#include <map>
#include <set>

namespace verity::node {

class OwnSession {
 public:
  using Open = std::function<Outcome<Id128>(io::Wait&)>;

  static constexpr std::size_t sessions_max = 16;

  // `requests_kept`: how many numbers up to its highest are remembered of a session.
  OwnSession(Open open, std::uint64_t requests_kept)
      : open_(std::move(open)), requests_kept_(requests_kept) {}

  // Suspends while so many are under way that the oldest of each session could be forgotten.
  Outcome<SessionRequest> take(io::Wait& wait);
  // Nobody asks any more what became of it.
  void give_back(const SessionRequest& request);
  // The cluster does not know it any more.
  void forget(const Id128& session);

 private:
  struct Numbers {
    std::uint64_t last = 0;
    std::set<std::uint64_t> under_way;
  };

  bool has_room(const Numbers& numbers) const {
    return numbers.under_way.empty() || numbers.last + 1 - *numbers.under_way.begin() < requests_kept_;
  }

  const Open open_;
  const std::uint64_t requests_kept_;
  std::map<Id128, Numbers> sessions_;
  io::Mutex opening_;
  io::Signal has_room_;
};

}  // namespace verity::node
