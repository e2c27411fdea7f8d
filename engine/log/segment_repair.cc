#include "engine/log/segment_repair.h"

#include "engine/log/segment_files.h"
#include "engine/log/segment_scanner.h"
#include "engine/log/uncommitted_tail.h"
#include "io/base/aligned_buffer.h"
#include "io/base/probe.h"
#include "io/directory.h"
#include "io/fiber/wait.h"
#include "io/file.h"

#include <algorithm>

namespace verity::log {
namespace {

// Gathered into one flush.
constexpr ByteCount flush_bytes_usual = 1 * MiB;

std::string repair_name(std::uint64_t sequence) {
  std::string name = sealed_segment_name(sequence);
  return name.replace(name.find('.'), std::string::npos, ".repair");
}

// The new file. Its flushes get the numbers that those of the old one had: marks stand for those that are too many.
class NewSegment {
 public:
  NewSegment(io::Directory& directory, const SegmentRepair& repair)
      : directory_(directory),
        name_(repair_name(repair.segment.header.sequence)),
        header_(repair.segment.header),
        next_(repair.next),
        last_(header_.first_position.value - 1),
        head_(header_.parent),
        sequence_(header_.first_flush) {}

  Position next_position() const { return last_.next(); }
  const Sha256Digest& head() const { return head_; }

  Status create(io::Wait& wait) {
    const Status removed = directory_.remove(wait, name_);
    if (!removed && removed.error().code != ErrorCode::not_found) return removed;
    VERITY_TRY_ASSIGN(file_,
                      directory_.open(wait, name_, {.mode = io::OpenMode::create_new, .direct = true}));
    header_.block_bytes = static_cast<std::uint32_t>(file_->block_bytes());
    return {};
  }

  Status add(io::Wait& wait, const EntryPtr& entry) {
    const EntryHeader& header = entry->header();
    const bool follows = header.position == last_.next() && header.parent == head_ &&
                         header.cluster_id == header_.cluster_id && body_hash_matches(*entry);
    if (!follows) return fail(ErrorCode::corrupt, entry->describe() + " does not follow " + last_.describe());
    const bool is_full = bytes_ + entry->bytes().size() > flush_bytes_usual;
    if (is_full && !entries_.empty() && sequence_ + 2 < next_.first_flush) VERITY_TRY(write_entries(wait));
    entries_.push_back(entry);
    bytes_ += entry->bytes().size();
    last_ = entry->position();
    head_ = entry->hash();
    return {};
  }

  // Behind the last entry, which must be the one before the next segment.
  Status finish(io::Wait& wait) {
    if (last_.next() != next_.first_position || head_ != next_.parent)
      return fail(ErrorCode::corrupt, "what was put together does not lead to the next segment");
    if (!entries_.empty()) VERITY_TRY(write_entries(wait));
    while (sequence_ + 1 < next_.first_flush) VERITY_TRY(write_mark(wait, FlushKind::mark));
    if (sequence_ + 1 != next_.first_flush)
      return fail(ErrorCode::corrupt,
                  "the next segment begins with flush " + std::to_string(next_.first_flush));
    VERITY_TRY(write_mark(wait, FlushKind::seal));
    header_.size_bytes = std::max({header_.size_bytes, offset_, segment_bytes_min});
    VERITY_TRY(write_segment_header(wait, *file_, header_));
    return file_->sync(wait);
  }

  // The shortcut into the old file first: with the new one it would lead to the wrong places.
  Status install(io::Wait& wait) {
    file_.reset();
    const Status removed = directory_.remove(wait, offsets_name(header_.sequence));
    if (!removed && removed.error().code != ErrorCode::not_found) return removed;
    VERITY_TRY(directory_.sync(wait));
    VERITY_TRY(directory_.rename(wait, name_, sealed_segment_name(header_.sequence)));
    return directory_.sync(wait);
  }

  // What was put together is of no use.
  void discard(io::Wait& wait) {
    file_.reset();
    ignore(directory_.remove(wait, name_), "the next attempt removes it");
  }

  const SegmentHeader& header() const { return header_; }
  ByteCount end_offset() const { return offset_; }

 private:
  FlushPlace place(Position committed) const {
    return {.cluster_id = header_.cluster_id,
            .segment = header_.sequence,
            .offset = offset_,
            .sequence = sequence_,
            .durable_mark = written_,
            .committed = committed,
            .block_bytes = header_.block_bytes};
  }
  Status write(io::Wait& wait, ByteCount size) {
    VERITY_TRY(file_->write(wait, offset_, buffer_.view().first(size), io::Durability::cached));
    offset_ += size;
    ++sequence_;
    written_ = last_;
    return {};
  }
  Status write_entries(io::Wait& wait) {
    VERITY_TRY(write(wait, build_flush(place(last_), entries_, buffer_)));
    entries_.clear();
    bytes_ = 0;
    return {};
  }
  Status write_mark(io::Wait& wait, FlushKind kind) {
    return write(wait, build_mark(place(last_), kind, last_.next(), head_, buffer_));
  }

  io::Directory& directory_;
  const std::string name_;
  SegmentHeader header_;
  const SegmentHeader next_;
  std::unique_ptr<io::File> file_;
  Position last_;
  Sha256Digest head_;
  Position written_{last_};
  std::vector<EntryPtr> entries_;
  ByteCount bytes_ = 0;
  std::uint64_t sequence_;
  ByteCount offset_ = segment_header_bytes;
  AlignedBuffer buffer_;
};

class Repair {
 public:
  Repair(io::Wait& wait, io::Directory& directory, const SegmentRepair& repair)
      : wait_(wait), directory_(directory), repair_(repair) {}

  Result<RepairedSegment> run(bool trusts_own) {
    NewSegment segment(directory_, repair_);
    if (Status written = write(segment, trusts_own); !written) {
      segment.discard(wait_);
      return std::unexpected(std::move(written.error()));
    }
    VERITY_TRY(segment.install(wait_));
    done_.header = segment.header();
    done_.end_offset = segment.end_offset();
    return done_;
  }

 private:
  Status write(NewSegment& segment, bool trusts_own) {
    VERITY_TRY(segment.create(wait_));
    if (trusts_own) VERITY_TRY(copy_own(segment));
    VERITY_TRY(fetch_up_to(segment, repair_.next.first_position));
    return segment.finish(wait_);
  }

  // What is intact, and what is missing between.
  Status copy_own(NewSegment& segment) {
    const auto file = directory_.open(wait_, repair_.segment.file_name(), {.mode = io::OpenMode::read});
    if (!file && file.error().code == ErrorCode::not_found) return {};
    if (!file) return std::unexpected(file.error());
    VERITY_TRY_ASSIGN(const ByteCount size, (*file)->size(wait_));
    const Position end = repair_.next.first_position;
    SegmentScanner scanner(**file, repair_.segment.header, size, Position{end.value - 1});
    UncommittedTail tail;
    while (true) {
      VERITY_TRY_ASSIGN(const ScanStep step, scanner.next(wait_));
      if (const auto* const flush = std::get_if<ScannedFlush>(&step)) {
        if (!flush->entries.empty() && tail.entries().empty())
          VERITY_TRY(fetch_up_to(segment, std::min(end, flush->header.first_position)));
        VERITY_TRY(add(segment, tail.take(*flush)));
        continue;
      }
      VERITY_TRY(add(segment, tail.take_all()));
      VERITY_TRY_ASSIGN(const auto parent, scanner.skip_damage(wait_));
      if (!parent) return {};
    }
  }

  Status add(NewSegment& segment, const std::vector<PlacedEntry>& entries) {
    for (const PlacedEntry& placed : entries) {
      if (placed.entry->position() >= repair_.next.first_position) return {};
      VERITY_TRY(segment.add(wait_, placed.entry));
      VERITY_TRY(pace(placed.entry->bytes().size()));
    }
    return {};
  }

  Status fetch_up_to(NewSegment& segment, Position end) {
    while (segment.next_position() < end) {
      VERITY_TRY_ASSIGN(
          const std::vector<EntryPtr> entries,
          repair_.fetch(wait_, segment.next_position(), Position{end.value - 1}, segment.head()));
      if (entries.empty())
        return fail(ErrorCode::not_found, "nobody has " + segment.next_position().describe());
      for (const EntryPtr& entry : entries) {
        VERITY_TRY(segment.add(wait_, entry));
        ++done_.entries_fetched;
        done_.bytes_fetched += entry->bytes().size();
        VERITY_TRY(pace(entry->bytes().size()));
      }
    }
    return {};
  }

  // Others use the disk, too.
  Status pace(ByteCount bytes) {
    owed_ += bytes;
    if (owed_ < 64 * KiB) return {};
    const ByteCount paid = std::exchange(owed_, 0);
    return wait_.sleep(Duration(static_cast<std::int64_t>(paid * 1'000'000'000 / repair_.bytes_per_second)));
  }

  io::Wait& wait_;
  io::Directory& directory_;
  const SegmentRepair& repair_;
  ByteCount owed_ = 0;
  RepairedSegment done_;
};

}  // namespace

Result<RepairedSegment> repair_segment(io::Wait& wait, io::Directory& directory,
                                       const SegmentRepair& repair) {
  Result<RepairedSegment> done = Repair(wait, directory, repair).run(true);
  // What is left of it may have been replaced by what is lost.
  if (!done && done.error().code == ErrorCode::corrupt) {
    VERITY_PROBE("repair: what is left of a segment does not fit");
    done = Repair(wait, directory, repair).run(false);
  }
  return done;
}

}  // namespace verity::log
