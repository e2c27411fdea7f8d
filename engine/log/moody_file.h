// For tests: a segment with one entry, in a file whose first reads may lie.
#pragma once

#include "engine/log/flush.h"
#include "engine/log/memory_directory.h"
#include "engine/log/segment.h"
#include "io/file.h"

#include <gtest/gtest.h>

#include <cstring>

namespace verity::log {

inline constexpr ByteCount block = 512;
inline constexpr ByteCount file_bytes = 64 * KiB;

enum class Mood : std::uint8_t { honest, forgetful, refusing };

// Serves a segment; its first `lies` reads answer zeros or an error instead.
class MoodyFile final : public io::File {
 public:
  MoodyFile(Bytes bytes, Mood mood, int lies) : bytes_(std::move(bytes)), mood_(mood), lies_(lies) {}

  Result<ByteCount> read(io::Wait&, ByteCount offset, MutableByteView out) override {
    largest_read = std::max<ByteCount>(largest_read, out.size());
    const ByteCount count = std::min<ByteCount>(out.size(), bytes_.size() - offset);
    std::memcpy(out.data(), bytes_.data() + offset, count);
    if (lies_-- <= 0) return count;
    if (mood_ == Mood::refusing) return fail(ErrorCode::io_error, "not now");
    if (mood_ == Mood::forgetful) std::memset(out.data(), 0, count);
    return count;
  }
  Status write(io::Wait&, ByteCount, ByteView, io::Durability) override { return {}; }
  Status sync(io::Wait&) override { return {}; }
  Status allocate(io::Wait&, ByteCount) override { return {}; }
  Status truncate(io::Wait&, ByteCount) override { return {}; }
  Result<ByteCount> size(io::Wait&) override { return ByteCount{bytes_.size()}; }
  ByteCount block_bytes() const override { return block; }

  ByteCount largest_read = 0;

 private:
  const Bytes bytes_;
  const Mood mood_;
  int lies_;
};

struct MoodySegment : testing::Test, StillWorld {
  MoodySegment() {
    header.block_bytes = block;
    header.first_position = Position{1};
    header.size_bytes = file_bytes;
    EntryHeader entry_header;
    entry_header.position = Position{1};
    const std::vector<EntryPtr> entries{Entry::make(entry_header, as_bytes(std::string(2000, 'x')))};
    AlignedBuffer buffer;
    const ByteCount size =
        build_flush({.offset = segment_header_bytes, .block_bytes = block}, entries, buffer);
    std::memcpy(bytes.data() + segment_header_bytes, buffer.data(), size);
  }

  SegmentHeader header;
  Bytes bytes = Bytes(file_bytes);
};

}  // namespace verity::log
