// Holds back what a scan of one segment reads until it is known to be committed: what is not may still turn out to be
// replaced by a later flush. Pure.
//
//   SegmentScanner ─► take(flush) ─► entries that are committed now
//                         └────────► the tail: alive so far
//
// Usually the tail is about as long as a flush. Files of releases that did not write what was committed give everything at
// once, with their seal.
#pragma once

#include "engine/log/segment_scanner.h"

#include <deque>
#include <vector>

namespace verity::log {

struct PlacedEntry {
  EntryPtr entry;
  std::uint32_t start = 0;  // offset in the file
};

class UncommittedTail {
 public:
  // The next flush of the scan. Returns what is known to be committed now, in order; with a seal that is everything.
  std::vector<PlacedEntry> take(const ScannedFlush& flush);
  // Everything that is left.
  std::vector<PlacedEntry> take_all();
  // Those from `position` on are not to be relied upon.
  void drop_from(Position position);
  const std::deque<PlacedEntry>& entries() const { return entries_; }
  // The part of it up to `position`, which somebody else knows to be committed.
  std::vector<PlacedEntry> take_up_to(Position position);

 private:
  std::deque<PlacedEntry> entries_;  // consecutive positions
};

}  // namespace verity::log
