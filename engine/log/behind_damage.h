// What stands behind a damaged place of the segment that is written, and how far a node of a cluster can go on with it.
//
//   intact | damaged | intact ... | damaged | nothing, or what cannot be relied upon
//            └ a hole: its positions            └ the end: entries may be lost
//              are committed
//
// A hole is left where it is, and filled later: what is committed is the same everywhere, and the hash in front of the next
// entry says which it is. Where it is not known that all of a damaged place was committed, the log ends there; of what was
// acknowledged beyond it only the other nodes know.
#pragma once

#include "engine/log/segment_scanner.h"

#include <vector>

namespace verity::io {
class Wait;
}

namespace verity::log {

struct Hole {
  ScanStop stop;
  Position known;       // up to here what was read before the hole is known to be committed
  Sha256Digest parent;  // of the entry before the first flush behind it
  std::vector<ScannedFlush> flushes;

  Position end() const { return flushes.front().header.first_position; }
  EntryPtr next_entry() const;  // the first one behind it; null if there is none
};

struct BehindDamage {
  std::vector<Hole> holes;  // in order
  ScanStop end;             // `damaged`: entries may be lost from there on
  Position known;           // as in Hole, before the end
};

// `scanner` has stopped at `stop`, which is damaged; it is used up. Everything up to `checkpoint` is committed, too.
Result<BehindDamage> look_behind(io::Wait& wait, SegmentScanner& scanner, ScanStop stop, Position checkpoint);

}  // namespace verity::log
