// Reads entries in order, straight from the segments: for deriving state again.
#pragma once

#include "engine/log/damage.h"
#include "engine/log/entry.h"
#include "engine/log/segment_table.h"
#include "io/base/result.h"

#include <functional>
#include <optional>

namespace verity::io {
class Directory;
class Wait;
}  // namespace verity::io

namespace verity::log {

// Hands every entry of [begin, end) to `apply`, which may suspend. Stops at damage and returns it; the segments' files may
// be switched meanwhile, entries before `end` are durable and committed.
Result<std::optional<Damage>> replay(io::Wait& wait, io::Directory& directory, const SegmentTable& table,
                                     Position begin, Position end,
                                     const std::function<Status(const EntryPtr&)>& apply);

}  // namespace verity::log
