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
  while (wait.sleep(options_.pause)) {
    // By index: the table grows while we wait, sealed segments in it do not change.
    for (std::size_t i = 0; i + 1 < table_.segments.size(); ++i) {
      const SegmentInfo segment = table_.segments[i];
      const Status scrubbed = scrub(wait, segment);
      if (scrubbed) continue;
      if (scrubbed.error().code == ErrorCode::crashed || !wait.check()) return;
      on_damage({"log/" + segment.file_name(), 0, segment.header.first_position, scrubbed.error().message});
    }
    ++rounds_;
  }
}

// Either copy is enough, so nothing is lost yet; the other one is there for the day the first goes too.
Status Scrubber::mend_header(io::Wait& wait, const std::string& name, const SegmentHeader& good) {
  const Status mended = options_.read_only ? fail(ErrorCode::read_only, "this node writes nothing")
                                           : rewrite_segment_header(wait, directory_, name, good);
  if (!mended && mended.error().code == ErrorCode::crashed) return mended;
  const std::string what =
      "log/" + name + ": one copy of the segment header is damaged; the other one is good";
  if (mended) {
    not_mended_.erase(name);
    on_note(what + ", and was copied over it");
  } else if (not_mended_.insert(name).second) {
    on_note(what + ". It cannot be mended: " + mended.error().message);
  }
  return {};
}

Status Scrubber::scrub(io::Wait& wait, const SegmentInfo& segment) {
  const std::string name = segment.file_name();
  VERITY_TRY_ASSIGN(const auto file, directory_.open(wait, name, {.mode = io::OpenMode::read}));
  VERITY_TRY_ASSIGN(const ByteCount size, file->size(wait));
  const Result<DecodedSegmentHeader> header = read_segment_header(wait, *file);
  if (!header) return std::unexpected(header.error());
  if (header->one_copy_damaged) {
    VERITY_PROBE("scrubber: one copy of a segment header is damaged");
    VERITY_TRY(mend_header(wait, name, header->header));
  }
  SegmentScanner scanner(*file, segment.header, size, Position{segment.end_position.value - 1});
  while (true) {
    const ByteCount before = scanner.offset();
    VERITY_TRY_ASSIGN(const ScanStep step, scanner.next(wait));
    if (const auto* const stop = std::get_if<ScanStop>(&step)) {
      const bool complete = scanner.sealed() && scanner.next_position() == segment.end_position;
      if (!complete) on_damage({"log/" + name, stop->offset, stop->position, stop->what});
      return {};
    }
    const ByteCount read = scanner.offset() - before;
    bytes_ += read;
    VERITY_TRY(
        wait.sleep(Duration(static_cast<std::int64_t>(read * 1'000'000'000 / options_.bytes_per_second))));
  }
}

}  // namespace verity::log
