#include "io/base/digest.h"

namespace verity {

std::optional<Sha256Digest> Sha256Digest::parse(std::string_view hex) {
  const std::optional<Bytes> bytes = from_hex(hex);
  if (!bytes || bytes->size() != 32) return std::nullopt;
  Sha256Digest digest;
  std::memcpy(digest.bytes.data(), bytes->data(), 32);
  return digest;
}

}  // namespace verity
