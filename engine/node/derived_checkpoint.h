// Derived state to and from checkpoint files.
#pragma once

#include "engine/node/derived.h"
#include "io/base/result.h"

#include <memory>
#include <string>
#include <vector>

namespace verity::io {
class Directory;
class Wait;
}  // namespace verity::io

namespace verity::index {
class CheckpointReader;
class CheckpointWriter;
}  // namespace verity::index

namespace verity::node {

// All of it, in memory, still to be written. Lets others run; `derived` must not change meanwhile. `wait` outlives the answer.
Result<std::unique_ptr<index::CheckpointWriter>> encode_derived(io::Wait& wait, const Id128& cluster_id,
                                                                const Derived& derived);

// All sections of one checkpoint into `derived`, which is new.
Status load_derived_from(index::CheckpointReader& reader, const DerivedLimits& limits,
                         std::uint64_t hash_seed, Derived& derived);

struct LoadedDerived {
  std::unique_ptr<Derived> derived;  // empty if there is no valid checkpoint
  std::vector<std::string> notes;    // checkpoints that had to be passed over
};

Result<LoadedDerived> load_derived(io::Wait& wait, io::Directory& index, const Id128& cluster_id,
                                   const DerivedLimits& limits, std::uint64_t hash_seed);

}  // namespace verity::node
