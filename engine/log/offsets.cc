#include "engine/log/offsets.h"

#include "engine/log/checksum.h"

#include <array>

namespace verity::log {
namespace {

constexpr std::array<char, 8> magic = {'V', 'R', 'T', 'Y', 'O', 'F', 'F', '1'};

// As on disk, before the checksum.
struct Preamble {
  std::array<char, 8> magic;
  Id128 cluster_id;
  std::uint64_t sequence;
  Position first_position;
  std::uint64_t count;
};
static_assert(sizeof(Preamble) == 48);

std::array<std::uint64_t, 2> checksum_of(ByteView preamble, ByteView starts) {
  Bytes all;
  all.reserve(preamble.size() + starts.size());
  put_bytes(all, preamble);
  put_bytes(all, starts);
  return checksum128(all);
}

}  // namespace

Bytes encode_offsets(const OffsetsOf& of, std::span<const std::uint32_t> starts) {
  Bytes out;
  out.reserve(sizeof(Preamble) + 16 + starts.size_bytes());
  put(out, Preamble{magic, of.cluster_id, of.sequence, of.first_position, of.count});
  const auto checksum = checksum_of(out, std::as_bytes(starts));
  put(out, checksum);
  put_bytes(out, std::as_bytes(starts));
  return out;
}

std::optional<std::vector<std::uint32_t>> decode_offsets(const OffsetsOf& expected, ByteView bytes) {
  ByteReader reader(bytes);
  const auto preamble = reader.get<Preamble>();
  const auto checksum = reader.get<std::array<std::uint64_t, 2>>();
  if (!preamble || !checksum || preamble->magic != magic) return std::nullopt;
  const OffsetsOf found{preamble->cluster_id, preamble->sequence, preamble->first_position, preamble->count};
  const ByteView starts = reader.rest();
  if (found != expected || starts.size() != found.count * sizeof(std::uint32_t)) return std::nullopt;
  if (*checksum != checksum_of(bytes.first(sizeof(Preamble)), starts)) return std::nullopt;
  std::vector<std::uint32_t> result(found.count);
  std::memcpy(result.data(), starts.data(), starts.size());
  return result;
}

}  // namespace verity::log
