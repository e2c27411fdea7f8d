// Reads the log over and over, at a bounded rate, so that rot is found while a good copy may still exist elsewhere, not on
// the day the data is needed: the sealed segments past the page cache, and of the current one what was durable when
// its turn came. What is written meanwhile is left to the next round.
#pragma once

#include "engine/log/damage.h"
#include "engine/log/segment_table.h"
#include "io/base/units.h"
#include "io/fiber/sync.h"
#include "io/fiber/wait.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>

namespace verity::io {
class Directory;
class File;
class Loop;
}  // namespace verity::io

namespace verity::log {

class Scrubber {
 public:
  struct Options {
    Duration pause = 10s;  // between two rounds
    ByteCount bytes_per_second = 32 * MiB;
    bool read_only = false;  // nothing is mended
  };

  Scrubber(io::Loop& loop, io::Directory& directory, const SegmentTable& table, Options options);

  // Called for every damaged place in every round; it does not suspend.
  std::function<void(const Damage&)> on_damage;
  // Called for what was harmless, and mended unless the text says why not; once for each segment that cannot be.
  std::function<void(const std::string&)> on_note;
  // The current segment cannot be mended as long as it is written: sealed, it will be. It does not suspend.
  std::function<void()> seal_soon;

  void start();
  // Must have returned before destruction.
  void stop(io::Wait& wait);

  std::uint64_t bytes_total() const { return bytes_; }
  std::uint64_t rounds_total() const { return rounds_; }

 private:
  void run(io::Wait& wait);
  // One round; false: it was cut short.
  bool go_round(io::Wait& wait);
  // The first damaged place of this segment, if there is one.
  Result<std::optional<Damage>> scrub(io::Wait& wait, const SegmentInfo& segment);
  Status check_header(io::Wait& wait, io::File& file, const SegmentInfo& segment);
  Status mend_header(io::Wait& wait, const SegmentInfo& segment, const SegmentHeader& good);

  io::Loop& loop_;
  io::Directory& directory_;
  const SegmentTable& table_;
  const Options options_;
  io::CancelSource cancel_;
  io::WaitGroup running_;
  std::uint64_t bytes_ = 0;
  std::uint64_t rounds_ = 0;
  std::set<std::uint64_t> not_mended_;  // segments with one bad copy of the header
};

}  // namespace verity::log
