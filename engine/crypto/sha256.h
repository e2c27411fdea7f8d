// SHA-256 (FIPS 180-4), through OpenSSL with a fetched digest and a reused context, which at 256 bytes is more than
// twice as fast as fetching each time.
#pragma once

#include "io/base/bytes.h"
#include "io/base/digest.h"

#include <initializer_list>

namespace verity {

// The hash of the parts one after another.
Sha256Digest sha256(std::initializer_list<ByteView> parts);

}  // namespace verity
