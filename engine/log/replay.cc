#include "engine/log/replay.h"

#include "engine/log/segment_scanner.h"
#include "io/directory.h"
#include "io/fiber/wait.h"
#include "io/file.h"

namespace verity::log {

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
    std::shared_ptr<io::File> file = table.current_reader;
    if (segment.sealed) {
      VERITY_TRY_ASSIGN(file, directory.open(wait, segment.file_name(), {.mode = io::OpenMode::read}));
    }
    VERITY_TRY_ASSIGN(const ByteCount size, file->size(wait));
    SegmentScanner scanner(*file, segment.header, size, Position{segment.end_position.value - 1});
    while (position < std::min(end, segment.end_position)) {
      VERITY_TRY(wait.check());
      VERITY_TRY_ASSIGN(ScanStep step, scanner.next(wait));
      if (const auto* const stop = std::get_if<ScanStop>(&step)) {
        return Damage{"log/" + segment.file_name(), stop->offset, stop->position, stop->what};
      }
      for (const EntryPtr& entry : std::get<ScannedFlush>(step).entries) {
        if (entry->position() < position || entry->position() >= end) continue;
        VERITY_TRY(apply(entry));
        position = entry->position().next();
      }
    }
  }
  return std::nullopt;
}

}  // namespace verity::log
