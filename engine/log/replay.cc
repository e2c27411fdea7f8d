#include "engine/log/replay.h"

#include "engine/log/uncommitted_tail.h"
#include "io/directory.h"
#include "io/fiber/wait.h"
#include "io/file.h"

namespace verity::log {
namespace {

// Those entries of a flush that stand where the table says, in the order of the file.
std::vector<PlacedEntry> alive(const ScannedFlush& flush, const SegmentInfo& segment,
                               const std::vector<std::uint32_t>& starts) {
  std::vector<PlacedEntry> found;
  for (std::size_t i = 0; i < flush.entries.size(); ++i) {
    const std::uint64_t index = flush.entries[i]->position().value - segment.header.first_position.value;
    if (index < starts.size() && starts[index] == flush.starts[i]) {
      found.push_back({flush.entries[i], flush.starts[i]});
    }
  }
  return found;
}

}  // namespace

Result<std::optional<Damage>> replay(io::Wait& wait, io::Directory& directory, const SegmentTable& table,
                                     Position begin, Position end,
                                     const std::function<Status(const EntryPtr&)>& apply) {
  Position position = begin;
  while (position < end) {
    const SegmentInfo* const found = table.find(position);
    if (found == nullptr) {
      return Damage{.file = "log/", .position = position, .what = "no segment holds this position"};
    }
    const SegmentInfo segment = *found;  // the table may grow while we wait
    const std::vector<std::uint32_t> starts =
        segment.sealed ? std::vector<std::uint32_t>() : table.current_starts;
    std::shared_ptr<io::File> file = table.current_reader;
    if (segment.sealed) {
      VERITY_TRY_ASSIGN(file, directory.open(wait, segment.file_name(), {.mode = io::OpenMode::read}));
    }
    VERITY_TRY_ASSIGN(const ByteCount size, file->size(wait));
    SegmentScanner scanner(*file, segment.header, size, Position{segment.end_position.value - 1});
    UncommittedTail tail;
    while (position < std::min(end, segment.end_position)) {
      VERITY_TRY(wait.check());
      VERITY_TRY_ASSIGN(ScanStep step, scanner.next(wait));
      if (const auto* const stop = std::get_if<ScanStop>(&step)) {
        return Damage{"log/" + segment.file_name(), stop->offset, stop->position, stop->what};
      }
      // The current segment may not say yet that they are committed; its table tells which of them count.
      const auto& flush = std::get<ScannedFlush>(step);
      for (const auto& [entry, start] : segment.sealed ? tail.take(flush) : alive(flush, segment, starts)) {
        if (entry->position() < position || entry->position() >= end) continue;
        VERITY_TRY(apply(entry));
        position = entry->position().next();
      }
    }
  }
  return std::nullopt;
}

}  // namespace verity::log
