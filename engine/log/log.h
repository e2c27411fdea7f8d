// The log of one node: takes entries in order, makes them durable in groups, finds them again.
//
//   propose ─► queue ─► flush (one in flight) ─► durable ─► on_durable
//                         whatever arrives meanwhile forms the next flush
//
// Durable is what this node has; committed is what the cluster will keep, and somebody else tells (set_committed). Only
// what is committed is ever sealed.
//
// All calls come from fibers of one loop. After an I/O error of the writer nothing more is taken: what is on disk is then
// known only to recovery, and the node stops.
#pragma once

#include "engine/log/entry.h"
#include "engine/log/flush.h"
#include "engine/log/reader.h"
#include "engine/log/recovery.h"
#include "engine/log/spare.h"
#include "io/base/aligned_buffer.h"
#include "io/base/result.h"
#include "io/fiber/sync.h"

#include <algorithm>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

namespace verity::io {
struct World;
}

namespace verity::log {

struct LogOptions {
  Id128 cluster_id;
  Id128 epoch;
  ByteCount segment_bytes = 64 * MiB;
  ByteCount flush_bytes_max = 1 * MiB;  // a single entry may be larger
  Duration mark_delay = 5ms;
  // A full segment waits so long for its last entry to be committed; then it is made longer.
  Duration seal_patience = 100ms;
  ByteCount read_cache_bytes = 32 * MiB;
  bool read_only = false;
};

// What has become durable: one flush, or a replacement that needed none (0 bytes).
struct FlushReport {
  ByteCount bytes = 0;
  Duration duration{};
  // This replacement (Log::generation()) and all before it are in the file.
  std::uint64_t generation = 0;
};

// The largest body that fits into a segment of this size.
ByteCount body_bytes_max(ByteCount segment_bytes);

class Log {
 public:
  // `recovered` is what recover() found in `directory` (log/).
  Log(const io::World& world, io::Directory& directory, LogOptions options, Recovered recovered);
  ~Log();

  // Entries that have just become durable, in order; those that a replacement dropped meanwhile are left out, and after a
  // replacement there may be none. Called on the writer's fiber; does not suspend.
  std::function<void(const std::vector<EntryPtr>&, const FlushReport&)> on_durable;
  // Once, when the writer gives up.
  std::function<void(const Error&)> on_failure;
  LogReader& reader() { return reader_; }

  // Spawns the writer; not for read-only logs. Set the callbacks first.
  void start();
  // Makes everything proposed durable, writes the last mark, ends all fibers. Also after a failure. What does not fit into
  // a segment that cannot be sealed, because its last entry is not committed, is given up.
  void stop(io::Wait& wait);

  // Gives the entry its place: position, parent, a timestamp not before the last one (the caller's, or without one what the
  // clock shows), cluster and epoch. Kind, tenant, view and the rest are the caller's. Requires has_room(body) and is_writable().
  EntryPtr propose(EntryHeader header, ByteView body);

  bool is_writable() const { return writing_ && !failure_; }
  const std::optional<Error>& failure() const { return failure_; }
  // False: there is no segment after the current one, which might not hold this.
  bool has_room(ByteCount body_bytes) const;
  // Why none could be prepared: no space on the disk, or a disk that fails.
  const std::optional<Error>& space_problem() const { return spare_.problem(); }
  ByteCount body_bytes_max() const { return log::body_bytes_max(options_.segment_bytes); }

  // Takes an entry that was made elsewhere. It must continue this log: position, chain, time, cluster; else nothing is
  // taken and the error names what does not fit. busy: the writer gave up.
  Status append(EntryPtr entry);

  // Drops the entries from `first` on, which is not committed, and takes `entries` (maybe none) in their place. Errors as
  // append(). Where any of the old ones are in the file the two happen at once, in one flush, after everything that was
  // taken before: a crash leaves the whole old suffix or the whole new one. Where none are, the new ones come like any
  // others, and a crash leaves a prefix of them. What is before `first` is never touched. Readers see the new ones
  // immediately; they are durable when on_durable reports this generation() and the entries.
  Status replace_from(Position first, const std::vector<EntryPtr>& entries);
  // Replacements so far.
  std::uint64_t generation() const { return generation_; }

  // Every entry up to here is committed; at most last_proposed(). Earlier positions than before change nothing. Goes into
  // the file with the next flush, or with a mark when all is quiet; lets a full segment be sealed.
  void set_committed(Position position);

  // Ends the current segment as soon as that is possible and there is something in it: a sealed one can be repaired.
  void seal_soon();
  // A sealed segment has been written anew (segment_repair.h).
  void segment_repaired(const SegmentHeader& header, ByteCount end_offset);

  Position last_proposed() const { return last_; }
  const Sha256Digest& proposed_head() const { return links_.back().hash; }
  Position durable() const { return durable_; }
  Position committed() const { return committed_; }
  Timestamp last_timestamp() const { return links_.back().timestamp; }
  std::size_t queued_entries() const { return queue_.size(); }
  ByteCount queued_bytes() const { return queued_bytes_; }
  const SegmentTable& table() const { return table_; }

 private:
  void run(io::Wait& wait);
  // What the next entry must continue.
  struct Link {
    Sha256Digest hash;
    Timestamp timestamp;
  };
  // A replacement that is not in the file yet. Its entries are at the front of the queue.
  struct Cut {
    Position first;
    Position through;  // up to here they go with it, in one flush
    Sha256Digest parent;
  };

  Status check_continues(const Entry& entry, Position position, const Link& before) const;
  void take(const EntryPtr& entry);
  void drop_from(Position first);
  void count_queued(const Entry& entry, bool added);
  // One step of the writer; false: there is nothing to do before something happens, or `next_look`.
  Result<bool> step(io::Wait& wait, Instant& next_look);
  // Of the next flush, at least.
  ByteCount needed() const;
  Status grow(io::Wait& wait, std::string_view why);
  // For one flush, at least, in the next segment.
  ByteCount new_segment_room() const {
    return options_.segment_bytes - segment_header_bytes - table_.current().header.block_bytes;  // the seal
  }
  enum class Early : std::uint8_t { no, wait, seal };
  // What seal_soon() makes of now.
  Early seal_early(Instant now, Instant& next_look);
  Status flush_queue(io::Wait& wait);
  Status write_mark(io::Wait& wait);
  Status seal(io::Wait& wait);
  Status switch_segment(io::Wait& wait);
  ByteCount room() const;
  bool owes_mark() const { return !marked_ || noted_committed_ < std::min(committed_, durable_); }
  FlushPlace place() const;
  void fail_with(const Error& error);

  const io::World& world_;
  io::Directory& directory_;
  const LogOptions options_;
  SegmentTable table_;
  LogReader reader_;
  SpareSegment spare_;

  std::unique_ptr<io::File> file_;
  std::uint64_t next_flush_;
  bool marked_;
  bool sealed_;  // the current segment takes no more; its successor is made when there is something to write
  Instant quiet_since_;

  // Invariant: durable_ + queue and flush in flight == last_.
  Position last_;
  std::deque<Link> links_;  // of committed_ ..= last_
  Position durable_;
  Sha256Digest durable_head_;
  Position committed_;
  Position noted_committed_;  // so says the file
  Position written_end_;      // behind what is in the file or on its way there, dead or alive
  std::optional<Cut> cut_;
  std::uint64_t generation_ = 0;
  std::uint64_t generation_reported_ = 0;
  std::optional<Instant> grow_at_;  // the next flush does not fit, and nothing can be sealed
  std::deque<EntryPtr> queue_;
  ByteCount queued_bytes_ = 0;
  ByteCount queued_flush_bytes_ = 0;  // if every queued entry had a flush of its own

  bool seal_soon_ = false;
  std::optional<Instant> hold_until_;  // nothing is written, so that all that is durable gets committed

  bool writing_ = false;
  bool stopping_ = false;
  std::optional<Error> failure_;
  io::Signal work_;
  io::WaitGroup running_;
  AlignedBuffer buffer_;
};

}  // namespace verity::log
