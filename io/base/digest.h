// The 32 bytes of a SHA-256, as a value: chain hashes, body hashes, roots. Computing one: engine/crypto/sha256.h.
#pragma once

#include "io/base/bytes.h"

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace verity {

struct Sha256Digest {
  std::array<std::uint8_t, 32> bytes{};

  auto operator<=>(const Sha256Digest&) const = default;
  ByteView view() const { return std::as_bytes(std::span(bytes)); }
  // 64 lower-case hexadecimal digits.
  std::string describe() const { return to_hex(view()); }
  static std::optional<Sha256Digest> parse(std::string_view hex);
};

}  // namespace verity
