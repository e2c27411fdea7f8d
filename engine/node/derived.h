// Everything a node derives from its log: a deterministic function of the entries applied so far. Saved in checkpoints,
// rebuilt from the log when lost.
#pragma once

#include "engine/index/idempotency.h"
#include "engine/index/sessions.h"
#include "engine/index/stream_index.h"
#include "engine/log/body.h"
#include "engine/log/entry.h"
#include "engine/log/merkle.h"
#include "engine/tenant/catalogue.h"
#include "io/base/result.h"

namespace verity::node {

struct DerivedLimits {
  index::IdempotencyLimits keys{};
  index::SessionLimits sessions{};
};

class Derived {
 public:
  Derived(const DerivedLimits& limits, std::uint64_t hash_seed)
      : streams(hash_seed), keys(limits.keys, hash_seed), sessions(limits.sessions) {}

  // Takes in the next committed entry. corrupt, and of no further use, if it does not fit what came before: a program's
  // fault or a forged log, never a damaged one.
  Status apply(const log::Entry& entry, const log::MerkleFrontier::OnNode& on_node = {});

  // The last applied entry; position 0 before the first.
  Position position;
  Sha256Digest hash;
  Timestamp recorded_at;

  tenant::Catalogue catalogue;
  index::StreamIndex streams;
  index::IdempotencyIndex keys;
  index::SessionIndex sessions;
  log::MerkleFrontier tree;

 private:
  Status apply_body(const log::Entry& entry);

  log::EventsBody body_;  // memory used again
};

}  // namespace verity::node
