// XXH3: finds accidents, not forgers.
#pragma once

#include "io/base/bytes.h"

#include <array>
#include <cstdint>

namespace verity {

// 128 bits, low half first.
std::array<std::uint64_t, 2> checksum128(ByteView bytes);
std::uint64_t checksum64(ByteView bytes);

}  // namespace verity
