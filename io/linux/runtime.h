// The real world behind the interfaces of io/, for one thread: a loop, its clock, the network and the disk of
// this machine. Mains, benchmarks and tests build one and run their fibers in it; the rest of the house never
// sees it.
//
//   VERITY_TRY_ASSIGN(auto runtime, Runtime::create({}));
//   runtime->run([&](Wait& wait) { ... });
//
// One turn: letters and signals, timers, ready fibers; then one call to the kernel that hands over what they
// asked for and waits for whatever comes first.
#pragma once

#include "io/base/result.h"
#include "io/base/units.h"
#include "io/fiber/loop.h"
#include "io/fiber/mailbox.h"
#include "io/linux/clock.h"
#include "io/linux/random.h"

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace verity::io {

class Backend;
class Directory;
class LinuxNetwork;
class Network;
class ThreadPool;
class Wait;

enum class BackendChoice : std::uint8_t {
  automatic,  // io_uring; the fallback where it is refused
  io_uring,   // or an error
  fallback,   // thread pool and epoll
};

struct RuntimeOptions {
  BackendChoice backend = BackendChoice::automatic;
  ByteCount stack_bytes = 256 * KiB;  // of each fiber
  std::size_t thread_count_max = 4;   // for the disk, and as many again for names
};

class Runtime {
 public:
  // To be run and destroyed by the thread that calls this.
  static Result<std::unique_ptr<Runtime>> create(RuntimeOptions options);
  // Waits for blocking calls that were given up on, such as a name resolution.
  ~Runtime();
  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;

  // Runs `body` as a fiber and returns when it and every fiber it started have finished.
  void run(std::move_only_function<void(Wait&)> body);

  Loop& loop() { return loop_; }
  LinuxClock& clock() { return clock_; }
  LinuxRandom& random() { return random_; }
  Network& network();
  // For other threads.
  Mailbox& mailbox() { return mailbox_; }

  // Opens a directory by its path. With `create` it and those above it are made if missing, for their owner
  // alone, and durably so.
  Result<std::unique_ptr<Directory>> open_directory(Wait& wait, std::string_view path, bool create);

  // Calls `received` on the loop, outside its fibers, when the first of `signals` arrives. From then on all of
  // them mean what they mean to a process that handles none: a second one ends it, even if the loop is stuck.
  // One runtime of a process at a time; until it is destroyed.
  void on_signals(std::span<const int> signals, std::move_only_function<void(int signal)> received);

  // "io_uring", or "thread pool and epoll (io_uring refused: Operation not permitted)".
  const std::string& backend_name() const { return backend_name_; }

 private:
  explicit Runtime(RuntimeOptions options);
  Status start(BackendChoice choice);
  void deliver_signals();

  LinuxClock clock_;
  LinuxRandom random_;
  Mailbox mailbox_;
  Loop loop_;
  // Two, so that a name server that does not answer holds up no write.
  std::unique_ptr<ThreadPool> name_pool_;
  std::unique_ptr<ThreadPool> disk_pool_;
  std::unique_ptr<Backend> backend_;
  std::unique_ptr<LinuxNetwork> network_;
  std::string backend_name_;
  std::move_only_function<void(int)> received_;
};

}  // namespace verity::io
