// Finds entries by position: the newest from memory, all others from their segment, verified on every read.
//
// Any fiber of the loop may call; nothing here blocks the writer.
#pragma once

#include "engine/log/damage.h"
#include "engine/log/entry.h"
#include "engine/log/segment_table.h"
#include "io/base/result.h"

#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <vector>

namespace verity::io {
class Directory;
class File;
class Wait;
}  // namespace verity::io

namespace verity::log {

class LogReader {
 public:
  // `directory` is log/; both outlive the reader. `cache_bytes` bounds the newest entries kept in memory; besides, a few
  // open files and offset tables are kept. `writes_sidecars`: offset tables that had to be made again are saved.
  LogReader(io::Directory& directory, const SegmentTable& table, Id128 cluster_id, ByteCount cache_bytes,
            bool writes_sidecars);

  // Called once for every damaged place that a read comes upon.
  std::function<void(const Damage&)> on_damage;

  // The writer hands over every entry it takes, in order of position.
  void remember(const EntryPtr& entry);
  // Those from `first` on are replaced.
  void forget_from(Position first);

  // The segment has been written anew.
  void forget_segment(std::uint64_t sequence);

  // not_found: no such position yet, or no longer. corrupt: damaged, the message names file and offset. `position` is at most the last
  // proposed one.
  Result<EntryPtr> read(io::Wait& wait, Position position);

 private:
  using Starts = std::shared_ptr<const std::vector<std::uint32_t>>;

  Result<EntryPtr> read_from_file(io::Wait& wait, Position position);
  struct Extent {
    ByteCount begin = 0;
    ByteCount end = 0;  // where the next entry starts, or the segment ends
  };
  Result<EntryPtr> read_extent(io::Wait& wait, io::File& file, const Extent& extent, Position position) const;

  // Nothing if the segment's offsets do not reach that far.
  Result<std::optional<Extent>> locate(io::Wait& wait, const SegmentInfo& segment, Position position);
  bool is_current(const SegmentInfo& segment) const {
    return table_.current().header.sequence == segment.header.sequence;
  }
  Result<std::shared_ptr<io::File>> file_of(io::Wait& wait, const SegmentInfo& segment);
  Result<Starts> starts_of(io::Wait& wait, const SegmentInfo& segment);
  // From the segment itself, when the sidecar is missing or damaged; writes the sidecar anew. Damaged places are
  // left out (0), and what cannot be reached behind them (shorter result).
  Result<Starts> rebuild_starts(io::Wait& wait, const SegmentInfo& segment);
  std::unexpected<Error> damaged(const Damage& damage);

  io::Directory& directory_;
  const SegmentTable& table_;
  const Id128 cluster_id_;
  const ByteCount cache_bytes_;
  const bool writes_sidecars_;

  std::deque<EntryPtr> newest_;  // consecutive positions
  ByteCount newest_bytes_ = 0;

  std::uint64_t forgotten_ = 0;  // segments so far
  // Most recently used first.
  std::list<std::pair<std::uint64_t, std::shared_ptr<io::File>>> files_;
  std::list<std::pair<std::uint64_t, Starts>> starts_;
};

}  // namespace verity::log
