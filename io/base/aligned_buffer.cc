#include "io/base/aligned_buffer.h"

#include "io/base/assert.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

namespace verity {

AlignedBuffer::AlignedBuffer(ByteCount size_bytes) : size_(round_up<ByteCount>(size_bytes, alignment)) {
  if (size_ == 0) return;
  memory_.reset(static_cast<std::byte*>(std::aligned_alloc(alignment, size_)));
  VERITY_ASSERT_NOTE(memory_ != nullptr, "out of memory");
  std::memset(memory_.get(), 0, size_);
}

void AlignedBuffer::Free::operator()(std::byte* memory) const {
  std::free(memory);
}

void AlignedBuffer::resize(ByteCount size_bytes) {
  AlignedBuffer other(size_bytes);
  if (size_ != 0 && other.size_ != 0) std::memcpy(other.data(), data(), std::min(size_, other.size_));
  *this = std::move(other);
}

}  // namespace verity
