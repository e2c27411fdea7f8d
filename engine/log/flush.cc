#include "engine/log/flush.h"

#include "engine/log/checksum.h"
#include "io/base/assert.h"

#include <algorithm>
#include <bit>
#include <cstddef>

namespace verity::log {
namespace {

std::array<std::uint64_t, 2> header_checksum_of(const FlushHeader& header) {
  return checksum128(std::as_bytes(std::span(&header, 1)).first(offsetof(FlushHeader, header_checksum)));
}

// Six blocks to a byte; the two highest bits are always set, so that no single flipped bit makes a block of
// the map look unwritten.
constexpr ByteCount blocks_per_map_byte = 6;
constexpr std::byte map_marker{0xC0};

ByteCount zero_map_bytes_for(ByteCount blocks) {
  return (blocks + blocks_per_map_byte - 1) / blocks_per_map_byte;
}

bool map_lists(ByteView map, ByteCount block) {
  const ByteCount byte = block / blocks_per_map_byte;
  return byte < map.size() &&
         ((std::to_integer<unsigned>(map[byte]) >> (block % blocks_per_map_byte)) & 1) != 0;
}

// The part of block `number` that lies within `length`.
ByteView block_of(ByteView bytes, ByteCount number, ByteCount length, ByteCount block_bytes) {
  const ByteCount at = number * block_bytes;
  return bytes.subspan(at, std::min(block_bytes, length - at));
}

ByteCount block_count(ByteCount length, ByteCount block_bytes) {
  return (length + block_bytes - 1) / block_bytes;
}

// Appends the zero map if it is needed, the checksums and the padding; returns the size in whole blocks.
ByteCount finish(FlushHeader header, ByteCount length, ByteCount block_bytes, AlignedBuffer& out) {
  header.committed = std::min(header.committed, Position{header.end_position().value - 1});
  std::memcpy(out.data(), &header, sizeof(header));  // so that the first block does not look like zeros
  std::vector<ByteCount> zeros;
  for (ByteCount block = 0; block < block_count(length, block_bytes); ++block) {
    if (is_nearly_zero(block_of(out.view(), block, length, block_bytes))) zeros.push_back(block);
  }
  if (!zeros.empty()) {
    header.zero_map_bytes = static_cast<std::uint32_t>(zero_map_bytes_for(block_count(length, block_bytes)));
    const MutableByteView map = out.span().subspan(length, header.zero_map_bytes);
    std::fill(map.begin(), map.end(), map_marker);
    for (const ByteCount block : zeros) {
      // The block that the map starts in is not zero, whatever the data before it.
      const bool shared_with_map = block == length / block_bytes;
      if (!shared_with_map) map[block / blocks_per_map_byte] |= std::byte{1} << (block % blocks_per_map_byte);
    }
    header.zero_map_checksum = checksum64(map);
    length += header.zero_map_bytes;
  }
  header.length = length;
  const ByteCount padded = round_up(length, block_bytes);
  std::memset(out.data() + length, 0, padded - length);
  header.body_checksum = checksum128(out.view().subspan(flush_header_bytes, length - flush_header_bytes));
  header.header_checksum = header_checksum_of(header);
  std::memcpy(out.data(), &header, sizeof(header));
  return padded;
}

FlushHeader header_for(const FlushPlace& place) {
  FlushHeader header;
  header.cluster_id = place.cluster_id;
  header.segment = place.segment;
  header.offset = place.offset;
  header.sequence = place.sequence;
  header.durable_mark = place.durable_mark;
  header.committed = place.committed;
  return header;
}

// `parent`, then the entries.
ByteCount put_entries(FlushHeader header, const FlushPlace& place, std::span<const std::uint8_t> parent,
                      std::span<const EntryPtr> entries, AlignedBuffer& out,
                      std::vector<std::uint32_t>* starts) {
  ByteCount bytes = parent.size();
  for (const EntryPtr& entry : entries) bytes += entry->bytes().size();
  const ByteCount bound = flush_bytes_at_most(bytes, place.block_bytes);
  if (out.size() < bound) out = AlignedBuffer(bound);

  header.entry_count = static_cast<std::uint32_t>(entries.size());
  std::copy_n(std::as_bytes(parent).begin(), parent.size(), out.data() + flush_header_bytes);
  ByteCount at = flush_header_bytes + parent.size();
  for (const EntryPtr& entry : entries) {
    if (starts != nullptr) starts->push_back(static_cast<std::uint32_t>(place.offset + at));
    std::memcpy(out.data() + at, entry->bytes().data(), entry->bytes().size());
    at += entry->bytes().size();
  }
  return finish(header, at, place.block_bytes, out);
}

}  // namespace

bool is_nearly_zero(ByteView block) {
  const auto first = std::find_if(block.begin(), block.end(), [](std::byte b) { return b != std::byte{0}; });
  if (first == block.end()) return true;
  const bool one_bit = std::has_single_bit(std::to_integer<unsigned>(*first));
  return one_bit && is_all_zero(block.subspan(static_cast<std::size_t>(first - block.begin()) + 1));
}

std::string_view describe(FlushKind kind) {
  switch (kind) {
    case FlushKind::entries:
      return "entries";
    case FlushKind::mark:
      return "mark";
    case FlushKind::seal:
      return "seal";
    case FlushKind::replace:
      return "replace";
  }
  return "unknown";
}

std::string FlushHeader::describe() const {
  return "flush " + std::to_string(sequence) + " " + std::string(log::describe(kind)) + " at " +
         std::to_string(offset) + " positions [" + first_position.describe() + "," +
         end_position().describe() + ") length " + std::to_string(length) + " mark " +
         durable_mark.describe();
}

ByteCount flush_bytes_at_most(ByteCount entry_bytes, ByteCount block_bytes) {
  const ByteCount length = flush_header_bytes + entry_bytes;
  return round_up(length + zero_map_bytes_for(block_count(length, block_bytes)), block_bytes);
}

ByteCount build_flush(const FlushPlace& place, std::span<const EntryPtr> entries, AlignedBuffer& out,
                      std::vector<std::uint32_t>* starts) {
  VERITY_ASSERT(!entries.empty());
  FlushHeader header = header_for(place);
  header.kind = FlushKind::entries;
  header.first_position = entries.front()->position();
  return put_entries(header, place, {}, entries, out, starts);
}

ByteCount build_replace(const FlushPlace& place, Position first, const Sha256Digest& parent,
                        std::span<const EntryPtr> entries, AlignedBuffer& out,
                        std::vector<std::uint32_t>* starts) {
  FlushHeader header = header_for(place);
  header.kind = FlushKind::replace;
  header.first_position = first;
  return put_entries(header, place, parent.bytes, entries, out, starts);
}

ByteCount build_mark(const FlushPlace& place, FlushKind kind, Position next, const Sha256Digest& head,
                     AlignedBuffer& out) {
  VERITY_ASSERT(kind == FlushKind::mark || kind == FlushKind::seal);
  if (out.size() < AlignedBuffer::alignment) out = AlignedBuffer(AlignedBuffer::alignment);
  FlushHeader header = header_for(place);
  header.kind = kind;
  header.first_position = next;
  std::memcpy(out.data() + flush_header_bytes, head.bytes.data(), head.bytes.size());
  return finish(header, flush_header_bytes + head.bytes.size(), place.block_bytes, out);
}

std::optional<FlushHeader> decode_flush_header(ByteView block) {
  if (block.size() < flush_header_bytes) return std::nullopt;
  FlushHeader header;
  std::memcpy(&header, block.data(), sizeof(header));
  if (header.magic != FlushHeader::magic_value || header.header_checksum != header_checksum_of(header)) {
    return std::nullopt;
  }
  // A good checksum over impossible numbers is a program's fault, not the device's; still nothing to act on.
  const bool possible = header.format == 1 && header.length >= flush_header_bytes &&
                        header.length <= UINT32_MAX &&  // far more than a segment
                        header.zero_map_bytes <= header.length - flush_header_bytes &&
                        header.kind >= FlushKind::entries && header.kind <= FlushKind::replace;
  if (!possible) return std::nullopt;
  return header;
}

FlushState inspect_flush(const FlushHeader& header, ByteView bytes, ByteCount block_bytes) {
  VERITY_ASSERT(bytes.size() >= header.length);
  const ByteCount map_at = header.length - header.zero_map_bytes;
  const ByteView map = bytes.subspan(map_at, header.zero_map_bytes);
  const ByteCount blocks = block_count(header.length, block_bytes);
  const auto is_zero = [&](ByteCount block) {
    return is_all_zero(block_of(bytes, block, header.length, block_bytes));
  };
  if (!map.empty()) {
    for (ByteCount block = map_at / block_bytes; block < blocks; ++block) {
      if (is_zero(block)) return FlushState::missing;
    }
    if (checksum64(map) != header.zero_map_checksum) return FlushState::wrong;
  }
  for (ByteCount block = 0; block < blocks; ++block) {
    if (is_zero(block) && !map_lists(map, block)) return FlushState::missing;
  }
  const ByteView body = bytes.subspan(flush_header_bytes, header.length - flush_header_bytes);
  return checksum128(body) == header.body_checksum ? FlushState::intact : FlushState::wrong;
}

Result<std::vector<EntryPtr>> decode_flush_entries(const FlushHeader& header, ByteView bytes,
                                                   const Sha256Digest& parent,
                                                   std::vector<std::uint32_t>* starts) {
  std::vector<EntryPtr> entries;
  entries.reserve(std::min<std::size_t>(header.entry_count, 4096));
  ByteCount at = flush_header_bytes + (header.kind == FlushKind::replace ? flush_parent_bytes : 0);
  const ByteCount end = header.length - header.zero_map_bytes;
  if (at > end) return fail(ErrorCode::corrupt, "the flush is too short for what it says it is");
  const Sha256Digest* expected_parent = &parent;
  for (std::uint64_t i = 0; i < header.entry_count; ++i) {
    const auto name = [&] { return "entry " + std::to_string(header.first_position.value + i) + ": "; };
    VERITY_TRY_ASSIGN(const EntryHeader entry_header, decode_entry_header(bytes.subspan(at, end - at)));
    const ByteCount size = entry_header_bytes + entry_header.body_bytes;
    if (size > end - at) return fail(ErrorCode::corrupt, name() + "it reaches past the end of its flush");
    VERITY_TRY_ASSIGN(EntryPtr entry, Entry::decode(bytes.subspan(at, size)));
    if (entry->position().value != header.first_position.value + i) {
      return fail(ErrorCode::corrupt,
                  name() + "position " + entry->position().describe() + " stands there instead");
    }
    if (entry->header().cluster_id != header.cluster_id) {
      return fail(ErrorCode::corrupt,
                  name() + "it belongs to cluster " + entry->header().cluster_id.describe());
    }
    if (entry->header().parent != *expected_parent) {
      return fail(ErrorCode::corrupt, name() + "it does not continue the chain; its parent is " +
                                          entry->header().parent.describe() +
                                          ", the entry before it has the hash " +
                                          expected_parent->describe());
    }
    if (starts != nullptr) starts->push_back(static_cast<std::uint32_t>(header.offset + at));
    at += size;
    entries.push_back(std::move(entry));
    expected_parent = &entries.back()->hash();
  }
  if (at != end) return fail(ErrorCode::corrupt, "the flush holds more bytes than its entries");
  return entries;
}

std::optional<Sha256Digest> decode_parent(const FlushHeader& header, ByteView bytes) {
  const ByteCount there = header.length - header.zero_map_bytes - flush_header_bytes;
  const bool has_one = header.kind != FlushKind::entries && there >= flush_parent_bytes &&
                       (header.kind == FlushKind::replace || there == flush_parent_bytes);
  if (!has_one) return std::nullopt;
  Sha256Digest head;
  std::memcpy(head.bytes.data(), bytes.data() + flush_header_bytes, head.bytes.size());
  return head;
}

}  // namespace verity::log
