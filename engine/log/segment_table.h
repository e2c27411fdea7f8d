// Which segment holds which positions: sealed ones in order, then the current one. In memory; made by recovery, kept
// by the writer, read by everybody.
#pragma once

#include "engine/log/segment.h"
#include "io/base/assert.h"
#include "io/base/ids.h"
#include "io/base/units.h"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace verity::io {
class File;
}

namespace verity::log {

struct SegmentInfo {
  SegmentHeader header;
  Position end_position;     // first position after it; of the current segment: after the last durable entry
  ByteCount end_offset = 0;  // behind its last flush
  bool sealed = true;
  bool header_settled = true;  // false while the writer writes the header anew

  bool contains(Position position) const {
    return header.first_position <= position && position < end_position;
  }
  std::string file_name() const {
    return sealed ? sealed_segment_name(header.sequence) : std::string(current_segment_name);
  }
};

struct SegmentTable {
  std::vector<SegmentInfo> segments;  // by sequence; the last one is the current one
  // Where each entry of the current segment starts, beginning with its first position; 0: that place is damaged.
  std::vector<std::uint32_t> current_starts;
  // For reading the current segment whatever its name is at the moment.
  std::shared_ptr<io::File> current_reader;

  SegmentInfo& current() { return segments.back(); }
  const SegmentInfo& current() const { return segments.back(); }

  // Null if no segment holds it.
  const SegmentInfo* find(Position position) const {
    const auto after = std::upper_bound(
        segments.begin(), segments.end(), position,
        [](Position wanted, const SegmentInfo& segment) { return wanted < segment.header.first_position; });
    if (after == segments.begin()) return nullptr;
    const SegmentInfo& segment = *(after - 1);
    return segment.contains(position) ? &segment : nullptr;
  }
};

}  // namespace verity::log
