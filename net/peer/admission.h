// Who may talk to us: pure functions of what both sides say and who is connected already.
#pragma once

#include "net/peer/hello.h"

#include <optional>
#include <span>

namespace verity::peer {

// Nothing if we accept `theirs`. `connected` are the processes we have connections with now. The sentence names
// both sides, so that it reads the same in the log of either; `by` is our node id.
std::optional<Refusal> judge(const Hello& ours, const Hello& theirs, std::span<const PeerIdentity> connected);

// Nothing, or that `remembered`, a later process on their data directory, was here before.
std::optional<Refusal> judge_boot(const Hello& theirs, const PeerIdentity& remembered, NodeId by);

// Which of two connections of one lane between the same two processes stays: the one that the node with the lower
// id dialled; of two dialled by the same node the later, because whoever dials again has lost the earlier one.
constexpr bool replaces(bool candidate_dialled_by_lower, bool current_dialled_by_lower) {
  return candidate_dialled_by_lower || !current_dialled_by_lower;
}

}  // namespace verity::peer
