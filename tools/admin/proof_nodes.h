// The nodes of the Merkle tree that a few proofs need, picked up in one pass over the log: as many as the tree has
// levels, whatever its size.
//
//   leaf of interest ─► on its way up: the node itself and its sibling, at every level, when they become complete
//   a head           ─► the peaks of the tree of that size, and what its last leaf needs
#pragma once

#include "engine/log/merkle.h"
#include "io/base/ids.h"

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <utility>
#include <vector>

namespace verity::tools {

class ProofNodes {
 public:
  // Entries whose own path will be asked for: the one to prove, and the last one of each head that is known already.
  explicit ProofNodes(std::vector<Position> positions);

  // Entries in order, from position 1.
  void append(const Sha256Digest& chain_hash);
  // Now the tree ends with a head: proofs within and up to this size can be made from here on.
  void mark_head();

  const log::MerkleFrontier& tree() const { return tree_; }
  // For prove_inclusion and prove_consistency between marked heads and positions of interest.
  log::MerkleNodeSource source() const;

 private:
  void take(unsigned level, std::uint64_t index, const Sha256Digest& node);

  const std::vector<Position> positions_;
  log::MerkleFrontier tree_;
  std::map<std::pair<unsigned, std::uint64_t>, Sha256Digest> nodes_;
  // At each level the two nodes completed last: the last leaf's way up and its siblings are among them.
  struct Completed {
    std::uint64_t index = UINT64_MAX;  // none yet
    Sha256Digest node;
  };
  std::vector<std::array<Completed, 2>> recent_;
};

}  // namespace verity::tools
