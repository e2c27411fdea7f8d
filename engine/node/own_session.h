// The session under which a node passes on what its clients ask without one. An append that has a number of it can be asked
// again when an answer is lost, of whoever leads by then, and is still carried out once.
//
//   client ─► node: take() ─► 17 of session S ─► leader … lost … next leader: 17 of S was done at position 1234
//
// Opened when it is first needed, anew with every start of the node. Called by fibers of one loop.
#pragma once

#include "engine/node/request.h"
#include "io/fiber/sync.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <set>

namespace verity::node {

class OwnSession {
 public:
  using Open = std::function<Outcome<Id128>(io::Wait&)>;

  // `requests_kept`: how many numbers up to its highest are remembered of a session.
  OwnSession(Open open, std::uint64_t requests_kept)
      : open_(std::move(open)), requests_kept_(requests_kept) {}

  // Suspends while so many are under way that the oldest could be forgotten.
  Outcome<SessionRequest> take(io::Wait& wait);
  // Nobody asks any more what became of it.
  void give_back(const SessionRequest& request);
  // The cluster does not know it any more: the next one to take a number opens another.
  void forget(const Id128& session);

 private:
  const Open open_;
  const std::uint64_t requests_kept_;
  std::optional<Id128> session_;
  std::uint64_t last_number_ = 0;
  std::set<std::uint64_t> under_way_;  // numbers of this session
  io::Mutex opening_;
  io::Signal given_back_;
};

}  // namespace verity::node
