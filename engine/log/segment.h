// The header block of a segment file, and the names of files in log/. Bytes on disk: docs/format/log.md.
#pragma once

#include "engine/crypto/sha256.h"
#include "io/base/bytes.h"
#include "io/base/ids.h"
#include "io/base/result.h"
#include "io/base/units.h"

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace verity::log {

// As on disk.
struct SegmentHeader {
  static constexpr std::array<char, 8> magic_value = {'V', 'R', 'T', 'Y', 'S', 'E', 'G', '1'};

  std::array<char, 8> magic = magic_value;
  std::uint32_t format = 1;
  std::uint32_t block_bytes = 4096;
  Id128 cluster_id;
  std::uint64_t sequence = 0;
  Position first_position;
  Sha256Digest parent;
  ByteCount size_bytes = 0;
  std::uint64_t first_flush = 0;
  std::array<std::uint64_t, 2> checksum{};

  // "segment 3 from position 1200"
  std::string describe() const;
};
static_assert(sizeof(SegmentHeader) == 112 && std::is_trivially_copyable_v<SegmentHeader>);

// Flushes start here.
inline constexpr ByteCount segment_header_bytes = 4096;
// Where the second copy of the header stands.
inline constexpr ByteCount segment_header_copy_at = 2048;
// Smallest size a segment may be given.
inline constexpr ByteCount segment_bytes_min = 64 * KiB;  // an operator's choice lies between
inline constexpr ByteCount segment_bytes_max = 1 * GiB;   // these, in whole blocks of files

// The whole header block, checksums filled in.
Bytes encode_segment_header(SegmentHeader header);

struct DecodedSegmentHeader {
  SegmentHeader header;
  bool one_copy_damaged = false;  // the other one was used
};

// corrupt: neither copy is good. not_found: the block is all zero (a spare that was never used).
// unsupported: another format.
Result<DecodedSegmentHeader> decode_segment_header(ByteView block);

inline constexpr std::string_view current_segment_name = "current.segment";
inline constexpr std::string_view next_segment_name = "next.segment";

// "00000007.segment", "00000007.offsets"
std::string sealed_segment_name(std::uint64_t sequence);
std::string offsets_name(std::uint64_t sequence);
// The sequence in the name of a sealed segment; nothing for every other name.
std::optional<std::uint64_t> parse_sealed_segment_name(std::string_view name);

}  // namespace verity::log
