// What a start reads of derived state: sections of a checkpoint, a whole checkpoint file, the file of tree nodes. The
// first byte chooses which. Records stand one after another, each after its length in two bytes.
//
// Whatever section is accepted is exactly what its encoding gives. A file is accepted or refused; a proof made from nodes
// that were read is verified.
#include "engine/index/checkpoint.h"
#include "engine/index/idempotency.h"
#include "engine/index/position_list.h"
#include "engine/index/records_in_memory.h"
#include "engine/index/sessions.h"
#include "engine/index/stream_index.h"
#include "engine/log/memory_directory.h"
#include "engine/log/merkle_sidecar.h"
#include "engine/tenant/catalogue.h"

#include "fuzz/fuzz_input.h"

namespace {

using namespace verity;
using index::RecordsInMemory;

constexpr Position applied{1'000'000};

RecordsInMemory records_from(std::string_view text) {
  RecordsInMemory records;
  ByteReader reader(as_bytes(text));
  while (const auto length = reader.get<std::uint16_t>()) {
    const auto record = reader.take(std::min<std::size_t>(*length, reader.rest().size()));
    records.records.emplace_back(record->begin(), record->end());
  }
  return records;
}

void check_catalogue(std::string_view text) {
  const auto catalogue = tenant::Catalogue::decode(as_bytes(text));
  if (catalogue) FUZZ_CHECK(as_text(catalogue->encode()) == text);
}

void check_streams(std::string_view text) {
  auto records = records_from(text);
  const auto streams = index::StreamIndex::decode(records, applied, 1);
  if (!streams) return;
  RecordsInMemory again;
  FUZZ_CHECK(streams->encode(again).has_value());
  FUZZ_CHECK(again.records == records.records);
}

void check_keys(std::string_view text) {
  auto records = records_from(text);
  const auto keys = index::IdempotencyIndex::decode(records, applied, {}, 1);
  if (!keys) return;
  RecordsInMemory again;
  FUZZ_CHECK(keys->encode(again).has_value());
  FUZZ_CHECK(again.records == records.records);
}

void check_sessions(std::string_view text) {
  auto records = records_from(text);
  const auto sessions = index::SessionIndex::decode(records, applied, {});
  if (!sessions) return;
  RecordsInMemory again;
  FUZZ_CHECK(sessions->encode(again).has_value());
  FUZZ_CHECK(again.records == records.records);
}

void check_positions(std::string_view text) {
  log::FieldReader reader(as_bytes(text), "positions");
  const auto list = index::PositionList::decode(reader, applied);
  if (!reader.finish()) return;
  Bytes again;
  list.encode(again);
  FUZZ_CHECK(as_text(again) == text);
  if (list.empty()) return;
  FUZZ_CHECK(list.last() <= applied && list.select(list.count() - 1) == list.last());
  const Position middle = list.select(list.count() / 2);
  FUZZ_CHECK(list.rank(middle) == list.count() / 2);
  FUZZ_CHECK(list.next(middle) == middle && list.previous(middle) == middle);
}

std::shared_ptr<Bytes> file_of(std::string_view text) {
  const ByteView bytes = as_bytes(text);
  return std::make_shared<Bytes>(bytes.begin(), bytes.end());
}

void check_checkpoint(std::string_view text) {
  log::StillWorld world;
  log::MemoryDirectory directory;
  directory.files()["checkpoint.1"] = file_of(text);
  const auto load =
      index::load_checkpoint(world.wait, directory, {}, [](index::CheckpointReader& reader) -> Status {
        for (const auto section : {index::Section::catalogue, index::Section::streams, index::Section::keys,
                                   index::Section::sessions}) {
          VERITY_TRY(reader.enter(section));
          while (true) {
            VERITY_TRY_ASSIGN(const auto record, reader.take());
            if (!record) break;
          }
        }
        return {};
      });
  FUZZ_CHECK(load.has_value());
  FUZZ_CHECK(load->loaded.has_value() != (load->bad.size() == 1));
}

void check_nodes(std::string_view text) {
  constexpr std::uint64_t size = 37;
  log::StillWorld world;
  log::MemoryDirectory directory;
  directory.files()["merkle.nodes"] = file_of(text);
  auto hash_of = [](std::uint64_t position) { return sha256({std::as_bytes(std::span(&position, 1))}); };
  log::MerkleFrontier tree;
  for (std::uint64_t i = 1; i <= size; ++i) tree.append(log::merkle_leaf(hash_of(i)));
  const auto sidecar = log::MerkleSidecar::open(
      world.wait, directory, {}, tree,
      [&](io::Wait&, Position position) -> Result<Sha256Digest> { return hash_of(position.value); });
  FUZZ_CHECK(sidecar.has_value());
  for (std::uint64_t i = 1; i <= size; ++i) {
    const auto proof = (*sidecar)->prove_inclusion(world.wait, {i}, size);
    if (proof)
      FUZZ_CHECK(log::verify_inclusion(log::merkle_leaf(hash_of(i)), *proof, tree.root()).has_value());
  }
  FUZZ_CHECK((*sidecar)->rebuild(world.wait).has_value());
  FUZZ_CHECK((*sidecar)->prove_inclusion(world.wait, {size / 2}, size).has_value());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  constexpr std::array checks = {check_catalogue,  check_streams, check_keys,    check_positions,
                                 check_checkpoint, check_nodes,   check_sessions};
  checks[input.take_byte() % checks.size()](input.rest());
  return 0;
}
