// The loop on io_uring: what fibers ask for during a turn goes to the kernel in one system call, the same
// that waits for what has finished.
//
//   fiber: fills a submission, parks ──► turn(): submit and wait ──► completion ──► fiber made ready
//
// Buffers and the operation itself live on the fiber's stack. A fiber that gives up therefore first takes its
// operation back and waits until the kernel has let go of it.
//
// Durable writes may go to a thread instead; durable_way.h says when and why.
#pragma once

#include "io/linux/backend.h"

#include <memory>
#include <string>

namespace verity::io {

class ThreadPool;

// `disk_pool` outlives the backend. The error says why the kernel or the container refuses io_uring. To be used by the thread that made it.
Result<std::unique_ptr<Backend>> make_uring_backend(ThreadPool& disk_pool);

}  // namespace verity::io
