// Memory that direct I/O accepts: aligned to 4096 bytes, sized in whole blocks, zeroed when it is made.
#pragma once

#include "io/base/bytes.h"
#include "io/base/units.h"

#include <cstddef>
#include <memory>

namespace verity {

class AlignedBuffer {
 public:
  static constexpr std::size_t alignment = 4096;

  AlignedBuffer() = default;
  // Rounds the size up to whole blocks of `alignment`.
  explicit AlignedBuffer(ByteCount size_bytes);

  std::byte* data() { return memory_.get(); }
  const std::byte* data() const { return memory_.get(); }
  ByteCount size() const { return size_; }

  MutableByteView span() { return {memory_.get(), size_}; }
  ByteView view() const { return {memory_.get(), size_}; }

  // Keeps the first min(old, new) bytes; new bytes are zero.
  void resize(ByteCount size_bytes);

 private:
  struct Free {
    void operator()(std::byte* memory) const;
  };
  std::unique_ptr<std::byte[], Free> memory_;
  ByteCount size_ = 0;
};

}  // namespace verity
