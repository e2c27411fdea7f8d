// Reads the flushes of one segment in order, checks everything that can be checked, and at the first place that is not
// an intact flush collects the evidence that the recovery table (recovery_table.h) judges. Used by recovery, by
// verification and by the scrubber; changes nothing.
#pragma once

#include "engine/log/flush.h"
#include "engine/log/recovery_table.h"
#include "engine/log/segment.h"
#include "io/base/aligned_buffer.h"
#include "io/base/result.h"

#include <deque>
#include <memory>
#include <string>
#include <variant>
#include <vector>

namespace verity::io {
class File;
class Wait;
}  // namespace verity::io

namespace verity::log {

struct ScannedFlush {
  FlushHeader header;
  std::vector<EntryPtr> entries;      // empty for marks and seals
  std::vector<std::uint32_t> starts;  // offset of each entry in the file
  ByteCount end = 0;                  // where the next flush is expected
  // Its blocks, as they were checked; null unless keep_bytes() was called.
  std::shared_ptr<const AlignedBuffer> bytes;
};

// Where each living entry of a segment starts, with one more flush: `first` is the segment's first position.
void add_starts(const ScannedFlush& flush, Position first, std::vector<std::uint32_t>& starts);

struct ScanStop {
  Verdict verdict;            // never intact; end_of_log also behind a seal and at the end of the file
  ByteCount offset = 0;       // where the next flush was expected
  Position position;          // of the entry that was expected there
  std::string what;           // for messages
  ByteCount written_end = 0;  // behind the last block that is not zero; == offset if there is none
};

using ScanStep = std::variant<ScannedFlush, ScanStop>;

class SegmentScanner {
 public:
  // `known_durable`: every entry up to here was durable once, says something outside this segment.
  SegmentScanner(io::File& file, const SegmentHeader& header, ByteCount file_bytes, Position known_durable);

  // For whoever writes a flush again: read once more it may be something else.
  void keep_bytes() { keeps_bytes_ = true; }

  // The next flush, or why there is none; after a stop always the same stop. An error is returned only when the world
  // ended (crashed): blocks that cannot be read count as damage. A place is read twice before it counts as anything but
  // a flush: a device may once serve what stood there before, or nothing.
  Result<ScanStep> next(io::Wait& wait);

  // After a stop: goes on behind it, at the next flush that is intact by itself and says that it belongs there; nothing: there
  // is none. Returns the hash of the entry before it. The chain is taken up with what that flush says of the entry before it. What was committed() before is still
  // known; what lies between that and the flush is known again only when its hashes are found to lead there: the place that
  // is skipped may have held a replacement.
  Result<std::optional<Sha256Digest>> skip_damage(io::Wait& wait);

  // After the flushes returned so far.
  ByteCount offset() const { return offset_; }
  std::uint64_t next_sequence() const { return sequence_; }
  Position next_position() const { return position_; }
  const Sha256Digest& head() const { return heads_.back(); }
  Position durable_mark() const { return mark_; }
  Position committed() const { return committed_; }  // 0 if nothing says so
  bool sealed() const { return sealed_; }

 private:
  // What is wrong with a place where a flush was expected, before anything behind it was looked at.
  struct Suspicion {
    FirstBlock first;
    OtherBlocks others;
    Checksum checksum;
    std::string what;
  };
  using Look = std::variant<ScannedFlush, Suspicion>;

  Result<Look> look(io::Wait& wait);
  // Takes the flush at `at` for the next one, if it is any.
  Result<bool> take_up_at(io::Wait& wait, ByteCount at);
  // The chain hash of the entry before `first`; null if a flush cannot begin there.
  const Sha256Digest* parent_of(FlushKind kind, Position first) const;
  void accept(const ScannedFlush& flush);
  // Makes [at, at + size) available as one piece; false if part of it cannot be read.
  Result<bool> fetch(io::Wait& wait, ByteCount at, ByteCount size);
  ByteView fetched(ByteCount at, ByteCount size) const;
  Result<ScanStop> investigate(io::Wait& wait, Suspicion suspicion);

  io::File& file_;
  const SegmentHeader header_;
  const ByteCount file_bytes_;
  const Position known_durable_;
  bool keeps_bytes_ = false;

  ByteCount offset_ = segment_header_bytes;
  std::uint64_t sequence_;
  Position position_;
  // Chain hashes of the entries up to position_ - 1, from the last committed one on: a replace may go back that far.
  std::deque<Sha256Digest> heads_;
  Position mark_;
  Position committed_;
  bool sealed_ = false;
  std::optional<ScanStop> stop_;

  AlignedBuffer window_;
  ByteCount window_at_ = 0;
  ByteCount window_bytes_ = 0;
};

}  // namespace verity::log
