// Where unpredictable bytes come from: ids, keys, salts, nonces and the seeds of generators (io/base/prng.h).
#pragma once

#include "io/base/bytes.h"
#include "io/base/ids.h"

namespace verity::io {

class Random {
 public:
  virtual ~Random() = default;

  virtual void fill(MutableByteView out) = 0;

  std::uint64_t next() {
    std::uint64_t word = 0;
    fill(std::as_writable_bytes(std::span(&word, 1)));
    return word;
  }
  Id128 id() {
    Id128 id;
    fill(std::as_writable_bytes(std::span(id.bytes)));
    return id;
  }
};

}  // namespace verity::io
