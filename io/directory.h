// One directory. Names are single path components.
//
// What survives a crash: a created, removed or renamed name only after sync() of its directory returned;
// until then any subset of the name changes may be there, each of them whole.
//
// Operations finish, as those on files do: deadline and cancellation of the Wait do not interrupt them.
#pragma once

#include "io/base/result.h"
#include "io/base/units.h"

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace verity::io {

class File;
class Wait;

enum class OpenMode : std::uint8_t {
  read,        // must exist
  write,       // read and write; must exist
  create,      // read and write; made if missing
  create_new,  // read and write; already_exists if it is there
};

struct OpenOptions {
  OpenMode mode = OpenMode::read;
  // Ask for direct I/O (past the page cache). Where the file system refuses it the file is opened buffered,
  // with the same alignment rules; File::block_bytes() tells the alignment.
  bool direct = false;
};

struct DirectoryEntry {
  std::string name;
  bool is_directory = false;
  ByteCount size = 0;  // of files
};

// Held while it lives; released by destruction and by the end of the process, however it ends.
class DirectoryLock {
 public:
  virtual ~DirectoryLock() = default;
};

class Directory {
 public:
  virtual ~Directory() = default;

  virtual Result<std::unique_ptr<File>> open(Wait& wait, std::string_view name, OpenOptions options) = 0;
  // Opens a directory below this one; makes it first if `create` (durable after sync()).
  virtual Result<std::unique_ptr<Directory>> open_directory(Wait& wait, std::string_view name,
                                                            bool create) = 0;
  // Removes a file or an empty directory.
  virtual Status remove(Wait& wait, std::string_view name) = 0;
  // Replaces `to` if it exists, atomically.
  virtual Status rename(Wait& wait, std::string_view from, std::string_view to) = 0;
  // Sorted by name, without "." and "..".
  virtual Result<std::vector<DirectoryEntry>> list(Wait& wait) = 0;
  virtual Status sync(Wait& wait) = 0;
  // How much more the file system has room for, as far as it can be known.
  virtual Result<ByteCount> free_bytes(Wait& wait) = 0;

  // Takes the exclusive lock `name` and leaves `holder` (one line) in it for others to read.
  // busy: somebody else has it; the message names the holder they left.
  virtual Result<std::unique_ptr<DirectoryLock>> lock(Wait& wait, std::string_view name,
                                                      std::string_view holder) = 0;

  // For messages: the path as given by whoever opened it.
  virtual const std::string& path() const = 0;
};

}  // namespace verity::io
