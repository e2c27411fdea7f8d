#include "tools/admin/proof_nodes.h"

namespace verity::tools {

ProofNodes::ProofNodes(std::vector<Position> positions) : positions_(std::move(positions)) {}

void ProofNodes::append(const Sha256Digest& chain_hash) {
  tree_.append(log::merkle_leaf(chain_hash), [this](unsigned level, std::uint64_t index,
                                                    const Sha256Digest& node) { take(level, index, node); });
}

void ProofNodes::take(unsigned level, std::uint64_t index, const Sha256Digest& node) {
  if (recent_.size() <= level) recent_.resize(level + 1);
  recent_[level][index % 2] = {index, node};
  for (const Position position : positions_) {
    const std::uint64_t way_up = (position.value - 1) >> level;
    if (index == way_up || index == (way_up ^ 1)) nodes_.emplace(std::pair(level, index), node);
  }
}

void ProofNodes::mark_head() {
  for (unsigned level = 0; level < recent_.size(); ++level) {
    for (const Completed& completed : recent_[level]) {
      if (completed.index != UINT64_MAX) nodes_.emplace(std::pair(level, completed.index), completed.node);
    }
  }
}

log::MerkleNodeSource ProofNodes::source() const {
  return [this](unsigned level, std::uint64_t index) -> Result<Sha256Digest> {
    const auto found = nodes_.find({level, index});
    if (found != nodes_.end()) return found->second;
    return fail(ErrorCode::not_found, "node " + std::to_string(index) + " of level " + std::to_string(level) +
                                          " of the tree was not picked up");
  };
}

}  // namespace verity::tools
