#include "engine/log/merkle_sidecar.h"

#include "engine/log/checksum.h"
#include "io/base/assert.h"
#include "io/directory.h"
#include "io/file.h"

#include <array>
#include <bit>
#include <cstring>
#include <utility>

namespace verity::log {
namespace {

constexpr unsigned level_min = 2;
constexpr ByteCount nodes_offset = 4096;
constexpr std::size_t rebuild_batch_nodes = 8192;

struct FileHeader {
  std::array<char, 8> magic{'V', 'R', 'T', 'Y', 'M', 'R', 'K', 'L'};
  std::uint32_t format = 1;
  std::uint32_t reserved = 0;
  Id128 cluster_id;
  std::array<std::uint64_t, 2> checksum{};  // of everything before it
};
static_assert(sizeof(FileHeader) == 48 && std::is_trivially_copyable_v<FileHeader>);

FileHeader header_of(Id128 cluster_id) {
  FileHeader header;
  header.cluster_id = cluster_id;
  header.checksum =
      checksum128(std::as_bytes(std::span(&header, 1)).first(sizeof(header) - sizeof(header.checksum)));
  return header;
}

// How many nodes of level 2 and above the first `size` leaves complete.
std::uint64_t nodes_within(std::uint64_t size) {
  std::uint64_t count = 0;
  for (auto rest = size >> level_min; rest > 0; rest >>= 1) count += rest;
  return count;
}

// The place of a node in the file's order: after everything completed before the last leaf under it, and after the lower
// nodes that this leaf completes.
std::uint64_t number_of(unsigned level, std::uint64_t index) {
  const auto leaves = (index + 1) << level;
  return nodes_within(leaves - 1) + (level - level_min);
}

ByteCount offset_of(std::uint64_t number) {
  return nodes_offset + number * sizeof(Sha256Digest);
}

}  // namespace

MerkleSidecar::MerkleSidecar(std::unique_ptr<io::File> file, std::string path, Id128 cluster_id,
                             const MerkleFrontier& tree, ReadChainHash read_chain_hash)
    : file_(std::move(file)),
      path_(std::move(path)),
      cluster_id_(cluster_id),
      read_chain_hash_(std::move(read_chain_hash)),
      tree_(tree),
      on_node_([this](unsigned level, std::uint64_t, const Sha256Digest& node) {
        if (level >= level_min) pending_.nodes.push_back(node);
      }) {
  pending_.first = nodes_within(tree_.size());
}

MerkleSidecar::~MerkleSidecar() = default;

// ---- the file

Result<std::unique_ptr<MerkleSidecar>> MerkleSidecar::open(io::Wait& wait, io::Directory& directory,
                                                           Id128 cluster_id, const MerkleFrontier& tree,
                                                           ReadChainHash read_chain_hash) {
  VERITY_TRY_ASSIGN(auto file, directory.open(wait, file_name, {.mode = io::OpenMode::create}));
  std::unique_ptr<MerkleSidecar> sidecar(new MerkleSidecar(std::move(file),
                                                           directory.path() + "/" + std::string(file_name),
                                                           cluster_id, tree, std::move(read_chain_hash)));
  // Whatever is wrong with it, it can be derived again; only proofs wait for that.
  const Result<bool> agrees = sidecar->file_agrees(wait);
  if (!agrees && agrees.error().code == ErrorCode::crashed) return std::unexpected(agrees.error());
  const Status begun = agrees && *agrees ? sidecar->file_->truncate(wait, offset_of(sidecar->pending_.first))
                                         : sidecar->begin_anew(wait);
  if (!begun && begun.error().code == ErrorCode::crashed) return std::unexpected(begun.error());
  if (!begun) sidecar->complete_ = false;
  return sidecar;
}

// Right cluster, long enough, and the same peaks as the tree. What is below the peaks shows when it is used.
Result<bool> MerkleSidecar::file_agrees(io::Wait& wait) {
  VERITY_TRY_ASSIGN(const auto size, file_->size(wait));
  if (size < offset_of(pending_.first)) return false;
  FileHeader header;
  VERITY_TRY_ASSIGN(const auto read, file_->read(wait, 0, std::as_writable_bytes(std::span(&header, 1))));
  const auto expected = header_of(cluster_id_);
  if (read < sizeof(header) || std::memcmp(&header, &expected, sizeof(header)) != 0) return false;
  std::uint64_t begin = 0;
  for (const auto& peak : tree_.peaks()) {
    const auto rest = tree_.size() - begin;
    const auto level = static_cast<unsigned>(std::bit_width(rest) - 1);
    if (level < level_min) break;
    VERITY_TRY_ASSIGN(const auto node, read_node(wait, level, begin >> level));
    if (node != peak) return false;
    begin += std::uint64_t{1} << level;
  }
  return true;
}

Status MerkleSidecar::begin_anew(io::Wait& wait) {
  VERITY_TRY(file_->truncate(wait, 0));
  complete_ = pending_.first == 0;
  return write_header(wait, complete_);
}

Status MerkleSidecar::write_header(io::Wait& wait, bool valid) {
  Bytes block(nodes_offset);
  if (valid) {
    const auto header = header_of(cluster_id_);
    std::memcpy(block.data(), &header, sizeof(header));
  }
  return file_->write(wait, 0, block, io::Durability::cached);
}

Status MerkleSidecar::write_batch(io::Wait& wait, const Batch& batch) {
  return file_->write(wait, offset_of(batch.first), std::as_bytes(std::span(batch.nodes)),
                      io::Durability::cached);
}

// ---- growing

Status MerkleSidecar::flush(io::Wait& wait) {
  VERITY_TRY_ASSIGN(const auto guard, flushing_.lock(wait));
  if (pending_.nodes.empty()) return {};
  // Readers find a node here until it is in the file.
  writing_ = std::exchange(pending_, {});
  pending_.first = writing_.first + writing_.nodes.size();
  const auto written = write_batch(wait, writing_);
  writing_ = {};
  if (!written) {
    complete_ = false;
    ++lost_batches_;
  }
  return written;
}

Status MerkleSidecar::sync(io::Wait& wait) {
  VERITY_TRY(flush(wait));
  return file_->sync(wait);
}

Status MerkleSidecar::rebuild(io::Wait& wait) {
  complete_ = false;
  const auto size = tree_.size();
  const auto root = tree_.root();
  const auto lost_before = lost_batches_;
  // Until all is written and durable the header says that it is not.
  VERITY_TRY(write_header(wait, false));
  VERITY_TRY(file_->sync(wait));
  MerkleFrontier tree;
  Batch batch;
  const MerkleFrontier::OnNode keep = [&](unsigned level, std::uint64_t, const Sha256Digest& node) {
    if (level >= level_min) batch.nodes.push_back(node);
  };
  auto write = [&]() -> Status {
    VERITY_TRY(write_batch(wait, batch));
    batch.first += batch.nodes.size();
    batch.nodes.clear();
    return {};
  };
  while (tree.size() < size) {
    VERITY_TRY_ASSIGN(const auto leaf, read_leaf(wait, tree.size()));
    tree.append(leaf, keep);
    if (batch.nodes.size() >= rebuild_batch_nodes) VERITY_TRY(write());
  }
  VERITY_TRY(write());
  if (tree.root() != root) {
    return fail(ErrorCode::corrupt, path_ + ": the log's first " + std::to_string(size) +
                                        " entries lead to root " + tree.root().describe() +
                                        ", the tree had " + root.describe());
  }
  VERITY_TRY(flush(wait));
  VERITY_TRY(file_->sync(wait));
  VERITY_TRY(write_header(wait, true));
  VERITY_TRY(file_->sync(wait));
  if (lost_batches_ == lost_before) complete_ = true;
  return {};
}

// ---- proofs

Result<Sha256Digest> MerkleSidecar::read_leaf(io::Wait& wait, std::uint64_t index) {
  VERITY_TRY_ASSIGN(const auto chain_hash, read_chain_hash_(wait, Position{index + 1}));
  return merkle_leaf(chain_hash);
}

Result<Sha256Digest> MerkleSidecar::read_node(io::Wait& wait, unsigned level, std::uint64_t index) {
  if (level == 0) return read_leaf(wait, index);
  if (level < level_min) {
    VERITY_TRY_ASSIGN(const auto left, read_leaf(wait, 2 * index));
    VERITY_TRY_ASSIGN(const auto right, read_leaf(wait, 2 * index + 1));
    return merkle_node(left, right);
  }
  const auto number = number_of(level, index);
  if (pending_.holds(number)) return pending_.at(number);
  if (writing_.holds(number)) return writing_.at(number);
  Sha256Digest node;
  VERITY_TRY_ASSIGN(const auto read,
                    file_->read(wait, offset_of(number), std::as_writable_bytes(std::span(&node, 1))));
  if (read < sizeof(node)) {
    return fail(ErrorCode::corrupt, path_ + " ends before node " + std::to_string(number));
  }
  return node;
}

// The tree as it was when somebody began to ask, and a source of its nodes.
class MerkleSidecar::Snapshot {
 public:
  Snapshot(MerkleSidecar& sidecar, io::Wait& wait)
      : sidecar_(sidecar),
        size_(sidecar.tree_.size()),
        root_(sidecar.tree_.root()),
        nodes_([&sidecar, &wait](unsigned level, std::uint64_t index) {
          return sidecar.read_node(wait, level, index);
        }) {}

  const MerkleNodeSource& nodes() const { return nodes_; }

  // The root of the first `size` entries, shown to belong to the tree of now.
  Result<Sha256Digest> root_of(std::uint64_t size) const {
    if (size == size_) return root_;
    VERITY_TRY_ASSIGN(const auto root, merkle_root(size, nodes_));
    VERITY_TRY_ASSIGN(const auto proof, log::prove_consistency(size, size_, nodes_));
    VERITY_TRY(sidecar_.believe(verify_consistency(root, root_, proof)));
    return root;
  }

 private:
  MerkleSidecar& sidecar_;
  const std::uint64_t size_;
  const Sha256Digest root_;
  const MerkleNodeSource nodes_;
};

Status MerkleSidecar::believe(const Status& verified) {
  if (verified) return {};
  complete_ = false;
  return fail(ErrorCode::corrupt, path_ + ": " + verified.error().message);
}

Status MerkleSidecar::check_complete() const {
  if (complete_) return {};
  return fail(ErrorCode::busy, path_ + " is being rebuilt from the log");
}

Result<Sha256Digest> MerkleSidecar::root(io::Wait& wait, std::uint64_t tree_size) {
  VERITY_ASSERT(tree_size <= tree_.size());
  // The root of now needs no nodes.
  if (tree_size == tree_.size()) return tree_.root();
  VERITY_TRY(check_complete());
  return Snapshot(*this, wait).root_of(tree_size);
}

Result<InclusionProof> MerkleSidecar::prove_inclusion(io::Wait& wait, Position position,
                                                      std::uint64_t tree_size) {
  VERITY_ASSERT(position.value > 0 && position.value <= tree_size && tree_size <= tree_.size());
  VERITY_TRY(check_complete());
  const Snapshot snapshot(*this, wait);
  VERITY_TRY_ASSIGN(auto proof, log::prove_inclusion(position.value - 1, tree_size, snapshot.nodes()));
  VERITY_TRY_ASSIGN(const auto leaf, read_leaf(wait, position.value - 1));
  VERITY_TRY_ASSIGN(const auto root, snapshot.root_of(tree_size));
  VERITY_TRY(believe(verify_inclusion(leaf, proof, root)));
  return proof;
}

Result<ConsistencyProof> MerkleSidecar::prove_consistency(io::Wait& wait, std::uint64_t old_size,
                                                          std::uint64_t new_size) {
  VERITY_ASSERT(old_size <= new_size && new_size <= tree_.size());
  VERITY_TRY(check_complete());
  const Snapshot snapshot(*this, wait);
  VERITY_TRY_ASSIGN(auto proof, log::prove_consistency(old_size, new_size, snapshot.nodes()));
  VERITY_TRY_ASSIGN(const auto old_root, snapshot.root_of(old_size));
  VERITY_TRY_ASSIGN(const auto new_root, snapshot.root_of(new_size));
  VERITY_TRY(believe(verify_consistency(old_root, new_root, proof)));
  return proof;
}

}  // namespace verity::log
