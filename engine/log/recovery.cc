#include "engine/log/recovery.h"

#include "engine/log/behind_damage.h"
#include "engine/log/segment_files.h"
#include "engine/log/uncommitted_tail.h"
#include "io/base/aligned_buffer.h"
#include "io/base/assert.h"
#include "io/base/probe.h"
#include "io/directory.h"
#include "io/fiber/wait.h"
#include "io/file.h"

#include <algorithm>

namespace verity::log {
namespace {

constexpr std::string_view way_out =
    ". Entries from here on may have been acknowledged, so nothing of the log was changed. Restore this node "
    "from a backup, or start "
    "it with --read-only to serve everything before this place";

std::string in_log(std::string_view name) {
  return "log/" + std::string(name);
}

struct Names {
  std::vector<std::uint64_t> sealed;  // sorted
  bool current = false;
  bool next = false;
};

// A header that neither copy gives, or a file that is gone.
bool is_lost(const Error& error) {
  return error.code == ErrorCode::corrupt || error.code == ErrorCode::io_error ||
         error.code == ErrorCode::not_found;
}

// `tolerant`: of missing segments; the others are served.
Result<Names> read_names(io::Wait& wait, io::Directory& directory, bool tolerant) {
  VERITY_TRY_ASSIGN(const auto entries, directory.list(wait));
  Names names;
  for (const io::DirectoryEntry& entry : entries) {
    if (entry.name == current_segment_name) names.current = true;
    if (entry.name == next_segment_name) names.next = true;
    if (const auto sequence = parse_sealed_segment_name(entry.name)) names.sealed.push_back(*sequence);
  }
  std::sort(names.sealed.begin(), names.sealed.end());
  for (std::size_t i = 0; i < names.sealed.size(); ++i) {
    if (names.sealed[i] == i) continue;
    if (!tolerant) {
      return fail(ErrorCode::corrupt, in_log(sealed_segment_name(i)) + " is missing" + std::string(way_out));
    }
    names.sealed.insert(names.sealed.begin() + static_cast<std::ptrdiff_t>(i), i);
  }
  return names;
}

// To the first place that is not an intact flush.
Status scan_through(io::Wait& wait, SegmentScanner& scanner) {
  while (true) {
    VERITY_TRY_ASSIGN(const ScanStep step, scanner.next(wait));
    if (std::holds_alternative<ScanStop>(step)) return {};
  }
}

// Entries of one view stand in one log, that of its primary: with one of them known to be there, those before it are.
Position last_of_view(const UncommittedTail& tail, View view, Position otherwise) {
  for (const PlacedEntry& placed : tail.entries()) {
    if (placed.entry->header().view == view) otherwise = std::max(otherwise, placed.entry->position());
  }
  return otherwise;
}

class Recovery {
 public:
  Recovery(io::Wait& wait, io::Directory& directory, const RecoveryInput& input)
      : wait_(wait), directory_(directory), input_(input) {}

  Result<Recovered> run();

 private:
  struct Opened {
    SegmentHeader header;
    ByteCount file_bytes = 0;
  };

  // Reads the header, and mends one of which one copy is bad.
  Result<Opened> open(std::string_view name);
  Status read_current_header();
  // A header of which neither copy is good is put together again: from the segment's first flush, or from where the segment
  // before it ends.
  Result<SegmentHeader> reconstruct(std::string_view name, std::uint64_t sequence);
  Result<std::optional<SegmentHeader>> header_of_first_flush(std::uint64_t sequence, io::File& file);
  Result<SegmentHeader> header_after(std::uint64_t sequence);
  Status check_place(std::string_view name, const SegmentHeader& header, std::uint64_t sequence) const;
  Status settle_names();
  Result<Names> names() { return read_names(wait_, directory_, input_.read_only || in_cluster()); }
  bool in_cluster() const { return input_.mark_lost && !input_.read_only; }
  Status make_current(std::uint64_t sequence, SegmentHeader& header);
  Status read_sealed_headers();
  Result<std::size_t> first_to_scan();
  Status scan_sealed(std::size_t index);
  Status scan_current();
  Status take_committed(const std::vector<PlacedEntry>& entries);
  Status take_flush(const ScannedFlush& flush, UncommittedTail& tail);
  Status take_tail(UncommittedTail& tail);
  // What is damaged, in a cluster.
  // The checkpoint's entry took the place of what is left in the file.
  bool is_older_than_checkpoint(const UncommittedTail& tail) const;
  Status survive(SegmentScanner& scanner, ScanStop stop, UncommittedTail& tail);
  void leave_hole(const ScanStop& stop, Position known, Position end, const Sha256Digest& head,
                  UncommittedTail& tail);
  Status give_up_end(const ScanStop& stop, Position known, UncommittedTail& tail);
  void drop_uncommitted(UncommittedTail& tail);
  Status write_replace();
  Status end_current(const ScanStop& stop, UncommittedTail& tail);
  Result<std::shared_ptr<const AlignedBuffer>> read_last_flush();
  Status report(Damage damage);

  io::Wait& wait_;
  io::Directory& directory_;
  const RecoveryInput& input_;
  Recovered result_;
  Names names_;
  std::string_view current_name_ = current_segment_name;
  struct LastFlush {
    FlushHeader header;
    std::shared_ptr<const AlignedBuffer> bytes;
  };
  bool deriving_ = true;                 // entries are handed to apply
  std::optional<LastFlush> last_flush_;  // of the current segment
  Position mark_;                        // likewise: everything up to here is known to be durable
  bool header_lost_ = false;             // likewise
  // The file holds entries from here on that another log may have taken the place of.
  std::optional<Position> doubtful_;
};

Result<Recovery::Opened> Recovery::open(std::string_view name) {
  Opened opened;
  VERITY_TRY_ASSIGN(const auto file, directory_.open(wait_, name, {.mode = io::OpenMode::read}));
  VERITY_TRY_ASSIGN(opened.file_bytes, file->size(wait_));
  Result<DecodedSegmentHeader> decoded = read_segment_header(wait_, *file);
  if (!decoded) return std::unexpected(std::move(decoded.error()).within(in_log(name)));
  opened.header = decoded->header;
  if (decoded->one_copy_damaged) {
    VERITY_PROBE("start: one copy of a segment header is damaged");
    // by a device, or by a crash while it was written
    const Status mended =
        input_.read_only ? Status() : rewrite_segment_header(wait_, directory_, name, decoded->header);
    if (!mended && mended.error().code == ErrorCode::crashed) return std::unexpected(mended.error());
    result_.notes.push_back(in_log(name) +
                            ": one copy of the segment header is damaged; the other one was used" +
                            (input_.read_only ? ""
                             : mended         ? ", and copied over it"
                                              : "; it cannot be mended: " + mended.error().message));
  }
  return opened;
}

Status Recovery::check_place(std::string_view name, const SegmentHeader& header,
                             std::uint64_t sequence) const {
  if (header.cluster_id != input_.cluster_id) {
    return fail(ErrorCode::corrupt, in_log(name) + " belongs to cluster " + header.cluster_id.describe() +
                                        ", this data directory to " + input_.cluster_id.describe());
  }
  if (header.sequence != sequence) {
    return fail(ErrorCode::corrupt, in_log(name) + " is segment " + std::to_string(header.sequence) +
                                        ", expected was segment " + std::to_string(sequence) +
                                        ": files were renamed");
  }
  return {};
}

// The table "Switching to the next segment" of docs/format/log.md, but for a sealed current segment, which only
// reading it tells: that switch needs room for a spare, so the writer completes it when there is some (log.cc).
Status Recovery::settle_names() {
  VERITY_TRY_ASSIGN(names_, names());
  if (in_cluster() && names_.current) {
    const Result<Opened> current = open(current_segment_name);
    if (!current && current.error().code == ErrorCode::crashed) return std::unexpected(current.error());
    while (current && current->header.cluster_id == input_.cluster_id &&
           names_.sealed.size() < current->header.sequence)
      names_.sealed.push_back(names_.sealed.size());  // missing, too
  }
  const std::uint64_t count = names_.sealed.size();
  bool next_has_header = false;
  SegmentHeader next_header;
  if (names_.next) {
    const Result<Opened> next = open(next_segment_name);
    if (!next && next.error().code == ErrorCode::crashed) return std::unexpected(next.error());
    if (next) next_header = next->header;
    const std::uint64_t following = names_.current ? count + 1 : count;
    next_has_header =
        next && next_header.sequence == following && next_header.cluster_id == input_.cluster_id;
  }
  if (!names_.current && !next_has_header && !input_.read_only && !in_cluster()) {
    return fail(ErrorCode::corrupt, in_log(current_segment_name) + " is missing" + std::string(way_out));
  }
  if (next_has_header && !names_.current) {
    VERITY_PROBE("start: a crash came between the two renames of a switch");
    current_name_ = next_segment_name;  // where a read-only start finds it
  }
  if (!next_has_header || input_.read_only) return {};
  // What a process that was killed wrote last may be in memory only: header and names are durable before they are built
  // upon.
  VERITY_TRY(rewrite_segment_header(wait_, directory_, next_segment_name, next_header));
  VERITY_TRY(directory_.sync(wait_));
  VERITY_TRY(complete_switch(wait_, directory_, names_.current ? count : count - 1));
  result_.notes.push_back("completed an interrupted switch to segment " +
                          std::to_string(names_.current ? count + 1 : count));
  VERITY_TRY_ASSIGN(names_, names());
  current_name_ = current_segment_name;
  return {};
}

// The segment that is written always has a header. Read-only, all that can be proven without it is served.
Status Recovery::read_current_header() {
  const std::uint64_t sequence = names_.sealed.size();
  SegmentInfo info{.sealed = false};
  const Result<Opened> opened = open(current_name_);
  if (opened) {
    info.header = opened->header;
    VERITY_TRY(check_place(current_segment_name, info.header, sequence));
  } else if (opened.error().code == ErrorCode::not_found && in_cluster()) {
    VERITY_PROBE("start: the current segment is missing");
    VERITY_TRY(make_current(sequence, info.header));
  } else if (is_lost(opened.error())) {
    if (!in_cluster()) VERITY_TRY(report({in_log(current_segment_name), 0, {}, opened.error().message}));
    VERITY_TRY_ASSIGN(info.header, reconstruct(current_name_, sequence));
    VERITY_PROBE("start: the header of the current segment is made from its flushes");
    header_lost_ = true;
  } else {
    return std::unexpected(opened.error());
  }
  info.end_position = info.header.first_position;
  info.end_offset = segment_header_bytes;
  mark_ = Position{info.header.first_position.value - 1};
  result_.next_flush = info.header.first_flush;
  result_.table.segments.push_back(info);
  return {};
}

// The one that was there is gone, with everything in it.
Status Recovery::make_current(std::uint64_t sequence, SegmentHeader& header) {
  VERITY_TRY_ASSIGN(header, header_after(sequence));
  VERITY_TRY(input_.mark_lost(header.first_position));
  VERITY_TRY_ASSIGN(const auto file,
                    create_zeroed(wait_, directory_, next_segment_name, input_.segment_bytes));
  header.block_bytes = static_cast<std::uint32_t>(file->block_bytes());
  header.size_bytes = input_.segment_bytes;
  VERITY_TRY(write_segment_header(wait_, *file, header));
  VERITY_TRY(directory_.rename(wait_, next_segment_name, current_segment_name));
  result_.notes.push_back(in_log(current_segment_name) + " is missing; it is begun anew at position " +
                          header.first_position.describe());
  return directory_.sync(wait_);
}

Result<SegmentHeader> Recovery::reconstruct(std::string_view name, std::uint64_t sequence) {
  auto file = directory_.open(wait_, name, {.mode = io::OpenMode::read});
  if (!file && file.error().code != ErrorCode::not_found) return std::unexpected(file.error());
  std::optional<SegmentHeader> header;
  if (file) {
    VERITY_TRY_ASSIGN(header, header_of_first_flush(sequence, **file));
  }
  if (!header) {
    VERITY_TRY_ASSIGN(header, header_after(sequence));
  }
  if (!file) return *header;
  VERITY_TRY_ASSIGN(header->size_bytes, (*file)->size(wait_));
  // The flushes show in which blocks they were written: in the right ones most of them are found.
  SegmentHeader best = *header;
  ByteCount best_offset = 0;
  for (header->block_bytes = 4096; header->block_bytes >= 512; header->block_bytes /= 2) {
    SegmentScanner scanner(**file, *header, header->size_bytes, Position{0});
    VERITY_TRY(scan_through(wait_, scanner));
    if (scanner.offset() <= best_offset) continue;
    best = *header;
    best_offset = scanner.offset();
  }
  return best;
}

// Nothing if that flush is damaged too, or there is none.
Result<std::optional<SegmentHeader>> Recovery::header_of_first_flush(std::uint64_t sequence, io::File& file) {
  AlignedBuffer buffer(AlignedBuffer::alignment);
  const Result<ByteCount> got = file.read(wait_, segment_header_bytes, buffer.span());
  if (!got && got.error().code == ErrorCode::crashed) return std::unexpected(got.error());
  const ByteView block = buffer.view().first(got.value_or(0));
  if (block.size() <= flush_header_bytes) return std::nullopt;
  const std::optional<FlushHeader> flush = decode_flush_header(block);
  const Result<EntryHeader> entry = decode_entry_header(block.subspan(flush_header_bytes));
  const bool usable = flush && entry && flush->segment == sequence &&
                      flush->cluster_id == input_.cluster_id && entry->position == flush->first_position;
  if (!usable) return std::nullopt;
  SegmentHeader header;
  header.cluster_id = input_.cluster_id;
  header.sequence = sequence;
  header.first_position = flush->first_position;
  header.parent = entry->parent;
  header.first_flush = flush->sequence;
  return header;
}

// Segments are read in order, so the one before is in the table.
Result<SegmentHeader> Recovery::header_after(std::uint64_t sequence) {
  SegmentHeader header;
  header.cluster_id = input_.cluster_id;
  header.sequence = sequence;
  header.first_position = Position{1};
  if (sequence == 0) return header;
  const SegmentInfo& before = result_.table.segments.back();
  header.first_position = before.header.first_position;
  header.parent = before.header.parent;
  header.first_flush = before.header.first_flush + 1;  // a seal at least
  const auto file = directory_.open(wait_, before.file_name(), {.mode = io::OpenMode::read});
  if (!file && file.error().code == ErrorCode::not_found) return header;
  if (!file) return std::unexpected(file.error());
  SegmentScanner scanner(**file, before.header, before.end_offset, Position{0});
  UncommittedTail tail;  // may have been replaced by what is damaged
  while (true) {
    VERITY_TRY_ASSIGN(const ScanStep step, scanner.next(wait_));
    const auto* const flush = std::get_if<ScannedFlush>(&step);
    if (flush == nullptr) break;
    for (const PlacedEntry& placed : tail.take(*flush)) {
      header.first_position = placed.entry->position().next();
      header.parent = placed.entry->hash();
    }
  }
  header.first_flush = scanner.next_sequence() + (scanner.sealed() ? 0 : 1);
  return header;
}

Status Recovery::report(Damage damage) {
  if (!input_.read_only && !in_cluster())
    return fail(ErrorCode::corrupt, damage.describe() + std::string(way_out));
  result_.damage.push_back(std::move(damage));
  return {};
}

Status Recovery::read_sealed_headers() {
  for (const std::uint64_t sequence : names_.sealed) {
    const std::string name = sealed_segment_name(sequence);
    SegmentInfo info;
    Result<Opened> opened = open(name);
    if (opened) {
      info.header = opened->header;
      info.end_offset = opened->file_bytes;
    } else if (is_lost(opened.error())) {
      // Old data: the node starts, may only be read, and says so.
      VERITY_TRY_ASSIGN(info.header, reconstruct(name, sequence));
      info.end_offset = info.header.size_bytes;
      result_.damage.push_back(
          {.file = in_log(name), .offset = 0, .position = {}, .what = opened.error().message});
    } else {
      return std::unexpected(opened.error());
    }
    VERITY_TRY(check_place(name, info.header, sequence));
    result_.table.segments.push_back(info);
  }
  return {};
}

Status Recovery::take_committed(const std::vector<PlacedEntry>& entries) {
  for (const auto& [entry, start] : entries) {
    result_.committed = result_.last = entry->position();
    result_.committed_head = result_.head = entry->hash();
    result_.committed_timestamp = result_.last_timestamp = entry->header().timestamp;
    if (entry->position() == input_.checkpoint && entry->hash() != input_.checkpoint_hash) {
      return fail(ErrorCode::corrupt, "the checkpoint at position " + input_.checkpoint.describe() +
                                          " belongs to another history than the log");
    }
    if (!deriving_ || entry->position() <= result_.applied) continue;
    VERITY_TRY(input_.apply(entry));
    result_.applied = entry->position();
  }
  return {};
}

Status Recovery::take_tail(UncommittedTail& tail) {
  VERITY_TRY(take_committed(tail.take_up_to(input_.checkpoint)));
  for (PlacedEntry& placed : tail.take_all()) result_.tail.push_back(std::move(placed.entry));
  if (result_.tail.empty()) return {};
  result_.last = result_.tail.back()->position();
  result_.head = result_.tail.back()->hash();
  result_.last_timestamp = result_.tail.back()->header().timestamp;
  return {};
}

Status Recovery::scan_sealed(std::size_t index) {
  const SegmentInfo& info = result_.table.segments[index];
  const SegmentInfo& following = result_.table.segments[index + 1];
  const std::string name = info.file_name();
  const auto opened = directory_.open(wait_, name, {.mode = io::OpenMode::read});
  if (!opened && opened.error().code == ErrorCode::not_found) {  // read-only, and reported
    deriving_ = false;
    return {};
  }
  if (!opened) return std::unexpected(opened.error());
  io::File& file = **opened;
  VERITY_TRY_ASSIGN(const ByteCount size, file.size(wait_));
  SegmentScanner scanner(file, info.header, size, Position{following.header.first_position.value - 1});
  UncommittedTail tail;
  while (true) {
    VERITY_TRY_ASSIGN(ScanStep step, scanner.next(wait_));
    if (auto* const flush = std::get_if<ScannedFlush>(&step)) {
      VERITY_TRY(take_committed(tail.take(*flush)));
      continue;
    }
    const ScanStop& stop = std::get<ScanStop>(step);
    const bool continues = scanner.sealed() && scanner.head() == following.header.parent &&
                           scanner.next_position() == following.header.first_position &&
                           scanner.next_sequence() == following.header.first_flush;
    if (continues) return {};
    // What is left in the tail may have been replaced by what is damaged.
    deriving_ = false;  // what follows cannot be derived without what is missing
    return report({in_log(name), stop.offset, stop.position,
                   scanner.sealed() ? "the next segment does not continue this one" : stop.what});
  }
}

Status Recovery::scan_current() {
  SegmentInfo& info = result_.table.current();
  // Maybe nothing was scanned before, or not to its end.
  result_.committed = result_.last = Position{info.header.first_position.value - 1};
  result_.committed_head = result_.head = info.header.parent;
  const io::OpenMode mode = input_.read_only ? io::OpenMode::read : io::OpenMode::write;
  auto opened = directory_.open(wait_, current_name_, {.mode = mode, .direct = !input_.read_only});
  const bool is_missing = !opened && opened.error().code == ErrorCode::not_found;
  if (is_missing && input_.read_only) return {};  // and reported
  if (!opened) return std::unexpected(opened.error());
  std::unique_ptr<io::File> file = std::move(*opened);
  VERITY_TRY_ASSIGN(const ByteCount file_bytes, file->size(wait_));
  VERITY_TRY_ASSIGN(result_.table.current_reader,
                    directory_.open(wait_, current_name_, {.mode = io::OpenMode::read}));
  if (!input_.read_only && file->block_bytes() > info.header.block_bytes) {
    return fail(ErrorCode::unsupported, in_log(current_segment_name) + " was written in blocks of " +
                                            std::to_string(info.header.block_bytes) +
                                            " bytes, this device needs " +
                                            std::to_string(file->block_bytes()) +
                                            "; move the data directory back, or restore a backup here");
  }
  SegmentScanner scanner(*file, info.header, file_bytes, std::max(input_.checkpoint, input_.known_durable));
  scanner.keep_bytes();
  UncommittedTail tail;
  while (true) {
    VERITY_TRY_ASSIGN(ScanStep step, scanner.next(wait_));
    if (auto* const flush = std::get_if<ScannedFlush>(&step)) {
      VERITY_TRY(take_flush(*flush, tail));
      continue;
    }
    result_.current = std::move(file);
    ScanStop stop = std::get<ScanStop>(step);
    // Its size was durable before its name was.
    const bool cut_off = !scanner.sealed() && file_bytes < info.header.size_bytes;
    if (cut_off && stop.verdict != Verdict::damaged) {
      stop.verdict = Verdict::damaged;
      stop.offset = file_bytes;
      stop.what =
          "the file ends here, but it was made with " + std::to_string(info.header.size_bytes) + " bytes";
    }
    const bool survives =
        in_cluster() && (stop.verdict == Verdict::damaged || is_older_than_checkpoint(tail));
    return survives ? survive(scanner, std::move(stop), tail) : end_current(stop, tail);
  }
}

Status Recovery::take_flush(const ScannedFlush& flush, UncommittedTail& tail) {
  SegmentInfo& info = result_.table.current();
  add_starts(flush, info.header.first_position, result_.table.current_starts);
  VERITY_TRY(take_committed(tail.take(flush)));
  last_flush_ = {flush.header, flush.bytes};
  info.end_position = flush.header.end_position();
  info.end_offset = flush.end;
  mark_ =
      std::max(std::min(mark_, Position{flush.header.first_position.value - 1}), flush.header.durable_mark);
  result_.next_flush = flush.header.sequence + 1;
  result_.sealed = flush.header.kind == FlushKind::seal;
  return {};
}

bool Recovery::is_older_than_checkpoint(const UncommittedTail& tail) const {
  const auto& entries = tail.entries();
  return std::any_of(entries.begin(), entries.end(), [&](const PlacedEntry& placed) {
    return placed.entry->position() == input_.checkpoint && placed.entry->hash() != input_.checkpoint_hash;
  });
}

Status Recovery::survive(SegmentScanner& scanner, ScanStop stop, UncommittedTail& tail) {
  VERITY_TRY_ASSIGN(BehindDamage behind, look_behind(wait_, scanner, std::move(stop), input_.checkpoint));
  for (const Hole& hole : behind.holes) {
    const Position known = last_of_view(tail, hole.next_entry()->header().view, hole.known);
    VERITY_TRY(take_committed(tail.take_up_to(known)));
    leave_hole(hole.stop, known, hole.end(), hole.parent, tail);
    for (const ScannedFlush& flush : hole.flushes) VERITY_TRY(take_flush(flush, tail));
  }
  if (behind.end.verdict == Verdict::damaged || is_older_than_checkpoint(tail)) {
    VERITY_TRY(give_up_end(behind.end, behind.known, tail));
    behind.end.verdict = Verdict::end_of_log;
    behind.end.written_end = result_.table.current().header.size_bytes;
  }
  return end_current(behind.end, tail);
}

// Positions up to `end`, which are committed, are damaged; `head` is the hash of the last of them.
void Recovery::leave_hole(const ScanStop& stop, Position known, Position end, const Sha256Digest& head,
                          UncommittedTail& tail) {
  SegmentInfo& info = result_.table.current();
  const Position begin = std::max(known.next(), info.header.first_position);
  tail.drop_from(begin);  // maybe not what was committed
  result_.table.current_starts.resize(begin.value - info.header.first_position.value);
  result_.table.current_starts.resize(end.value - info.header.first_position.value, 0);
  info.end_position = end;
  result_.committed = result_.last = Position{end.value - 1};
  result_.committed_head = result_.head = head;
  if (result_.last > result_.applied) deriving_ = false;
  result_.damage.push_back({in_log(current_segment_name), stop.offset, begin, stop.what});
}

// Entries may be lost from `stop` on. Of what is left before it, that counts which cannot have been replaced by what is lost.
Status Recovery::give_up_end(const ScanStop& stop, Position known, UncommittedTail& tail) {
  const SegmentInfo& info = result_.table.current();
  const std::string place = in_log(current_segment_name) + " at offset " + std::to_string(stop.offset);
  if (stop.position <= input_.checkpoint || is_older_than_checkpoint(tail)) {
    VERITY_TRY(input_.mark_lost(input_.checkpoint.next()));
    leave_hole(stop, known, input_.checkpoint.next(), input_.checkpoint_hash, tail);
    result_.committed_timestamp = result_.last_timestamp = input_.checkpoint_timestamp;
    ++result_.next_flush;  // of what is lost; the repaired segment needs one for it
    result_.notes.push_back(place + ": damaged up to the checkpoint, and behind it (" + stop.what + ")");
    return {};
  }
  const Position keep =
      last_of_view(tail, input_.log_view,
                   std::max({known, input_.checkpoint, Position{info.header.first_position.value - 1}}));
  VERITY_TRY(input_.mark_lost(keep.next()));
  result_.notes.push_back(place + ": damaged (" + stop.what + "); what may be lost from position " +
                          keep.next().describe() + " on is fetched from the other nodes");
  if (keep.next() == info.end_position) return {};
  tail.drop_from(keep.next());
  doubtful_ = keep.next();
  return {};
}

// Nothing behind what is known to be committed is alive any more.
void Recovery::drop_uncommitted(UncommittedTail& tail) {
  const Position first = std::max(result_.committed, input_.checkpoint).next();
  if (first >= result_.table.current().end_position) return;
  tail.drop_from(first);
  doubtful_ = first;
  result_.notes.push_back(in_log(current_segment_name) +
                          ": dropped what is not known to be committed, from position " + first.describe() +
                          " on");
}

// Says in the file, too, that what it holds from there on counts for nothing.
Status Recovery::write_replace() {
  SegmentInfo& info = result_.table.current();
  const FlushPlace place{.cluster_id = input_.cluster_id,
                         .segment = info.header.sequence,
                         .offset = info.end_offset,
                         .sequence = result_.next_flush,
                         .durable_mark = result_.last,
                         .committed = result_.committed,
                         .block_bytes = info.header.block_bytes};
  AlignedBuffer buffer;
  const ByteCount size = build_replace(place, *doubtful_, result_.head, {}, buffer);
  VERITY_TRY(
      result_.current->write(wait_, info.end_offset, buffer.view().first(size), io::Durability::durable));
  ++result_.next_flush;
  info.end_offset += size;
  info.end_position = *doubtful_;
  result_.table.current_starts.resize(doubtful_->value - info.header.first_position.value);
  return {};
}

Status Recovery::end_current(const ScanStop& stop, UncommittedTail& tail) {
  if (input_.only_committed && in_cluster()) drop_uncommitted(tail);
  VERITY_TRY(take_tail(tail));
  SegmentInfo& info = result_.table.current();
  result_.marked = mark_ >= result_.last;
  if (stop.verdict == Verdict::damaged) {
    VERITY_TRY(report({in_log(current_segment_name), stop.offset, stop.position, stop.what}));
  }
  if (input_.read_only) {
    result_.current.reset();
    return {};
  }
  // What was read last may so far exist only in memory: a process was killed before its write was durable, or its write
  // failed, after which a sync writes nothing. Every flush before it was durable when it was begun. It is read before
  // anything is written: zeros that a device puts in the wrong place would make an acknowledged flush the end of the log.
  VERITY_TRY_ASSIGN(const std::shared_ptr<const AlignedBuffer> last_flush, read_last_flush());
  // No ghost of an old tail may ever be read as log. What reads as zeros may be so in memory only, if an earlier start
  // failed to zero a tear and this device takes no direct I/O: all of it is zeroed.
  const bool may_hide_a_tear = !input_.clean_stop && !result_.sealed;
  const ByteCount zeros_end = may_hide_a_tear ? info.header.size_bytes : stop.written_end;
  VERITY_TRY_ASSIGN(const ByteCount file_bytes, result_.current->size(wait_));
  if (in_cluster() && !result_.sealed && file_bytes < info.header.size_bytes)
    VERITY_TRY(result_.current->allocate(wait_, info.header.size_bytes));
  const auto write_last_flush = [&]() -> Status {
    if (!last_flush) return {};
    const FlushHeader& header = last_flush_->header;
    const ByteCount size = round_up(header.length, ByteCount{info.header.block_bytes});
    return result_.current->write(wait_, header.offset, last_flush->view().first(size),
                                  io::Durability::durable);
  };
  // Before the zeros: with the damage gone and nothing in its place, what was replaced would be alive again. It is one
  // block, so it is there or not; what still stands behind it is found damaged once more.
  if (doubtful_) {
    VERITY_PROBE("start: what a lost end may have replaced is cut off");
    VERITY_TRY(write_last_flush());
    VERITY_TRY(write_replace());
  }
  VERITY_TRY(zero_range(wait_, *result_.current, info.end_offset, zeros_end));
  VERITY_TRY(write_last_flush());  // behind it nothing was put by mistake
  if (header_lost_ && in_cluster()) {
    VERITY_TRY(write_segment_header(wait_, *result_.current, info.header));
    result_.notes.push_back(in_log(current_segment_name) +
                            ": both copies of the segment header were damaged; made anew from the flushes");
  }
  if (stop.verdict == Verdict::torn) {
    VERITY_PROBE("start: a torn flush is dropped");
    result_.notes.push_back(in_log(current_segment_name) + " at offset " + std::to_string(stop.offset) +
                            ": dropped a torn flush that was never acknowledged (" + stop.what + ")");
  }
  VERITY_TRY(result_.current->sync(wait_));
  return directory_.sync(wait_);
}

// The whole flush as it was scanned; null if there is none. corrupt: the device gives something else by now, so that nobody
// can say what it holds; it is not written back, and not relied upon. Gives it nothing any more, then what was scanned is good.
Result<std::shared_ptr<const AlignedBuffer>> Recovery::read_last_flush() {
  if (!last_flush_) return nullptr;
  VERITY_ASSERT(last_flush_->bytes != nullptr);
  const FlushHeader& header = last_flush_->header;
  const ByteCount block = result_.table.current().header.block_bytes;
  const ByteCount size = round_up(header.length, block);
  AlignedBuffer buffer(size);
  bool is_readable = false;
  for (int attempt = 0; attempt < 2; ++attempt) {
    const Result<ByteCount> got = result_.current->read(wait_, header.offset, buffer.span().first(size));
    if (!got && got.error().code == ErrorCode::io_error) continue;
    if (!got) return std::unexpected(got.error());
    is_readable = true;
    const std::optional<FlushHeader> again = decode_flush_header(buffer.view().first(*got));
    const bool same = *got == size && again && again->header_checksum == header.header_checksum &&
                      inspect_flush(*again, buffer.view().first(size), block) == FlushState::intact;
    if (same) return last_flush_->bytes;
  }
  if (!is_readable) {
    VERITY_PROBE("start: the last flush cannot be read a second time");
    return last_flush_->bytes;
  }
  const Damage damage{in_log(current_segment_name), header.offset, header.first_position,
                      header.describe() + " reads differently each time"};
  return fail(ErrorCode::corrupt, damage.describe() + std::string(way_out));
}

// Index of the first segment to read entry by entry.
Result<std::size_t> Recovery::first_to_scan() {
  const auto& segments = result_.table.segments;
  const std::size_t last = segments.size() - 1;
  if (input_.checkpoint.value == 0) {
    ByteCount sealed_bytes = 0;
    for (const SegmentInfo& segment : segments) sealed_bytes += segment.sealed ? segment.end_offset : 0;
    deriving_ = sealed_bytes <= input_.derive_bytes_max;
    return deriving_ ? 0 : last - 1;  // one more than the current: the last entry may stand there
  }
  std::size_t index = last;
  while (index > 0 && segments[index].header.first_position > input_.checkpoint) --index;
  return index;
}

Result<Recovered> Recovery::run() {
  result_.applied = input_.checkpoint;
  VERITY_TRY(settle_names());
  VERITY_TRY(read_sealed_headers());
  VERITY_TRY(read_current_header());
  auto& segments = result_.table.segments;
  for (std::size_t i = 0; i + 1 < segments.size(); ++i) {
    segments[i].end_position = segments[i + 1].header.first_position;
    if (segments[i].end_position < segments[i].header.first_position) {
      return fail(ErrorCode::corrupt, in_log(segments[i + 1].file_name()) + " begins before " +
                                          in_log(segments[i].file_name()) + " does: files were exchanged");
    }
  }
  VERITY_TRY_ASSIGN(const std::size_t first, first_to_scan());
  for (std::size_t i = first; i + 1 < segments.size(); ++i) VERITY_TRY(scan_sealed(i));
  VERITY_TRY(scan_current());
  return std::move(result_);
}

}  // namespace

Result<Recovered> recover(io::Wait& wait, io::Directory& directory, const RecoveryInput& input) {
  return Recovery(wait, directory, input).run();
}

Status create_first_segment(io::Wait& wait, io::Directory& directory, const Id128& cluster_id,
                            ByteCount size) {
  VERITY_TRY_ASSIGN(const auto file, create_zeroed(wait, directory, next_segment_name, size));
  SegmentHeader header;
  header.block_bytes = static_cast<std::uint32_t>(file->block_bytes());
  header.cluster_id = cluster_id;
  header.first_position = Position{1};
  header.size_bytes = size;
  VERITY_TRY(write_segment_header(wait, *file, header));
  VERITY_TRY(directory.rename(wait, next_segment_name, current_segment_name));
  return directory.sync(wait);
}

}  // namespace verity::log
