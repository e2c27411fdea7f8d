// What is done to segment files as files: zero-filling, writing headers, opening. Shared by recovery and the writer.
#pragma once

#include "engine/log/segment.h"
#include "io/base/result.h"
#include "io/base/units.h"

#include <functional>
#include <memory>

namespace verity::io {
class Directory;
class File;
class Wait;
}  // namespace verity::io

namespace verity::log {

// Makes `name` anew with `size` zero bytes, durable with its name: a rename of a name that is not durable may survive a
// crash that the name itself does not. Writing zeros beats reserving alone: durable writes into merely reserved space cost
// two to four times as much.
Result<std::unique_ptr<io::File>> create_zeroed(io::Wait& wait, io::Directory& directory,
                                                std::string_view name, ByteCount size);

// Zeroes [begin, end) of a direct file and makes that durable. Both are multiples of the block size.
Status zero_range(io::Wait& wait, io::File& file, ByteCount begin, ByteCount end);

Status write_segment_header(io::Wait& wait, io::File& file, const SegmentHeader& header);
// Both copies in the file `name` anew, durable. The good one is replaced by itself, so a crash does no harm.
Status rewrite_segment_header(io::Wait& wait, io::Directory& directory, std::string_view name,
                              const SegmentHeader& header);
// `file` is not a direct one.
Result<DecodedSegmentHeader> read_segment_header(io::Wait& wait, io::File& file);

// rename current → sealed name, directory sync, rename next → current, directory sync; either rename only if
// its source is there. `sequence` is that of the segment that was current.
Status complete_switch(io::Wait& wait, io::Directory& directory, std::uint64_t sequence);

}  // namespace verity::log
