// How a section of a checkpoint is written and read: as records, none of them very large, so that neither
// side holds the whole section in memory.
#pragma once

#include "io/base/bytes.h"
#include "io/base/result.h"

#include <optional>

namespace verity::index {

class RecordSink {
 public:
  virtual ~RecordSink() = default;
  virtual Status put(ByteView record) = 0;
};

class RecordSource {
 public:
  virtual ~RecordSource() = default;
  // The next record, valid until the next call; nothing after the last one.
  virtual Result<std::optional<ByteView>> take() = 0;
};

}  // namespace verity::index
