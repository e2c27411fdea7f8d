#include "engine/log/segment_files.h"

#include "io/base/aligned_buffer.h"
#include "io/directory.h"
#include "io/fiber/wait.h"
#include "io/file.h"

#include <algorithm>

namespace verity::log {
namespace {

constexpr ByteCount chunk_bytes = 1 * MiB;

Status write_zeros(io::Wait& wait, io::File& file, ByteCount begin, ByteCount end) {
  const AlignedBuffer zeros(std::min(chunk_bytes, end - begin));
  for (ByteCount at = begin; at < end; at += zeros.size()) {
    const ByteCount count = std::min<ByteCount>(zeros.size(), end - at);
    VERITY_TRY(file.write(wait, at, zeros.view().first(count), io::Durability::cached));
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<io::File>> create_zeroed(io::Wait& wait, io::Directory& directory,
                                                std::string_view name, ByteCount size) {
  const Status removed = directory.remove(wait, name);
  if (!removed && removed.error().code != ErrorCode::not_found) return std::unexpected(removed.error());
  VERITY_TRY_ASSIGN(std::unique_ptr<io::File> file,
                    directory.open(wait, name, {.mode = io::OpenMode::create_new, .direct = true}));
  Status filled = file->allocate(wait, size);
  if (filled) filled = write_zeros(wait, *file, 0, size);
  if (filled) filled = file->sync(wait);
  // The name too: renames that survive a crash while the creation does not would leave no file to go on with.
  if (filled) filled = directory.sync(wait);
  if (!filled) {
    file.reset();
    ignore(directory.remove(wait, name),
           "the first error is the one to report; the next attempt removes it again");
    return std::unexpected(filled.error());
  }
  return file;
}

Status zero_range(io::Wait& wait, io::File& file, ByteCount begin, ByteCount end) {
  if (begin >= end) return {};
  VERITY_TRY(write_zeros(wait, file, begin, end));
  return file.sync(wait);
}

Status write_segment_header(io::Wait& wait, io::File& file, const SegmentHeader& header) {
  const Bytes block = encode_segment_header(header);
  AlignedBuffer buffer(block.size());
  std::memcpy(buffer.data(), block.data(), block.size());
  return file.write(wait, 0, buffer.view(), io::Durability::durable);
}

Status rewrite_segment_header(io::Wait& wait, io::Directory& directory, std::string_view name,
                              const SegmentHeader& header) {
  VERITY_TRY_ASSIGN(const auto file,
                    directory.open(wait, name, {.mode = io::OpenMode::write, .direct = true}));
  return write_segment_header(wait, *file, header);
}

Result<DecodedSegmentHeader> read_segment_header(io::Wait& wait, io::File& file) {
  Bytes block(segment_header_bytes);
  Result<ByteCount> got = file.read(wait, 0, block);
  if (!got && got.error().code == ErrorCode::io_error) {  // maybe one copy can be read
    for (const ByteCount at : {ByteCount{0}, segment_header_copy_at}) {
      const auto half = file.read(wait, at, MutableByteView(block).subspan(at, segment_header_copy_at));
      if (half) got = segment_header_bytes;
    }
  }
  if (!got) return std::unexpected(std::move(got.error()));
  return decode_segment_header(ByteView(block).first(*got));
}

Status complete_switch(io::Wait& wait, io::Directory& directory, std::uint64_t sequence) {
  for (const auto& [from, to] :
       {std::pair(std::string(current_segment_name), sealed_segment_name(sequence)),
        std::pair(std::string(next_segment_name), std::string(current_segment_name))}) {
    const Status renamed = directory.rename(wait, from, to);
    if (!renamed && renamed.error().code != ErrorCode::not_found) return renamed;
    VERITY_TRY(directory.sync(wait));
  }
  return {};
}

}  // namespace verity::log
