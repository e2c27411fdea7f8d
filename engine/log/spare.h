// Keeps the next segment ready: a file of zeros, made ahead of need on a fiber of its own. When there is no space it says
// so and tries again.
#pragma once

#include "io/base/result.h"
#include "io/base/units.h"
#include "io/fiber/sync.h"
#include "io/fiber/wait.h"

#include <memory>
#include <optional>

namespace verity::io {
class Directory;
class File;
class Logger;
class Loop;
}  // namespace verity::io

namespace verity::log {

class SpareSegment {
 public:
  SpareSegment(io::Loop& loop, io::Logger& logger, io::Directory& directory, ByteCount size);

  // Spawns the fiber. stop() must have returned before destruction.
  void start();
  void stop(io::Wait& wait);

  bool is_ready() const { return file_ != nullptr; }
  // Why there is none, if making one failed; it is being tried again.
  const std::optional<Error>& problem() const { return problem_; }

  // Suspends until one is ready and hands it over, still under its name.
  Result<std::unique_ptr<io::File>> take(io::Wait& wait);
  // The one that was taken has got its new name: make another.
  void begin_next();
  // From here on take() reports the problem, if there is one, instead of waiting for it to go away.
  void give_up();

 private:
  void run(io::Wait& wait);

  io::Loop& loop_;
  io::Logger& logger_;
  io::Directory& directory_;
  const ByteCount size_;

  io::CancelSource cancel_;
  io::Signal wanted_;
  io::Signal changed_;  // ready, or a problem
  io::WaitGroup running_;
  std::unique_ptr<io::File> file_;
  bool taken_ = false;  // and its name not free yet
  bool giving_up_ = false;
  std::optional<Error> problem_;
};

}  // namespace verity::log
