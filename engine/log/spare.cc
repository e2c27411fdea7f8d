#include "engine/log/spare.h"

#include "engine/log/segment_files.h"
#include "io/base/probe.h"
#include "io/fiber/loop.h"
#include "io/file.h"
#include "io/logger.h"

namespace verity::log {
namespace {

constexpr Duration retry_after = 1s;

}  // namespace

SpareSegment::SpareSegment(io::Loop& loop, io::Logger& logger, io::Directory& directory, ByteCount size)
    : loop_(loop), logger_(logger), directory_(directory), size_(size) {}

void SpareSegment::start() {
  running_.add();
  loop_.spawn("spare segment", [this] {
    io::Wait wait(loop_, &cancel_);
    run(wait);
    running_.done();
  });
}

void SpareSegment::run(io::Wait& wait) {
  while (wait.check()) {
    if (file_ != nullptr || taken_) {
      ignore(wanted_.wait(wait), "the loop's condition looks at the cancellation");
      continue;
    }
    auto made = create_zeroed(wait, directory_, next_segment_name, size_);
    if (made) {
      file_ = std::move(*made);
      problem_.reset();
      changed_.notify_all();
      continue;
    }
    VERITY_PROBE("segments: there is no spare one");
    if (!problem_) {
      logger_.log(io::LogLevel::warn, "verity_log", "cannot prepare the next segment; trying again",
                  {{"error", made.error().describe()}});
    }
    problem_ = made.error();
    changed_.notify_all();
    if (made.error().code == ErrorCode::crashed) return give_up();  // there will never be another
    ignore(wait.sleep(retry_after), "the loop's condition looks at the cancellation");
  }
}

Result<std::unique_ptr<io::File>> SpareSegment::take(io::Wait& wait) {
  while (file_ == nullptr) {
    const bool hopeless = problem_ && (giving_up_ || problem_->code == ErrorCode::crashed);
    if (hopeless) return std::unexpected(*problem_);
    VERITY_TRY(changed_.wait(wait));
  }
  taken_ = true;
  return std::move(file_);
}

void SpareSegment::begin_next() {
  taken_ = false;
  wanted_.notify_all();
}

void SpareSegment::give_up() {
  giving_up_ = true;
  changed_.notify_all();
}

void SpareSegment::stop(io::Wait& wait) {
  cancel_.cancel();
  ignore(running_.wait(wait), "nobody cancels a stop");
  file_.reset();
}

}  // namespace verity::log
