// Unsigned integers of one to ten bytes: seven bits a byte, lowest first, the top bit says that more follow.
//
// There is one way to write each value: the last byte is never zero unless it is the only one. So a decoded
// body, encoded again, is the same bytes.
#pragma once

#include "io/base/bytes.h"

#include <cstdint>
#include <optional>

namespace verity::log {

inline constexpr std::size_t varint_bytes_max = 10;

inline void put_varint(Bytes& out, std::uint64_t value) {
  while (value >= 0x80) {
    out.push_back(static_cast<std::byte>(value | 0x80));
    value >>= 7;
  }
  out.push_back(static_cast<std::byte>(value));
}

constexpr std::size_t varint_bytes(std::uint64_t value) {
  std::size_t count = 1;
  for (; value >= 0x80; value >>= 7) ++count;
  return count;
}

// Takes one off the front of `bytes`. Nothing, and `bytes` unchanged, if it is cut short, above 64 bits, or
// written longer than necessary.
inline std::optional<std::uint64_t> take_varint(ByteView& bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < bytes.size() && i < varint_bytes_max; ++i) {
    const auto byte = std::to_integer<std::uint64_t>(bytes[i]);
    if (i == varint_bytes_max - 1 && byte > 1) return std::nullopt;
    value |= (byte & 0x7f) << (7 * i);
    if (byte >= 0x80) continue;
    if (byte == 0 && i > 0) return std::nullopt;
    bytes = bytes.subspan(i + 1);
    return value;
  }
  return std::nullopt;
}

}  // namespace verity::log
