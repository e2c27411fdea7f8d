// Finds the log again at start: completes an interrupted segment switch, checks every segment header and everything
// after the last checkpoint, decides what to do with the end (recovery_table.h), and makes the place ready for new
// flushes. docs/format/log.md has the tables.
//
// Time does not grow with the log: one block per sealed segment, and the segments from the checkpoint on.
#pragma once

#include "engine/log/damage.h"
#include "engine/log/entry.h"
#include "engine/log/segment_table.h"
#include "io/base/result.h"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace verity::io {
class Directory;
class File;
class Wait;
}  // namespace verity::io

namespace verity::log {

struct RecoveryInput {
  Id128 cluster_id;
  // The last checkpoint: everything up to here is derived already. 0: none.
  Position checkpoint;
  Sha256Digest checkpoint_hash;
  Timestamp checkpoint_timestamp;
  // Entries up to here are known to have been durable (node state, checkpoint).
  Position known_durable;
  ByteCount derive_bytes_max = 128 * MiB;
  // The last process stopped in order, with no write in flight.
  bool clean_stop = false;
  // Nothing is written: a damaged end is cut in memory only and reported.
  bool read_only = false;
  // In a cluster: entries from this position on may be lost although they were acknowledged. Called before anything is
  // changed; durable when it returns. With it a damaged end is cut off, and damage of what is committed is left to be
  // repaired (Recovered::damage); without it the start is refused.
  std::function<Status(Position)> mark_lost;
  // In a cluster: what is not known to be committed is dropped, durably, because nobody knows any more what this node said of
  // it.
  bool only_committed = false;
  // The view whose log this is: entries of that view have not been replaced since.
  View log_view;
  ByteCount segment_bytes = 64 * MiB;  // of a current segment that has to be made anew
  // Every verified entry after the checkpoint that is known to be committed, in order. Not called when there is no
  // checkpoint and the sealed segments have more than `derive_bytes_max`: then the caller derives everything in the
  // background (replay.h).
  std::function<Status(const EntryPtr&)> apply;
};

struct Recovered {
  SegmentTable table;
  std::unique_ptr<io::File> current;  // open for writing, direct; null when read-only
  std::uint64_t next_flush = 0;
  Position last;      // last entry; 0 if there is none
  Sha256Digest head;  // its chain hash; zeros if there is none
  Timestamp last_timestamp;
  // Every entry up to here is known to be committed: a flush, a sealed segment or the checkpoint says so.
  Position committed;
  Sha256Digest committed_head;
  Timestamp committed_timestamp;
  // committed + 1 ..= last: durable here; whether they are committed only the cluster can tell. A cluster of one commits
  // them by finding them.
  std::vector<EntryPtr> tail;
  Position applied;                // up to here `apply` was called (or the checkpoint)
  bool marked = true;              // the last flush is covered by a durable mark
  bool sealed = false;             // the current segment takes no more: the switch is still to be completed
  std::vector<Damage> damage;      // not empty: the log may only be read, or in a cluster is to be repaired
  std::vector<std::string> notes;  // what was dropped, completed or repaired; for the operator
};

// corrupt: damage that may concern acknowledged entries, or files that are missing; the message says where and what to
// do. With read_only the same is reported in Recovered::damage where anything can be served.
Result<Recovered> recover(io::Wait& wait, io::Directory& directory, const RecoveryInput& input);

// Makes an empty log: current.segment with its header, zero-filled, durable.
Status create_first_segment(io::Wait& wait, io::Directory& directory, const Id128& cluster_id,
                            ByteCount size);

}  // namespace verity::log
