// The loop without io_uring: files on a thread pool, sockets by epoll. For containers that refuse io_uring;
// slower by a hop to another thread for each file operation, and the same in everything else.
#pragma once

#include "io/linux/backend.h"

#include <memory>

namespace verity::io {

class ThreadPool;

// Files run on `disk_pool`, which outlives the backend.
Result<std::unique_ptr<Backend>> make_epoll_backend(ThreadPool& disk_pool);

}  // namespace verity::io
