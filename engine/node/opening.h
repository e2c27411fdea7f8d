// Takes possession of a data directory: lock, layout, durable state, checkpoint, log. What comes out is everything a node
// runs on; nothing runs yet.
#pragma once

#include "engine/log/merkle_sidecar.h"
#include "engine/log/recovery.h"
#include "engine/node/derived.h"
#include "engine/node/options.h"
#include "engine/node/state_file.h"
#include "io/base/result.h"

#include <memory>
#include <string>
#include <vector>

namespace verity::io {
class Directory;
class DirectoryLock;
class Wait;
struct World;
}  // namespace verity::io

namespace verity::node {

class PeerTransport;

struct Opened {
  std::unique_ptr<io::DirectoryLock> lock;
  std::unique_ptr<io::Directory> meta;
  std::unique_ptr<io::Directory> log_directory;
  std::unique_ptr<io::Directory> index_directory;
  // On the heap: links ask it who this node is, wherever this struct moves.
  std::unique_ptr<DurableState> state = std::make_unique<DurableState>();
  bool clean_stop = false;  // of the last process
  std::unique_ptr<Derived> derived;
  // Follows derived->tree; null when read-only. Asks `read_chain_hash` for what it does not keep, once that is set.
  std::unique_ptr<log::MerkleSidecar> tree_nodes;
  std::shared_ptr<log::MerkleSidecar::ReadChainHash> read_chain_hash;
  log::Recovered recovered;         // for Log, which takes it
  Position committed;               // known to be, at start
  Sha256Digest committed_hash;      // of it; zeros at 0
  std::vector<log::EntryPtr> tail;  // of the log: durable, and maybe not committed
  bool is_alone = false;            // the one member of its cluster
  bool in_network = false;          // the transport has been started
  std::vector<log::Damage> damage;  // found at start; not empty: nothing may be written
  std::vector<std::string> notes;   // for the operator
};

// Lets derived state and tree take in the next entry. May suspend to write tree nodes.
Status derive(io::Wait& wait, const log::Entry& entry, Derived& derived, log::MerkleSidecar* tree_nodes);

// Errors as Node::start() promises.
// `transport` is started as soon as it is known who the node is; null: a cluster of one. May take as long as founding a
// cluster takes.
Result<Opened> open_data_directory(io::Wait& wait, const io::World& world, io::Directory& data,
                                   const NodeOptions& options, PeerTransport* transport);

}  // namespace verity::node
