#include "engine/log/merkle.h"

#include "engine/log/varint.h"
#include "io/base/assert.h"

#include <array>
#include <bit>
#include <span>

namespace verity::log {
namespace {

constexpr std::array<std::byte, 1> leaf_prefix{std::byte{0}};
constexpr std::array<std::byte, 1> node_prefix{std::byte{1}};

// The largest power of two below `count`, which is 2 or more.
std::uint64_t split_of(std::uint64_t count) {
  return std::bit_floor(count - 1);
}

// The root over the leaves [begin, end); begin is a multiple of the smallest power of two that is not below their number.
Result<Sha256Digest> range_root(std::uint64_t begin, std::uint64_t end, const MerkleNodeSource& nodes) {
  const auto count = end - begin;
  if (std::has_single_bit(count)) {
    const auto level = static_cast<unsigned>(std::countr_zero(count));
    return nodes(level, begin >> level);
  }
  const auto middle = begin + split_of(count);
  VERITY_TRY_ASSIGN(const auto left, range_root(begin, middle, nodes));
  VERITY_TRY_ASSIGN(const auto right, range_root(middle, end, nodes));
  return merkle_node(left, right);
}

Status add_range(std::vector<Sha256Digest>& path, std::uint64_t begin, std::uint64_t end,
                 const MerkleNodeSource& nodes) {
  VERITY_TRY_ASSIGN(path.emplace_back(), range_root(begin, end, nodes));
  return {};
}

// PATH of RFC 9162, 2.1.3.1.
Status add_path(std::vector<Sha256Digest>& path, std::uint64_t leaf, std::uint64_t begin, std::uint64_t end,
                const MerkleNodeSource& nodes) {
  if (end - begin == 1) return {};
  const auto middle = begin + split_of(end - begin);
  if (leaf < middle) {
    VERITY_TRY(add_path(path, leaf, begin, middle, nodes));
    return add_range(path, middle, end, nodes);
  }
  VERITY_TRY(add_path(path, leaf, middle, end, nodes));
  return add_range(path, begin, middle, nodes);
}

// SUBPROOF of RFC 9162, 2.1.4.1; `whole` is its b: the old tree's root is known to the verifier.
Status add_subproof(std::vector<Sha256Digest>& path, std::uint64_t old_end, std::uint64_t begin,
                    std::uint64_t end, bool whole, const MerkleNodeSource& nodes) {
  if (old_end == end) return whole ? Status() : add_range(path, begin, end, nodes);
  const auto middle = begin + split_of(end - begin);
  if (old_end <= middle) {
    VERITY_TRY(add_subproof(path, old_end, begin, middle, whole, nodes));
    return add_range(path, middle, end, nodes);
  }
  VERITY_TRY(add_subproof(path, old_end, middle, end, false, nodes));
  return add_range(path, begin, middle, nodes);
}

std::unexpected<Error> forged(std::string sentence) {
  return fail(ErrorCode::corrupt, std::move(sentence));
}

}  // namespace

Sha256Digest merkle_leaf(const Sha256Digest& chain_hash) {
  return sha256({leaf_prefix, chain_hash.view()});
}

Sha256Digest merkle_node(const Sha256Digest& left, const Sha256Digest& right) {
  return sha256({node_prefix, left.view(), right.view()});
}

Sha256Digest merkle_empty_root() {
  return sha256({});
}

void MerkleFrontier::append(const Sha256Digest& leaf, const OnNode& on_node) {
  auto node = leaf;
  unsigned level = 0;
  if (on_node) on_node(0, size_, node);
  for (auto rest = size_; (rest & 1) != 0; rest >>= 1) {
    node = merkle_node(peaks_.back(), node);
    peaks_.pop_back();
    ++level;
    if (on_node) on_node(level, size_ >> level, node);
  }
  peaks_.push_back(node);
  ++size_;
}

Sha256Digest MerkleFrontier::root() const {
  if (peaks_.empty()) return merkle_empty_root();
  auto root = peaks_.back();
  for (auto i = peaks_.size() - 1; i > 0; --i) root = merkle_node(peaks_[i - 1], root);
  return root;
}

void MerkleFrontier::encode(Bytes& out) const {
  put_varint(out, size_);
  for (const auto& peak : peaks_) put(out, peak.bytes);
}

MerkleFrontier MerkleFrontier::decode(FieldReader& reader) {
  MerkleFrontier frontier;
  const auto size = reader.number("tree size");
  for (int i = 0; i < std::popcount(size); ++i) frontier.peaks_.push_back(reader.value<Sha256Digest>("peak"));
  if (!reader.ok()) return {};
  frontier.size_ = size;
  return frontier;
}

Result<Sha256Digest> merkle_root(std::uint64_t size, const MerkleNodeSource& nodes) {
  if (size == 0) return merkle_empty_root();
  return range_root(0, size, nodes);
}

Result<InclusionProof> prove_inclusion(std::uint64_t leaf_index, std::uint64_t tree_size,
                                       const MerkleNodeSource& nodes) {
  VERITY_ASSERT(leaf_index < tree_size);
  InclusionProof proof{.leaf_index = leaf_index, .tree_size = tree_size, .path = {}};
  VERITY_TRY(add_path(proof.path, leaf_index, 0, tree_size, nodes));
  return proof;
}

Result<ConsistencyProof> prove_consistency(std::uint64_t old_size, std::uint64_t new_size,
                                           const MerkleNodeSource& nodes) {
  VERITY_ASSERT(old_size <= new_size);
  ConsistencyProof proof{.old_size = old_size, .new_size = new_size, .path = {}};
  if (old_size > 0) VERITY_TRY(add_subproof(proof.path, old_size, 0, new_size, true, nodes));
  return proof;
}

// RFC 9162, 2.1.3.2; `at` and `last` are its fn and sn.
Status verify_inclusion(const Sha256Digest& leaf, const InclusionProof& proof, const Sha256Digest& root) {
  if (proof.leaf_index >= proof.tree_size) {
    return forged("leaf " + std::to_string(proof.leaf_index) + " is not in a tree of " +
                  std::to_string(proof.tree_size));
  }
  auto at = proof.leaf_index;
  auto last = proof.tree_size - 1;
  auto hash = leaf;
  for (const auto& step : proof.path) {
    if (last == 0) return forged("the path goes on above the root");
    if ((at & 1) != 0 || at == last) {
      hash = merkle_node(step, hash);
      while ((at & 1) == 0 && at != 0) {
        at >>= 1;
        last >>= 1;
      }
    } else {
      hash = merkle_node(hash, step);
    }
    at >>= 1;
    last >>= 1;
  }
  if (last != 0) return forged("the path ends below the root");
  if (hash != root)
    return forged("the path leads to root " + hash.describe() + ", not to " + root.describe());
  return {};
}

// RFC 9162, 2.1.4.2; `at` and `last` are its fn and sn.
Status verify_consistency(const Sha256Digest& old_root, const Sha256Digest& new_root,
                          const ConsistencyProof& proof) {
  if (proof.old_size > proof.new_size) {
    return forged("a tree of " + std::to_string(proof.old_size) + " cannot have grown into one of " +
                  std::to_string(proof.new_size));
  }
  if (proof.old_size == 0 || proof.old_size == proof.new_size) {
    if (!proof.path.empty()) return forged("there is a path where nothing is to be shown");
    if (proof.old_size == 0 && old_root != merkle_empty_root())
      return forged("the old root is not the empty tree's");
    if (proof.old_size == proof.new_size && old_root != new_root)
      return forged("equal sizes have different roots");
    return {};
  }
  std::span<const Sha256Digest> steps = proof.path;
  // The old tree is a perfect subtree of the new: its root is the first step, and is not repeated in the path.
  Sha256Digest first = old_root;
  if (!std::has_single_bit(proof.old_size)) {
    if (steps.empty()) return forged("the path is empty");
    first = steps.front();
    steps = steps.subspan(1);
  }
  auto at = proof.old_size - 1;
  auto last = proof.new_size - 1;
  while ((at & 1) != 0) {
    at >>= 1;
    last >>= 1;
  }
  auto old_hash = first;
  auto new_hash = first;
  for (const auto& step : steps) {
    if (last == 0) return forged("the path goes on above the root");
    if ((at & 1) != 0 || at == last) {
      old_hash = merkle_node(step, old_hash);
      new_hash = merkle_node(step, new_hash);
      while ((at & 1) == 0 && at != 0) {
        at >>= 1;
        last >>= 1;
      }
    } else {
      new_hash = merkle_node(new_hash, step);
    }
    at >>= 1;
    last >>= 1;
  }
  if (last != 0) return forged("the path ends below the root");
  if (old_hash != old_root) {
    return forged("the path leads to old root " + old_hash.describe() + ", not to " + old_root.describe());
  }
  if (new_hash != new_root) {
    return forged("the path leads to new root " + new_hash.describe() + ", not to " + new_root.describe());
  }
  return {};
}

}  // namespace verity::log
