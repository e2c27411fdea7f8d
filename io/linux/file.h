// A file of the machine: retries short transfers, checks alignment, names path and place in errors.
#pragma once

#include "io/directory.h"
#include "io/file.h"
#include "io/linux/fd.h"

#include <memory>
#include <string>

namespace verity::io {

class Backend;
class ThreadPool;

// What files and directories work with; of one runtime.
struct Services {
  Backend& backend;
  ThreadPool& pool;
};

// Opens `name` below the open directory `directory`; `path` is for messages.
Result<std::unique_ptr<File>> open_file(Wait& wait, Services services, int directory, const std::string& name,
                                        std::string path, OpenOptions options);

}  // namespace verity::io
