// The bytes of one simulated file, sparse: what was never written is zero and takes no memory.
#pragma once

#include "io/base/bytes.h"
#include "io/base/units.h"

#include <map>

namespace verity::sim {

class Image {
 public:
  ByteCount size() const { return size_; }
  // What is cut off reads as zero when the image grows again.
  void resize(ByteCount size);
  // Within size().
  void read(ByteCount offset, MutableByteView out) const;
  // Within size().
  void write(ByteCount offset, ByteView data);

 private:
  static constexpr ByteCount chunk_bytes = 16 * KiB;
  ByteCount size_ = 0;
  std::map<std::uint64_t, Bytes> chunks_;
};

}  // namespace verity::sim
