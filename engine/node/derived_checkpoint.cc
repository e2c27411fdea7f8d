#include "engine/node/derived_checkpoint.h"

#include "engine/index/checkpoint.h"

namespace verity::node {

using index::Section;

Status load_derived_from(index::CheckpointReader& reader, const DerivedLimits& limits,
                         std::uint64_t hash_seed, Derived& derived) {
  const index::CheckpointInfo& info = reader.info();
  VERITY_TRY(reader.enter(Section::catalogue));
  VERITY_TRY_ASSIGN(const std::optional<ByteView> catalogue, reader.take());
  if (!catalogue) return fail(ErrorCode::corrupt, "the catalogue is missing");
  VERITY_TRY_ASSIGN(derived.catalogue, tenant::Catalogue::decode(*catalogue));
  VERITY_TRY(reader.enter(Section::streams));
  VERITY_TRY_ASSIGN(derived.streams, index::StreamIndex::decode(reader, info.position, hash_seed));
  VERITY_TRY(reader.enter(Section::keys));
  VERITY_TRY_ASSIGN(derived.keys,
                    index::IdempotencyIndex::decode(reader, info.position, limits.keys, hash_seed));
  VERITY_TRY(reader.enter(Section::sessions));
  VERITY_TRY_ASSIGN(derived.sessions, index::SessionIndex::decode(reader, info.position, limits.sessions));
  VERITY_TRY(reader.finish());
  derived.tree = info.tree;
  derived.position = info.position;
  derived.hash = info.chain_hash;
  derived.recorded_at = info.recorded_at;
  return {};
}

Result<std::unique_ptr<index::CheckpointWriter>> encode_derived(io::Wait& wait, const Id128& cluster_id,
                                                                const Derived& derived) {
  auto writer = std::make_unique<index::CheckpointWriter>(
      wait, index::CheckpointInfo{.cluster_id = cluster_id,
                                  .position = derived.position,
                                  .recorded_at = derived.recorded_at,
                                  .chain_hash = derived.hash,
                                  .tree = derived.tree});
  VERITY_TRY(writer->begin(Section::catalogue));
  VERITY_TRY(writer->put(derived.catalogue.encode()));
  VERITY_TRY(writer->begin(Section::streams));
  VERITY_TRY(derived.streams.encode(*writer));
  VERITY_TRY(writer->begin(Section::keys));
  VERITY_TRY(derived.keys.encode(*writer));
  VERITY_TRY(writer->begin(Section::sessions));
  VERITY_TRY(derived.sessions.encode(*writer));
  return writer;
}

Result<LoadedDerived> load_derived(io::Wait& wait, io::Directory& index, const Id128& cluster_id,
                                   const DerivedLimits& limits, std::uint64_t hash_seed) {
  LoadedDerived result;
  VERITY_TRY_ASSIGN(index::CheckpointLoad load,
                    index::load_checkpoint(wait, index, cluster_id, [&](index::CheckpointReader& reader) {
                      result.derived = std::make_unique<Derived>(limits, hash_seed);
                      return load_derived_from(reader, limits, hash_seed, *result.derived);
                    }));
  if (!load.loaded) result.derived.reset();
  result.notes = std::move(load.bad);
  return result;
}

}  // namespace verity::node
