// Checks a whole data directory: node state, log, and whether everything derived from the log agrees with it. Changes
// nothing, takes no lock.
#pragma once

#include "engine/log/verify.h"
#include "io/base/result.h"

#include <string>
#include <vector>

namespace verity::node {

struct DirectoryReport {
  log::VerifyReport log;
  // Damage outside the log: node state and checkpoints. A line each, beginning with the file.
  std::vector<std::string> damage;
  // Offset tables that do not fit: a power cut may leave them so, and whoever needs one makes it again.
  std::vector<std::string> notes;
  std::uint64_t tenants = 0;
  std::uint64_t events = 0;

  bool is_whole() const { return damage.empty() && log.damage.empty(); }
};

Result<DirectoryReport> verify_directory(io::Wait& wait, io::Directory& data,
                                         std::function<void(ByteCount, ByteCount)> on_progress);

}  // namespace verity::node
