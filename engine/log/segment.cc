#include "engine/log/segment.h"

#include "engine/log/checksum.h"
#include "io/base/assert.h"

#include <charconv>
#include <cstddef>

namespace verity::log {
namespace {

constexpr std::string_view segment_suffix = ".segment";

std::array<std::uint64_t, 2> checksum_of(const SegmentHeader& header) {
  return checksum128(std::as_bytes(std::span(&header, 1)).first(offsetof(SegmentHeader, checksum)));
}

std::string numbered(std::uint64_t sequence, std::string_view suffix) {
  std::string digits = std::to_string(sequence);
  if (digits.size() < 8) digits.insert(0, 8 - digits.size(), '0');
  return digits + std::string(suffix);
}

std::optional<SegmentHeader> decode_copy(ByteView block, ByteCount at) {
  SegmentHeader header;
  std::memcpy(&header, block.data() + at, sizeof(header));
  if (header.magic != SegmentHeader::magic_value || header.checksum != checksum_of(header))
    return std::nullopt;
  return header;
}

}  // namespace

std::string SegmentHeader::describe() const {
  return "segment " + std::to_string(sequence) + " from position " + first_position.describe();
}

Bytes encode_segment_header(SegmentHeader header) {
  header.checksum = checksum_of(header);
  Bytes block(segment_header_bytes);
  std::memcpy(block.data(), &header, sizeof(header));
  std::memcpy(block.data() + segment_header_copy_at, &header, sizeof(header));
  return block;
}

Result<DecodedSegmentHeader> decode_segment_header(ByteView block) {
  if (block.size() < segment_header_bytes) return fail(ErrorCode::corrupt, "the segment header is cut off");
  if (is_all_zero(block.first(segment_header_bytes))) return fail(ErrorCode::not_found, "no segment header");
  const std::optional<SegmentHeader> first = decode_copy(block, 0);
  const std::optional<SegmentHeader> second = decode_copy(block, segment_header_copy_at);
  if (!first && !second) return fail(ErrorCode::corrupt, "both copies of the segment header are damaged");
  const SegmentHeader& header = first ? *first : *second;
  if (header.format != 1) {
    return fail(ErrorCode::unsupported,
                "segment format " + std::to_string(header.format) + "; this release knows 1");
  }
  const bool valid_block = header.block_bytes >= 512 && header.block_bytes <= 4096 &&
                           (header.block_bytes & (header.block_bytes - 1)) == 0;
  if (!valid_block || header.size_bytes < segment_bytes_min) {
    return fail(ErrorCode::corrupt, "the segment header holds impossible sizes");
  }
  return DecodedSegmentHeader{header, !first || !second};
}

std::string sealed_segment_name(std::uint64_t sequence) {
  return numbered(sequence, segment_suffix);
}
std::string offsets_name(std::uint64_t sequence) {
  return numbered(sequence, ".offsets");
}

std::optional<std::uint64_t> parse_sealed_segment_name(std::string_view name) {
  if (!name.ends_with(segment_suffix)) return std::nullopt;
  const std::string_view digits = name.substr(0, name.size() - segment_suffix.size());
  std::uint64_t sequence = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), sequence);
  if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  if (name != sealed_segment_name(sequence)) return std::nullopt;  // exactly one spelling
  return sequence;
}

}  // namespace verity::log
