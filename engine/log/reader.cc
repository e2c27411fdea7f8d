#include "engine/log/reader.h"

#include "engine/log/offsets.h"
#include "engine/log/segment_scanner.h"
#include "io/base/assert.h"
#include "io/base/probe.h"
#include "io/directory.h"
#include "io/fiber/wait.h"
#include "io/file.h"

#include <algorithm>

namespace verity::log {
namespace {

constexpr std::size_t files_max = 16;
constexpr std::size_t starts_max = 8;
// Larger entries take a second read.
constexpr ByteCount first_read_bytes = 64 * KiB;

// Moves the item to the front and returns it; null if it is not there.
template <class Value>
Value* find_recent(std::list<std::pair<std::uint64_t, Value>>& items, std::uint64_t key) {
  const auto found =
      std::find_if(items.begin(), items.end(), [&](const auto& item) { return item.first == key; });
  if (found == items.end()) return nullptr;
  items.splice(items.begin(), items, found);
  return &items.front().second;
}

template <class Value>
void add_recent(std::list<std::pair<std::uint64_t, Value>>& items, std::uint64_t key, Value value,
                std::size_t max) {
  items.emplace_front(key, std::move(value));
  if (items.size() > max) items.pop_back();
}

OffsetsOf identity(const SegmentInfo& segment) {
  return {segment.header.cluster_id, segment.header.sequence, segment.header.first_position,
          segment.end_position.value - segment.header.first_position.value};
}

}  // namespace

LogReader::LogReader(io::Directory& directory, const SegmentTable& table, Id128 cluster_id,
                     ByteCount cache_bytes, bool writes_sidecars)
    : directory_(directory),
      table_(table),
      cluster_id_(cluster_id),
      cache_bytes_(cache_bytes),
      writes_sidecars_(writes_sidecars) {}

void LogReader::remember(const EntryPtr& entry) {
  VERITY_ASSERT(newest_.empty() || newest_.back()->position().next() == entry->position());
  newest_.push_back(entry);
  newest_bytes_ += entry->bytes().size();
  // The newest entry itself stays: it may not be in a file yet.
  while (newest_bytes_ > cache_bytes_ && newest_.size() > 1 &&
         newest_.front()->position() < table_.current().end_position) {
    newest_bytes_ -= newest_.front()->bytes().size();
    newest_.pop_front();
  }
}

void LogReader::forget_from(Position first) {
  while (!newest_.empty() && newest_.back()->position() >= first) {
    newest_bytes_ -= newest_.back()->bytes().size();
    newest_.pop_back();
  }
}

void LogReader::forget_segment(std::uint64_t sequence) {
  ++forgotten_;
  std::erase_if(files_, [&](const auto& item) { return item.first == sequence; });
  std::erase_if(starts_, [&](const auto& item) { return item.first == sequence; });
}

Result<EntryPtr> LogReader::read(io::Wait& wait, Position position) {
  if (!newest_.empty() && newest_.front()->position() <= position) {
    const std::uint64_t index = position.value - newest_.front()->position().value;
    if (index < newest_.size()) return newest_[index];
  }
  return read_from_file(wait, position);
}

std::unexpected<Error> LogReader::damaged(const Damage& damage) {
  if (on_damage) on_damage(damage);
  return fail(ErrorCode::corrupt, damage.describe());
}

Result<EntryPtr> LogReader::read_from_file(io::Wait& wait, Position position) {
  const SegmentInfo* const found = table_.find(position);
  if (found == nullptr)
    return fail(ErrorCode::not_found, "position " + position.describe() + " is not in the log");
  const SegmentInfo segment = *found;  // the table may change while we wait
  const std::string name = "log/" + segment.file_name();
  const std::uint64_t forgotten = forgotten_;
  const Result<std::shared_ptr<io::File>> file = file_of(wait, segment);
  if (!file && file.error().code == ErrorCode::not_found)
    return damaged({name, 0, position, "there is no such file"});
  if (!file) return std::unexpected(file.error());
  VERITY_TRY_ASSIGN(const std::optional<Extent> extent, locate(wait, segment, position));
  const auto not_there = [&] {
    return fail(ErrorCode::not_found, "position " + position.describe() + " is not in the log");
  };
  if (!extent || extent->end <= extent->begin) {
    if (table_.find(position) == nullptr) return not_there();  // dropped while we waited
    return damaged({name, segment_header_bytes, position, "the entry cannot be found in its segment"});
  }
  Result<EntryPtr> entry = read_extent(wait, **file, *extent, position);
  const auto is_settled = [&] { return entry || entry.error().code == ErrorCode::crashed; };
  // A device may serve once what stood there before, or nothing: damage is what it says twice.
  if (!is_settled()) {
    VERITY_PROBE("reads: an entry is read a second time");
    entry = read_extent(wait, **file, *extent, position);
  }
  if (is_settled()) return entry;
  if (table_.find(position) == nullptr) return not_there();
  if (forgotten != forgotten_) {
    VERITY_PROBE("reads: the file was put together again meanwhile");
    return read_from_file(wait, position);  // of the old file and the new one
  }
  return damaged({name, extent->begin, position, entry.error().message});
}

// Up to the next entry: this one, and what closes its flush and opens the next; after a
// replacement also flushes that are dead, and behind the last one of a segment that was not truncated, all the zeros of the
// file. So the entry itself says how much is read.
Result<EntryPtr> LogReader::read_extent(io::Wait& wait, io::File& file, const Extent& extent,
                                        Position position) const {
  const ByteCount room = extent.end - extent.begin;
  Bytes bytes(std::min(room, first_read_bytes));
  VERITY_TRY_ASSIGN(ByteCount got, file.read(wait, extent.begin, bytes));
  VERITY_TRY_ASSIGN(const EntryHeader header, decode_entry_header(ByteView(bytes).first(got)));
  if (header.position != position || header.cluster_id != cluster_id_) {
    return fail(ErrorCode::corrupt, "entry " + header.position.describe() + " of cluster " +
                                        header.cluster_id.describe() + " stands there instead");
  }
  const ByteCount size = entry_header_bytes + header.body_bytes;
  if (size > got && size <= room) {
    bytes.resize(size);
    VERITY_TRY_ASSIGN(const ByteCount more,
                      file.read(wait, extent.begin + got, MutableByteView(bytes).subspan(got)));
    got += more;
  }
  if (size > got) return fail(ErrorCode::corrupt, "the entry is cut off");
  return Entry::decode(ByteView(bytes).first(size));
}

Result<std::optional<LogReader::Extent>> LogReader::locate(io::Wait& wait, const SegmentInfo& segment,
                                                           Position position) {
  const std::uint64_t index = position.value - segment.header.first_position.value;
  const auto extent_in = [&](const std::vector<std::uint32_t>& starts) -> std::optional<Extent> {
    if (index >= starts.size() || starts[index] == 0) return std::nullopt;
    const bool next_is_there = index + 1 < starts.size() && starts[index + 1] != 0;
    return Extent{starts[index], next_is_there ? starts[index + 1] : segment.end_offset};
  };
  if (is_current(segment)) return extent_in(table_.current_starts);
  VERITY_TRY_ASSIGN(const Starts starts, starts_of(wait, segment));
  return extent_in(*starts);
}

Result<std::shared_ptr<io::File>> LogReader::file_of(io::Wait& wait, const SegmentInfo& segment) {
  if (is_current(segment)) return table_.current_reader;
  if (auto* const file = find_recent(files_, segment.header.sequence)) return *file;
  VERITY_TRY_ASSIGN(auto opened, directory_.open(wait, sealed_segment_name(segment.header.sequence),
                                                 {.mode = io::OpenMode::read}));
  std::shared_ptr<io::File> file = std::move(opened);
  add_recent(files_, segment.header.sequence, file, files_max);
  return file;
}

Result<LogReader::Starts> LogReader::starts_of(io::Wait& wait, const SegmentInfo& segment) {
  if (auto* const starts = find_recent(starts_, segment.header.sequence)) return *starts;
  Starts starts;
  if (const auto file =
          directory_.open(wait, offsets_name(segment.header.sequence), {.mode = io::OpenMode::read})) {
    const Result<ByteCount> size = (*file)->size(wait);
    if (size && *size <= 64 + identity(segment).count * sizeof(std::uint32_t)) {
      Bytes bytes(*size);
      const Result<ByteCount> got = (*file)->read(wait, 0, bytes);
      std::optional<std::vector<std::uint32_t>> decoded =
          got ? decode_offsets(identity(segment), ByteView(bytes).first(*got)) : std::nullopt;
      if (decoded) starts = std::make_shared<const std::vector<std::uint32_t>>(std::move(*decoded));
    }
  }
  if (starts == nullptr) {
    VERITY_TRY_ASSIGN(starts, rebuild_starts(wait, segment));
  }
  if (find_recent(starts_, segment.header.sequence) == nullptr) {
    add_recent(starts_, segment.header.sequence, starts, starts_max);
  }
  return starts;
}

Result<LogReader::Starts> LogReader::rebuild_starts(io::Wait& wait, const SegmentInfo& segment) {
  VERITY_TRY_ASSIGN(const std::shared_ptr<io::File> file, file_of(wait, segment));
  VERITY_TRY_ASSIGN(const ByteCount size, file->size(wait));
  SegmentScanner scanner(*file, segment.header, size, Position{segment.end_position.value - 1});
  auto starts = std::make_shared<std::vector<std::uint32_t>>();
  while (true) {
    VERITY_TRY_ASSIGN(const ScanStep step, scanner.next(wait));
    if (const auto* const flush = std::get_if<ScannedFlush>(&step)) {
      add_starts(*flush, segment.header.first_position, *starts);
      continue;
    }
    const Position known = std::max(scanner.committed(), Position{segment.header.first_position.value - 1});
    VERITY_TRY_ASSIGN(const auto parent, scanner.skip_damage(wait));
    if (!parent) break;
    starts->resize(std::min(starts->size(), known.next().value - segment.header.first_position.value));
  }
  const bool is_whole = std::find(starts->begin(), starts->end(), 0U) == starts->end();
  if (writes_sidecars_ && is_whole && starts->size() == identity(segment).count) {
    const auto sidecar =
        directory_.open(wait, offsets_name(segment.header.sequence), {.mode = io::OpenMode::create});
    if (sidecar) {
      ignore((*sidecar)->write(wait, 0, encode_offsets(identity(segment), *starts), io::Durability::cached),
             "the sidecar is only a shortcut; it is made again when it is missed");
    }
  }
  return starts;
}

}  // namespace verity::log
