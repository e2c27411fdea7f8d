// Writes a sealed segment anew: what is intact in it as it is, and what is not as the other nodes have it. Which entries these
// are, the hashes say: they have to lead from the end of the segment before to the beginning of the one after.
//
//   00000003.segment   ──┐
//   entries of others  ──┴─► 00000003.repair, durable ─► rename over 00000003.segment
//
// The damaged file is never written: a crash leaves it, or the whole new one.
#pragma once

#include "engine/log/entry.h"
#include "engine/log/segment_table.h"
#include "io/base/result.h"

#include <functional>
#include <vector>

namespace verity::io {
class Directory;
class Wait;
}  // namespace verity::io

namespace verity::log {

// What it is and where it ends.
struct SegmentRepair {
  SegmentInfo segment;  // damaged, missing or whole
  SegmentHeader next;   // of the one after
  ByteCount bytes_per_second = 32 * MiB;
  // Some entries from `first` on, up to `last` at most, one at least; as they come from elsewhere. `parent` is the hash of
  // the entry before. corrupt: what others have does not follow it.
  std::function<Result<std::vector<EntryPtr>>(io::Wait&, Position first, Position last,
                                              const Sha256Digest& parent)>
      fetch;
};

struct RepairedSegment {
  SegmentHeader header;
  ByteCount end_offset = 0;
  std::uint64_t entries_fetched = 0;
  ByteCount bytes_fetched = 0;
};

// corrupt: what was fetched does not fit. Else errors of the disk and of `fetch`. Can be tried again at any time; nothing is
// left of an attempt that failed.
Result<RepairedSegment> repair_segment(io::Wait& wait, io::Directory& directory, const SegmentRepair& repair);

}  // namespace verity::log
