// Reads a whole log and checks everything in it: headers, flushes, checksums, body hashes, the chain from the first entry to
// the last. Changes nothing and takes no lock, so it works beside a running server; there it goes as far as the log was
// durable when it got there.
#pragma once

#include "engine/log/damage.h"
#include "engine/log/entry.h"
#include "engine/log/merkle.h"
#include "io/base/result.h"

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace verity::io {
class Directory;
class Wait;
}  // namespace verity::io

namespace verity::log {

struct VerifyOptions {
  // What the log must belong to; if not given, what its first segment says.
  std::optional<Id128> cluster_id;
  // Every entry up to here was durable once.
  Position known_durable;
  // Called after every flush with the bytes done and in total.
  std::function<void(ByteCount, ByteCount)> on_progress;
  // Called for every entry that is verified and continues the chain, in order; and told where it starts. May suspend.
  std::function<Status(const EntryPtr&, std::uint64_t segment, std::uint32_t start)> on_entry;
};

struct VerifyReport {
  Id128 cluster_id;
  std::uint64_t segments = 0;
  std::uint64_t entries = 0;
  ByteCount bytes = 0;     // of flushes read
  Position last;           // last entry that could be verified
  Position durable;        // up to here a durable mark vouches for it
  Sha256Digest head;       // chain hash of `last`
  Sha256Digest tree_root;  // over 1..last
  Timestamp last_timestamp;
  std::vector<Damage> damage;      // not empty: the log is not whole
  std::vector<std::string> notes;  // harmless things an operator may want to know
};

// `directory` is log/. Damage is part of the report; an error means that verification itself could not go on.
Result<VerifyReport> verify_log(io::Wait& wait, io::Directory& directory, const VerifyOptions& options);

}  // namespace verity::log
