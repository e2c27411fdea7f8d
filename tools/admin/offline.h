// Work on the files of a data directory, without a server and without its lock.
#pragma once

#include "io/base/result.h"

#include <functional>
#include <string>

namespace verity::io {
class Directory;
class Wait;
}  // namespace verity::io

namespace verity::tools {

// Opens `path` (it must be a data directory) and runs `work` on it, in a world of its own.
Status with_directory(const std::string& path, const std::function<Status(io::Wait&, io::Directory&)>& work);

// Under its final name only when it is whole. "-": standard output.
Status write_result(const std::string& path, std::string_view text);

}  // namespace verity::tools
