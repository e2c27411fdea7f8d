// The interior nodes of the tree over the log, in one file beside it, and the proofs made from them.
//
//   whoever derives ─► the tree's frontier (root)
//                         └──► on_node(): level 2 and above ─► pending ─► flush(): log/merkle.nodes ─► sync() before a
//   levels 0 and 1 ◄── chain hashes, read from the log when a proof needs them                       checkpoint
//
// The file is a convenience: it can be rebuilt from the log, it is synced only before checkpoints, and it is not
// believed. Every proof is verified against the root that the tree knows before it is handed out; one that does not
// hold makes the file incomplete, and rebuild() mends it. Bytes: docs/format/merkle.md.
//
// Any fiber of the loop may call; on_node() never suspends.
#pragma once

#include "engine/crypto/sha256.h"
#include "engine/log/merkle.h"
#include "io/base/bytes.h"
#include "io/base/ids.h"
#include "io/base/result.h"
#include "io/base/units.h"
#include "io/fiber/sync.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace verity::io {
class Directory;
class File;
class Wait;
}  // namespace verity::io

namespace verity::log {

class MerkleSidecar {
 public:
  static constexpr std::string_view file_name = "merkle.nodes";

  // The chain hash of the entry at a position that is in the tree.
  using ReadChainHash = std::function<Result<Sha256Digest>(io::Wait&, Position)>;

  // `directory` is log/. `tree` outlives the sidecar; it is as of the position from which the caller goes on (a
  // checkpoint's, or empty), and from here on grows with on_node() alone. What the file holds beyond it is cut; a file
  // that is missing, unreadable, another cluster's, too short or that contradicts the tree is begun anew: is_complete()
  // tells. Fails only if it cannot be opened.
  static Result<std::unique_ptr<MerkleSidecar>> open(io::Wait& wait, io::Directory& directory,
                                                     Id128 cluster_id, const MerkleFrontier& tree,
                                                     ReadChainHash read_chain_hash);
  ~MerkleSidecar();

  // For every MerkleFrontier::append() to the tree.
  const MerkleFrontier::OnNode& on_node() const { return on_node_; }

  // Nodes not yet written. Whoever appends flushes when there are many.
  ByteCount pending_bytes() const {
    return (pending_.nodes.size() + writing_.nodes.size()) * sizeof(Sha256Digest);
  }
  // After an error the nodes are given up, so that memory stays bounded, and is_complete() is false.
  Status flush(io::Wait& wait);
  // Flushes and makes everything durable; before a checkpoint of the tree as it is, or less.
  Status sync(io::Wait& wait);

  // Whether the nodes of every entry are at hand. If not, proofs answer busy until rebuild() was called and came through.
  bool is_complete() const { return complete_; }
  // Reads the chain hash of every entry and writes all nodes anew; beside appends and flushes. One at a time.
  Status rebuild(io::Wait& wait);

  // Of entries 1..tree_size; positions and sizes are at most the tree's (asserted). busy: see is_complete().
  // corrupt: the nodes at hand do not lead to the root; is_complete() is now false.
  Result<Sha256Digest> root(io::Wait& wait, std::uint64_t tree_size);
  Result<InclusionProof> prove_inclusion(io::Wait& wait, Position position, std::uint64_t tree_size);
  Result<ConsistencyProof> prove_consistency(io::Wait& wait, std::uint64_t old_size, std::uint64_t new_size);

 private:
  // Nodes in the order of the file.
  struct Batch {
    std::uint64_t first = 0;  // number of the first
    std::vector<Sha256Digest> nodes;

    bool holds(std::uint64_t number) const { return number >= first && number < first + nodes.size(); }
    const Sha256Digest& at(std::uint64_t number) const { return nodes[number - first]; }
  };
  class Snapshot;

  MerkleSidecar(std::unique_ptr<io::File> file, std::string path, Id128 cluster_id,
                const MerkleFrontier& tree, ReadChainHash read_chain_hash);
  Result<bool> file_agrees(io::Wait& wait);
  Status begin_anew(io::Wait& wait);
  Status write_header(io::Wait& wait, bool valid);
  Status write_batch(io::Wait& wait, const Batch& batch);
  Result<Sha256Digest> read_node(io::Wait& wait, unsigned level, std::uint64_t index);
  Result<Sha256Digest> read_leaf(io::Wait& wait, std::uint64_t index);
  Status check_complete() const;
  // Passes on what a verification said; a proof that does not hold makes the file incomplete.
  Status believe(const Status& verified);

  std::unique_ptr<io::File> file_;
  const std::string path_;
  const Id128 cluster_id_;
  const ReadChainHash read_chain_hash_;
  const MerkleFrontier& tree_;
  const MerkleFrontier::OnNode on_node_;
  Batch pending_;  // appended, not yet given to the file
  Batch writing_;  // the flush in flight
  io::Mutex flushing_;
  bool complete_ = true;
  std::uint64_t lost_batches_ = 0;  // whose write failed
};

}  // namespace verity::log
