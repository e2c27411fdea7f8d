// For tests: the records of a section, kept in a vector.
#pragma once

#include "engine/index/record.h"

#include <vector>

namespace verity::index {

class RecordsInMemory : public RecordSink, public RecordSource {
 public:
  Status put(ByteView record) override {
    records.emplace_back(record.begin(), record.end());
    return {};
  }
  Result<std::optional<ByteView>> take() override {
    if (at == records.size()) return std::optional<ByteView>();
    return std::optional<ByteView>(records[at++]);
  }

  std::vector<Bytes> records;
  std::size_t at = 0;  // the next one to take
};

}  // namespace verity::index
