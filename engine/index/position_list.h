// An ever-growing list of positions (of one stream, subject or tenant), compressed, with rank and select.
//
//   runs:   5-9   12   40-41   90-117
//           └──── tokens_: 1-3 bytes a run ────┘ └ the open run: tail_first_, last_
//
// Neighbouring positions are one run, so a stream that has the log to itself costs a few bytes however long
// it is; a position far from the last costs two to three bytes. Every `runs_per_block` runs a skip entry lets
// searches start there. A list that is a single run allocates nothing.
//
// Roaring bitmaps lost: they are smaller for a stream that holds every second entry, but cost about 80 bytes
// a position where a hundred thousand streams share a log, and their decoder trusts its input
// (docs/decision/2026-11-23-position-lists.md).
#pragma once

#include "engine/log/field_reader.h"
#include "io/base/bytes.h"
#include "io/base/ids.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

namespace verity::index {

class PositionList {
 public:
  // Requires position > last(). Adding last() again is allowed and changes nothing.
  void add(Position position);

  std::uint64_t count() const { return count_; }
  bool empty() const { return count_ == 0; }
  // 0 when empty.
  Position last() const { return {last_}; }

  // The nearest one at or after / at or before `position`.
  std::optional<Position> next(Position position) const;
  std::optional<Position> previous(Position position) const;
  // How many are before `position`.
  std::uint64_t rank(Position position) const;
  // The one with `rank` others before it; requires rank < count().
  Position select(std::uint64_t rank) const;

  // Bytes on the heap.
  std::size_t heap_bytes() const;

  // Grammar: docs/format/index.md, `positions`.
  void encode(Bytes& out) const;
  // Fails in `reader`, and leaves the list empty, unless the bytes are what encode() writes. No position
  // above `max`.
  static PositionList decode(log::FieldReader& reader, Position max);

  bool operator==(const PositionList& other) const {
    return count_ == other.count_ && tail_first_ == other.tail_first_ && last_ == other.last_ &&
           tokens_ == other.tokens_;
  }

 private:
  static constexpr std::uint32_t runs_per_block = 128;

  struct Run {
    std::uint64_t first;
    std::uint64_t last;
    std::uint64_t rank;  // of first
  };
  // Where a block of runs begins.
  struct Skip {
    std::uint64_t last_before;  // the last position before it
    std::uint64_t rank;
    std::uint64_t offset;  // in tokens_
  };
  class Walker;

  // Closes the run [first, last], the next one after `last_before`, `rank` positions before it.
  void add_token(std::uint64_t last_before, std::uint64_t rank, std::uint64_t first, std::uint64_t last);
  // At the last block that begins before `position`; at the one that holds `rank`.
  Walker walk_from_position(std::uint64_t position) const;
  Walker walk_from_rank(std::uint64_t rank) const;

  // Invariant: tokens_ holds the closed runs; [tail_first_, last_] is the open one and exists if count_ > 0.
  Bytes tokens_;
  std::unique_ptr<std::vector<Skip>> skips_;  // made with the second block
  std::uint32_t runs_in_block_ = 0;           // closed runs of the last block
  std::uint64_t count_ = 0;
  std::uint64_t tokens_last_ = 0;  // last position of the closed runs
  std::uint64_t tail_first_ = 0;
  std::uint64_t last_ = 0;
};

}  // namespace verity::index
