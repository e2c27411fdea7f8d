// The Merkle tree over the entries of the log: RFC 9162, section 2.1. Pure; the nodes a proof needs come through a
// function. Which nodes are kept where: engine/log/merkle_sidecar.h. Bytes: docs/format/merkle.md.
//
//            root of 7
//           /         \                 leaf i is the entry at position i + 1
//         (2,0)        x                (level, index) covers leaves index·2^level .. (index+1)·2^level
//        /     \      / \               x covers 3 leaves: not a perfect subtree, computed when asked for
//     (1,0)  (1,1) (1,2) 6
//      / \    / \   / \                 peaks of size 7: (2,0) (1,2) (0,6)
//     0   1  2   3 4   5
#pragma once

#include "engine/crypto/sha256.h"
#include "engine/log/field_reader.h"
#include "io/base/bytes.h"
#include "io/base/result.h"

#include <cstdint>
#include <functional>
#include <vector>

namespace verity::log {

// SHA-256(0x00 ‖ chain hash).
Sha256Digest merkle_leaf(const Sha256Digest& chain_hash);
// SHA-256(0x01 ‖ left ‖ right).
Sha256Digest merkle_node(const Sha256Digest& left, const Sha256Digest& right);
// The root of the tree without leaves: SHA-256 of nothing.
Sha256Digest merkle_empty_root();

// What is needed to append leaves and to know the root: the roots of the perfect subtrees, largest first.
class MerkleFrontier {
 public:
  // Told every node that becomes complete, leaves included, lower levels first.
  using OnNode = std::function<void(unsigned level, std::uint64_t index, const Sha256Digest& node)>;

  std::uint64_t size() const { return size_; }
  const std::vector<Sha256Digest>& peaks() const { return peaks_; }

  void append(const Sha256Digest& leaf) { append(leaf, {}); }
  void append(const Sha256Digest& leaf, const OnNode& on_node);
  Sha256Digest root() const;

  void encode(Bytes& out) const;
  // Fails in `reader` unless there are as many peaks as the size demands.
  static MerkleFrontier decode(FieldReader& reader);

  bool operator==(const MerkleFrontier&) const = default;

 private:
  // Invariant: one peak for each one in size_'s binary form.
  std::uint64_t size_ = 0;
  std::vector<Sha256Digest> peaks_;
};

// The root of a perfect subtree. Asked only for subtrees whose leaves are all within the tree in question. May suspend.
using MerkleNodeSource = std::function<Result<Sha256Digest>(unsigned level, std::uint64_t index)>;

// The root of the tree over the first `size` leaves.
Result<Sha256Digest> merkle_root(std::uint64_t size, const MerkleNodeSource& nodes);

struct InclusionProof {
  std::uint64_t leaf_index = 0;
  std::uint64_t tree_size = 0;
  std::vector<Sha256Digest> path;  // from the leaf upwards

  bool operator==(const InclusionProof&) const = default;
};

struct ConsistencyProof {
  std::uint64_t old_size = 0;
  std::uint64_t new_size = 0;
  std::vector<Sha256Digest> path;

  bool operator==(const ConsistencyProof&) const = default;
};

// Requires leaf_index < tree_size.
Result<InclusionProof> prove_inclusion(std::uint64_t leaf_index, std::uint64_t tree_size,
                                       const MerkleNodeSource& nodes);
// Requires old_size <= new_size. The path is empty if the sizes are equal or old_size is 0.
Result<ConsistencyProof> prove_consistency(std::uint64_t old_size, std::uint64_t new_size,
                                           const MerkleNodeSource& nodes);

// Fine, or corrupt with a sentence that says which step does not hold. Everything in a proof may be forged.
Status verify_inclusion(const Sha256Digest& leaf, const InclusionProof& proof, const Sha256Digest& root);
Status verify_consistency(const Sha256Digest& old_root, const Sha256Digest& new_root,
                          const ConsistencyProof& proof);

}  // namespace verity::log
