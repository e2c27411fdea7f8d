#include "engine/log/scrubber.h"

#include "engine/log/segment_files.h"
#include "engine/log/segment_scanner.h"
#include "io/base/probe.h"
#include "io/directory.h"
#include "io/fiber/loop.h"
#include "io/file.h"

namespace verity::log {

Scrubber::Scrubber(io::Loop& loop, io::Directory& directory, const SegmentTable& table, Options options)
    : loop_(loop), directory_(directory), table_(table), options_(options) {}

void Scrubber::start() {
  running_.add();
  loop_.spawn("scrubber", [this] {
    io::Wait wait(loop_, &cancel_);
    run(wait);
    running_.done();
  });
}

void Scrubber::stop(io::Wait& wait) {
  cancel_.cancel();
  ignore(running_.wait(wait), "nobody cancels a stop");
}

void Scrubber::run(io::Wait& wait) {
  while (wait.sleep(options_.pause) && go_round(wait)) ++rounds_;
}

bool Scrubber::go_round(io::Wait& wait) {
  // By index: the table grows while we wait. What is current when its turn comes is the last one of the round.
  for (std::size_t i = 0; i < table_.segments.size(); ++i) {
    const SegmentInfo segment = table_.segments[i];
    Result<std::optional<Damage>> found = scrub(wait, segment);
    if (!found) {
      if (found.error().code == ErrorCode::crashed || !wait.check()) return false;
      found = Damage{"log/" + segment.file_name(), 0, segment.header.first_position, found.error().message};
    }
    if (*found && table_.segments[i].sealed != segment.sealed) {
      VERITY_PROBE("scrubber: a damaged segment was sealed meanwhile");
      --i;  // the place has another name now, and may have been put right under that
      continue;
    }
    if (*found) on_damage(**found);
    if (!segment.sealed) break;
  }
  return true;
}

// Either copy is enough, so nothing is lost yet; the other one is there for the day the first goes too.
Status Scrubber::mend_header(io::Wait& wait, const SegmentInfo& segment, const SegmentHeader& good) {
  const std::string what =
      "log/" + segment.file_name() + ": one copy of the segment header is damaged; the other one is good";
  if (!segment.sealed && !options_.read_only) {
    // Its writer has the header, too, and a switch may take the name away from it.
    if (not_mended_.insert(segment.header.sequence).second)
      on_note(what +
              ", and will be copied over it when the segment is sealed, which is done as soon as possible");
    seal_soon();
    return {};
  }
  const Status mended = options_.read_only
                            ? fail(ErrorCode::read_only, "this node writes nothing")
                            : rewrite_segment_header(wait, directory_, segment.file_name(), good);
  if (!mended && mended.error().code == ErrorCode::crashed) return mended;
  if (mended) {
    not_mended_.erase(segment.header.sequence);
    on_note(what + ", and was copied over it");
  } else if (not_mended_.insert(segment.header.sequence).second) {
    on_note(what + ". It cannot be mended: " + mended.error().message);
  }
  return {};
}

Status Scrubber::check_header(io::Wait& wait, io::File& file, const SegmentInfo& segment) {
  const Result<DecodedSegmentHeader> header = read_segment_header(wait, file);
  const SegmentInfo& now = table_.segments.at(segment.header.sequence);
  const bool was_written = !segment.header_settled || !now.header_settled ||
                           (!segment.sealed && now.header.size_bytes != segment.header.size_bytes);
  if (was_written) return {};  // what was read may be half of it
  if (!header) return std::unexpected(header.error());
  if (!header->one_copy_damaged) return {};
  VERITY_PROBE("scrubber: one copy of a segment header is damaged");
  return mend_header(wait, segment, header->header);
}

Result<std::optional<Damage>> Scrubber::scrub(io::Wait& wait, const SegmentInfo& segment) {
  std::shared_ptr<io::File> file = table_.current_reader;  // whatever its name is by then
  ByteCount end = segment.end_offset;                      // the writer is busy behind it
  if (segment.sealed) {
    VERITY_TRY_ASSIGN(file, directory_.open(wait, segment.file_name(), {.mode = io::OpenMode::read}));
    VERITY_TRY_ASSIGN(end, file->size(wait));
  }
  if (file == nullptr) return std::nullopt;  // the start has said that there is none
  VERITY_TRY(check_header(wait, *file, segment));
  if (segment.sealed) {
    // Pages that the kernel keeps would say for long what the device has lost.
    VERITY_TRY_ASSIGN(
        const std::shared_ptr<io::File> past_the_cache,
        directory_.open(wait, segment.file_name(), {.mode = io::OpenMode::read, .direct = true}));
    if (past_the_cache->block_bytes() <= segment.header.block_bytes) file = past_the_cache;
  }
  SegmentScanner scanner(*file, segment.header, end, Position{segment.end_position.value - 1});
  while (true) {
    const ByteCount before = scanner.offset();
    VERITY_TRY_ASSIGN(const ScanStep step, scanner.next(wait));
    if (const auto* const stop = std::get_if<ScanStop>(&step)) {
      const bool complete = segment.sealed
                                ? scanner.sealed() && scanner.next_position() == segment.end_position
                                : scanner.offset() == end;
      if (complete) return std::nullopt;
      return Damage{"log/" + segment.file_name(), stop->offset, stop->position, stop->what};
    }
    const ByteCount read = scanner.offset() - before;
    bytes_ += read;
    VERITY_TRY(
        wait.sleep(Duration(static_cast<std::int64_t>(read * 1'000'000'000 / options_.bytes_per_second))));
  }
}

}  // namespace verity::log
