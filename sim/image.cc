#include "sim/image.h"

#include "io/base/assert.h"

#include <algorithm>

namespace verity::sim {

void Image::resize(ByteCount size) {
  if (size < size_) {
    chunks_.erase(chunks_.lower_bound(round_up(size, chunk_bytes) / chunk_bytes), chunks_.end());
    const auto last = chunks_.find(size / chunk_bytes);
    if (last != chunks_.end()) {
      std::fill(last->second.begin() + static_cast<std::ptrdiff_t>(size % chunk_bytes), last->second.end(),
                std::byte{0});
    }
  }
  size_ = size;
}

void Image::read(ByteCount offset, MutableByteView out) const {
  VERITY_ASSERT(offset + out.size() <= size_);
  while (!out.empty()) {
    const ByteCount within = offset % chunk_bytes;
    const ByteCount count = std::min<ByteCount>(chunk_bytes - within, out.size());
    const auto chunk = chunks_.find(offset / chunk_bytes);
    if (chunk == chunks_.end()) {
      std::fill_n(out.begin(), count, std::byte{0});
    } else {
      std::copy_n(chunk->second.begin() + static_cast<std::ptrdiff_t>(within), count, out.begin());
    }
    out = out.subspan(count);
    offset += count;
  }
}

void Image::write(ByteCount offset, ByteView data) {
  VERITY_ASSERT(offset + data.size() <= size_);
  while (!data.empty()) {
    const ByteCount within = offset % chunk_bytes;
    const ByteCount count = std::min<ByteCount>(chunk_bytes - within, data.size());
    const auto [chunk, fresh] = chunks_.try_emplace(offset / chunk_bytes);
    if (fresh) chunk->second.resize(chunk_bytes);
    std::copy_n(data.begin(), count, chunk->second.begin() + static_cast<std::ptrdiff_t>(within));
    data = data.subspan(count);
    offset += count;
  }
}

}  // namespace verity::sim
