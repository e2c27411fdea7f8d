#include "engine/log/checksum.h"

#include <xxhash.h>

namespace verity {

std::array<std::uint64_t, 2> checksum128(ByteView bytes) {
  const XXH128_hash_t hash = XXH3_128bits(bytes.data(), bytes.size());
  return {hash.low64, hash.high64};
}

std::uint64_t checksum64(ByteView bytes) {
  return XXH3_64bits(bytes.data(), bytes.size());
}

}  // namespace verity
