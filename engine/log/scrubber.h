// Reads the sealed segments over and over, at a bounded rate, so that rot is found while a good copy may still exist
// elsewhere, not on the day the data is needed.
#pragma once

#include "engine/log/damage.h"
#include "engine/log/segment_table.h"
#include "io/base/units.h"
#include "io/fiber/sync.h"
#include "io/fiber/wait.h"

#include <cstdint>
#include <functional>
#include <set>
#include <string>

namespace verity::io {
class Directory;
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

  void start();
  // Must have returned before destruction.
  void stop(io::Wait& wait);

  std::uint64_t bytes_total() const { return bytes_; }
  std::uint64_t rounds_total() const { return rounds_; }

 private:
  void run(io::Wait& wait);
  Status scrub(io::Wait& wait, const SegmentInfo& segment);
  Status mend_header(io::Wait& wait, const std::string& name, const SegmentHeader& good);

  io::Loop& loop_;
  io::Directory& directory_;
  const SegmentTable& table_;
  const Options options_;
  io::CancelSource cancel_;
  io::WaitGroup running_;
  std::uint64_t bytes_ = 0;
  std::uint64_t rounds_ = 0;
  std::set<std::string> not_mended_;  // files with one bad copy of the header
};

}  // namespace verity::log
