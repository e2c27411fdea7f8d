// A flush: what one write makes durable. Built by the writer, recognised by everybody who reads a segment.
// Bytes on disk: docs/format/log.md.
//
//   | FlushHeader 128 | entry | entry | ... | zero map | padding to a block |
//
// Protocol: exactly one flush is in flight; the next is written only after this one is durable. (`async`
// mode writes on without waiting and lets the durable mark tell the truth.)
#pragma once

#include "engine/log/entry.h"
#include "io/base/aligned_buffer.h"
#include "io/base/bytes.h"
#include "io/base/ids.h"
#include "io/base/result.h"
#include "io/base/units.h"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace verity::log {

enum class FlushKind : std::uint16_t { entries = 1, mark = 2, seal = 3, replace = 4 };

std::string_view describe(FlushKind kind);

// As on disk.
struct FlushHeader {
  static constexpr std::uint32_t magic_value = 0x554c4656;  // "VFLU"

  std::uint32_t magic = magic_value;
  std::uint16_t format = 1;
  FlushKind kind = FlushKind::entries;
  Id128 cluster_id;
  std::uint64_t segment = 0;
  ByteCount offset = 0;
  std::uint64_t sequence = 0;
  Position first_position;
  std::uint32_t entry_count = 0;
  std::uint32_t zero_map_bytes = 0;
  ByteCount length = 0;
  Position durable_mark;
  Position committed;
  std::uint64_t zero_map_checksum = 0;
  std::array<std::uint64_t, 2> body_checksum{};
  std::array<std::uint64_t, 2> header_checksum{};

  // First position after this flush.
  Position end_position() const { return {first_position.value + entry_count}; }
  // "flush 17 entries at 8192 positions [5,9) length 1200 mark 4"
  std::string describe() const;
};
static_assert(sizeof(FlushHeader) == 128 && std::is_trivially_copyable_v<FlushHeader>);

inline constexpr ByteCount flush_header_bytes = sizeof(FlushHeader);

// What the writer knows about the flush it builds.
struct FlushPlace {
  Id128 cluster_id;
  std::uint64_t segment = 0;
  ByteCount offset = 0;
  std::uint64_t sequence = 0;
  Position durable_mark;
  Position committed;  // at most the last entry the file then holds is written of it
  ByteCount block_bytes = 4096;
};

// Fills `out` (which grows as needed) with a flush of `entries` and returns its size in whole blocks.
// `starts`, if given, receives the offset of each entry in the file.
ByteCount build_flush(const FlushPlace& place, std::span<const EntryPtr> entries, AlignedBuffer& out,
                      std::vector<std::uint32_t>* starts = nullptr);
// The same for entries that take the place of everything the file says of positions >= `first`; there may be none.
// `parent` is the chain hash of the entry before `first`.
ByteCount build_replace(const FlushPlace& place, Position first, const Sha256Digest& parent,
                        std::span<const EntryPtr> entries, AlignedBuffer& out,
                        std::vector<std::uint32_t>* starts = nullptr);
// The same for a mark or a seal: no entries, `head` is the chain hash of the last entry before `next`.
ByteCount build_mark(const FlushPlace& place, FlushKind kind, Position next, const Sha256Digest& head,
                     AlignedBuffer& out);

inline constexpr ByteCount flush_parent_bytes = sizeof(Sha256Digest);

// Upper bound of what build_flush makes of entries of `entry_bytes` in total.
ByteCount flush_bytes_at_most(ByteCount entry_bytes, ByteCount block_bytes);

// All zero, or one flipped bit away from it: a block that was never written, or has rotted since.
bool is_nearly_zero(ByteView block);

// A header that is good by itself: magic, format, own checksum. Nothing otherwise.
std::optional<FlushHeader> decode_flush_header(ByteView block);

// How the bytes of one flush look, judged by themselves.
enum class FlushState : std::uint8_t {
  intact,   // everything there and right
  missing,  // some blocks were never written
  wrong,    // all blocks there, contents wrong
};

// `bytes` starts at a valid header and holds all blocks the header speaks of.
FlushState inspect_flush(const FlushHeader& header, ByteView bytes, ByteCount block_bytes);

// The entries of an intact flush of kind entries or replace; corrupt, naming the entry, if one of them is bad or the chain from `parent`
// breaks. `starts` as above.
Result<std::vector<EntryPtr>> decode_flush_entries(const FlushHeader& header, ByteView bytes,
                                                   const Sha256Digest& parent,
                                                   std::vector<std::uint32_t>* starts = nullptr);

// The chain hash that a mark, a seal or a replace begins with: of the entry before its first position.
std::optional<Sha256Digest> decode_parent(const FlushHeader& header, ByteView bytes);

}  // namespace verity::log
