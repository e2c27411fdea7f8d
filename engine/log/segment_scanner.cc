#include "engine/log/segment_scanner.h"

#include "io/base/assert.h"
#include "io/file.h"

#include <algorithm>
#include <tuple>

namespace verity::log {
namespace {

constexpr ByteCount window_bytes_usual = 1 * MiB;

}  // namespace

void add_starts(const ScannedFlush& flush, Position first, std::vector<std::uint32_t>& starts) {
  starts.resize(flush.header.first_position.value - first.value);
  starts.insert(starts.end(), flush.starts.begin(), flush.starts.end());
}

SegmentScanner::SegmentScanner(io::File& file, const SegmentHeader& header, ByteCount file_bytes,
                               Position known_durable)
    : file_(file),
      header_(header),
      file_bytes_(file_bytes / header.block_bytes * header.block_bytes),
      known_durable_(known_durable),
      sequence_(header.first_flush),
      position_(header.first_position),
      heads_{header.parent},
      mark_{header.first_position.value - 1} {}

Result<bool> SegmentScanner::fetch(io::Wait& wait, ByteCount at, ByteCount size) {
  VERITY_ASSERT(at + size <= file_bytes_);
  if (at >= window_at_ && at + size <= window_at_ + window_bytes_) return true;
  const ByteCount wanted = std::min(std::max(size, window_bytes_usual), file_bytes_ - at);
  if (window_.size() < wanted) window_ = AlignedBuffer(wanted);
  for (const ByteCount attempt : {wanted, size}) {  // a bad block behind what is needed does not matter
    window_bytes_ = 0;
    const Result<ByteCount> got = file_.read(wait, at, window_.span().first(attempt));
    if (got) {
      window_at_ = at;
      window_bytes_ = *got;
      return *got >= size;
    }
    if (got.error().code == ErrorCode::crashed) return std::unexpected(got.error());
  }
  return false;
}

ByteView SegmentScanner::fetched(ByteCount at, ByteCount size) const {
  VERITY_ASSERT(at >= window_at_ && at + size <= window_at_ + window_bytes_);
  return window_.view().subspan(at - window_at_, size);
}

Result<ScanStop> SegmentScanner::investigate(io::Wait& wait, Suspicion suspicion) {
  auto& [first, others, checksum, what] = suspicion;
  ScanStop stop{.offset = offset_, .position = position_, .what = std::move(what), .written_end = offset_};
  bool proven = position_ <= known_durable_;
  // Everything behind: is anything there, and does any of it prove that this place was durable once?
  for (ByteCount at = offset_; at < file_bytes_; at += header_.block_bytes) {
    VERITY_TRY_ASSIGN(const bool readable, fetch(wait, at, header_.block_bytes));
    const ByteView block = readable ? fetched(at, header_.block_bytes) : ByteView();
    if (readable && is_all_zero(block)) continue;
    stop.written_end = at + header_.block_bytes;
    if (readable && is_nearly_zero(block)) continue;
    if (at == offset_ || !readable) continue;
    const std::optional<FlushHeader> later = decode_flush_header(block);
    if (!later || later->cluster_id != header_.cluster_id) continue;
    const bool in_place = later->segment == header_.sequence && later->offset == at;
    // Stale bytes cannot be here, because space is zeroed before it is used: a flush that says it belongs elsewhere was
    // written to the wrong place, maybe after it had been acknowledged.
    if (!in_place) {
      first = FirstBlock::misplaced;
      stop.what = later->describe() + " of segment " + std::to_string(later->segment) + " stands at offset " +
                  std::to_string(at) + ", where it does not belong";
    } else if (later->durable_mark >= position_ ||
               (later->sequence > sequence_ && later->durable_mark.next() >= later->first_position)) {
      // Either it says so of the entries expected here, or it was begun when everything before it was durable, whatever
      // that was: a replace may have stood here and gone back behind position_.
      // One is enough; there may be thousands.
      if (!proven) stop.what += "; " + later->describe() + " behind it proves that it was durable";
      proven = true;
    }
  }
  if (first == FirstBlock::zero) {
    others = stop.written_end == offset_ ? OtherBlocks::nothing : OtherBlocks::some_missing;
  }
  stop.verdict = judge({first, others, checksum, proven ? ProvenDurable::yes : ProvenDurable::no});
  if (proven && position_ <= known_durable_) {
    stop.what += "; positions up to " + known_durable_.describe() + " are known to have been durable";
  }
  return stop;
}

Result<ScanStep> SegmentScanner::next(io::Wait& wait) {
  if (stop_) return *stop_;
  if (sealed_ || offset_ >= file_bytes_) {
    const bool lost = !sealed_ && position_ <= known_durable_;
    stop_ = ScanStop{.verdict = lost ? Verdict::damaged : Verdict::end_of_log,
                     .offset = offset_,
                     .position = position_,
                     .what = lost ? "the file ends before entries that are known to have been durable" : "",
                     .written_end = offset_};
    return *stop_;
  }
  VERITY_TRY_ASSIGN(Look looked, look(wait));
  if (std::holds_alternative<Suspicion>(looked)) {
    window_bytes_ = 0;
    VERITY_TRY_ASSIGN(looked, look(wait));
  }
  if (auto* const suspicion = std::get_if<Suspicion>(&looked)) {
    VERITY_TRY_ASSIGN(stop_, investigate(wait, std::move(*suspicion)));
    return *stop_;
  }
  ScannedFlush& flush = std::get<ScannedFlush>(looked);
  accept(flush);
  return std::move(flush);
}

const Sha256Digest* SegmentScanner::parent_of(FlushKind kind, Position first) const {
  if (first == position_ && kind != FlushKind::replace) return &heads_.back();
  const bool goes_back = first < position_ && first > committed_ && first >= header_.first_position;
  if (kind != FlushKind::replace || !goes_back || position_.value - first.value >= heads_.size())
    return nullptr;
  return &heads_[heads_.size() - 1 - (position_.value - first.value)];
}

Result<std::optional<Sha256Digest>> SegmentScanner::skip_damage(io::Wait& wait) {
  VERITY_ASSERT(stop_);
  for (ByteCount at = offset_; at + header_.block_bytes <= file_bytes_; at += header_.block_bytes) {
    VERITY_TRY_ASSIGN(const bool taken, take_up_at(wait, at));
    if (taken) return heads_.front();
  }
  return std::nullopt;
}

Result<bool> SegmentScanner::take_up_at(io::Wait& wait, ByteCount at) {
  VERITY_TRY_ASSIGN(const bool readable, fetch(wait, at, header_.block_bytes));
  if (!readable) return false;
  const ByteView block = fetched(at, header_.block_bytes);
  const std::optional<FlushHeader> header = decode_flush_header(block);
  const bool follows = header && header->segment == header_.sequence && header->sequence >= sequence_ &&
                       header->offset == at && header->first_position > committed_;
  if (!follows) return false;
  Sha256Digest parent;
  if (header->kind == FlushKind::entries) {
    const Result<EntryHeader> entry = decode_entry_header(block.subspan(flush_header_bytes));
    if (!entry) return false;
    parent = entry->parent;
  } else if (const auto named = decode_parent(*header, block)) {
    parent = *named;
  } else {
    return false;
  }
  const auto before = std::tuple(offset_, sequence_, position_, heads_);
  offset_ = at;
  sequence_ = header->sequence;
  position_ = header->first_position;
  heads_ = {parent};
  if (header->kind == FlushKind::replace) {  // of something that is not known here
    position_ = position_.next();
    heads_.emplace_back();
  }
  Result<Look> looked = look(wait);
  if (looked && std::holds_alternative<ScannedFlush>(*looked)) {
    stop_.reset();
    return true;
  }
  std::tie(offset_, sequence_, position_, heads_) = before;
  if (!looked) return std::unexpected(looked.error());
  return false;
}

void SegmentScanner::accept(const ScannedFlush& flush) {
  heads_.resize(heads_.size() - (position_.value - flush.header.first_position.value));
  for (const EntryPtr& entry : flush.entries) heads_.push_back(entry->hash());
  position_ = flush.header.end_position();
  committed_ = std::max(committed_, flush.header.committed);
  while (heads_.size() > 1 && position_.value - heads_.size() < committed_.value) heads_.pop_front();
  sealed_ = flush.header.kind == FlushKind::seal;
  mark_ =
      std::max(std::min(mark_, Position{flush.header.first_position.value - 1}), flush.header.durable_mark);
  ++sequence_;
  offset_ = flush.end;
}

Result<SegmentScanner::Look> SegmentScanner::look(io::Wait& wait) {
  const ByteCount block_bytes = header_.block_bytes;
  VERITY_TRY_ASSIGN(const bool readable, fetch(wait, offset_, block_bytes));
  if (!readable) {
    return Suspicion{FirstBlock::wrong, OtherBlocks::all_there, Checksum::bad, "the block cannot be read"};
  }
  const ByteView first_block = fetched(offset_, block_bytes);
  // No flush begins with so few bits: this is free space, whatever happened to it.
  if (is_nearly_zero(first_block)) {
    return Suspicion{FirstBlock::zero, OtherBlocks::nothing, Checksum::bad, "a flush is missing"};
  }
  const std::optional<FlushHeader> header = decode_flush_header(first_block);
  if (!header) {
    return Suspicion{FirstBlock::wrong, OtherBlocks::all_there, Checksum::bad,
                     "the checksum of a flush header does not match"};
  }
  const bool in_place = header->cluster_id == header_.cluster_id && header->segment == header_.sequence &&
                        header->offset == offset_ && header->sequence == sequence_ &&
                        parent_of(header->kind, header->first_position) != nullptr;
  if (!in_place) {
    return Suspicion{FirstBlock::misplaced, OtherBlocks::all_there, Checksum::good,
                     header->describe() + " of segment " + std::to_string(header->segment) + " and cluster " +
                         header->cluster_id.describe() + " stands where flush " + std::to_string(sequence_) +
                         " was expected"};
  }
  if (header->committed >= header->end_position()) {
    return Suspicion{FirstBlock::misplaced, OtherBlocks::all_there, Checksum::good,
                     header->describe() + " says that position " + header->committed.describe() +
                         " is committed, which it cannot know"};
  }
  const ByteCount size = round_up(header->length, block_bytes);
  if (size > file_bytes_ - offset_) {
    return Suspicion{FirstBlock::wrong, OtherBlocks::all_there, Checksum::bad,
                     header->describe() + " reaches past the end of the file"};
  }
  VERITY_TRY_ASSIGN(const bool whole_readable, fetch(wait, offset_, size));
  if (!whole_readable) {
    return Suspicion{FirstBlock::valid, OtherBlocks::all_there, Checksum::bad,
                     header->describe() + " cannot be read"};
  }
  const ByteView bytes = fetched(offset_, size);
  switch (inspect_flush(*header, bytes, block_bytes)) {
    case FlushState::intact:
      break;
    case FlushState::missing:
      return Suspicion{FirstBlock::valid, OtherBlocks::some_missing, Checksum::bad,
                       header->describe() + " is not all there"};
    case FlushState::wrong:
      return Suspicion{FirstBlock::valid, OtherBlocks::all_there, Checksum::bad,
                       "the checksum of " + header->describe() + " does not match"};
  }

  ScannedFlush flush{.header = *header, .end = offset_ + size};
  if (keeps_bytes_) {
    auto kept = std::make_shared<AlignedBuffer>(size);
    std::ranges::copy(bytes, kept->span().begin());
    flush.bytes = std::move(kept);
  }
  const Sha256Digest& parent = *parent_of(header->kind, header->first_position);
  const bool holds_entries = header->kind == FlushKind::entries || header->kind == FlushKind::replace;
  if (header->kind != FlushKind::entries && decode_parent(*header, bytes) != parent) {
    return Suspicion{FirstBlock::misplaced, OtherBlocks::all_there, Checksum::good,
                     header->describe() + " names another head of the chain"};
  }
  if (holds_entries) {
    Result<std::vector<EntryPtr>> entries = decode_flush_entries(*header, bytes, parent, &flush.starts);
    if (!entries) {
      return Suspicion{FirstBlock::misplaced, OtherBlocks::all_there, Checksum::good,
                       entries.error().message};
    }
    flush.entries = std::move(*entries);
  } else if (header->entry_count != 0) {
    return Suspicion{FirstBlock::misplaced, OtherBlocks::all_there, Checksum::good,
                     header->describe() + " says that it holds entries"};
  }
  return flush;
}

}  // namespace verity::log
