// A directory of the machine. Every operation is a job for the thread pool: names may have to be read from
// disk, and the kernel offers few of these calls in another way.
#pragma once

#include "io/directory.h"
#include "io/linux/file.h"

#include <memory>
#include <string>

namespace verity::io {

// Opens the directory at `path`. With `create` it and the directories above it are made if they are missing,
// for their owner alone, and their names are durable when this returns.
Result<std::unique_ptr<Directory>> open_directory_at(Wait& wait, Services services, std::string path,
                                                     bool create);

}  // namespace verity::io
