// The loop without io_uring: files on a thread pool, sockets by epoll. For containers that refuse io_uring;
// slower by a hop to another thread for each file operation, and the same in everything else.
#pragma once

#include "io/linux/backend.h"

#include <memory>

namespace verity::io {

class ThreadPool;

Result<std::unique_ptr<Backend>> make_epoll_backend(ThreadPool& pool);

}  // namespace verity::io
