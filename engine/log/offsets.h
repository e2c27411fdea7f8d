// The sidecar of a sealed segment: where each of its entries starts. Four bytes an entry; can be rebuilt from the
// segment at any time, so it is written without ceremony and believed only if its checksum is right.
//
//   | magic "VRTYOFF1" | cluster id 16 | sequence 8 | first position 8 | count 8 | xxh-128 of all but this | u32 × count |
#pragma once

#include "io/base/bytes.h"
#include "io/base/ids.h"

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace verity::log {

struct OffsetsOf {
  Id128 cluster_id;
  std::uint64_t sequence = 0;
  Position first_position;
  std::uint64_t count = 0;

  bool operator==(const OffsetsOf&) const = default;
};

Bytes encode_offsets(const OffsetsOf& of, std::span<const std::uint32_t> starts);
// Nothing unless it is the undamaged sidecar of exactly that segment.
std::optional<std::vector<std::uint32_t>> decode_offsets(const OffsetsOf& expected, ByteView bytes);

}  // namespace verity::log
