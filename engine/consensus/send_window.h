// What a primary has sent to one backup and has not heard to be durable there: batch by batch, with their bytes, and on which lane
// they went. Bounds what lies in queues and on links, and keeps batches in order: those on the bulk lane may be overtaken by
// what is sent on the other lane after them.
#pragma once

#include "io/base/ids.h"
#include "io/base/units.h"

#include <cstddef>
#include <deque>

namespace verity::consensus {

class SendWindow {
 public:
  struct Batch {
    Position last;
    ByteCount bytes = 0;  // 0: they are read from the disk later, and not known
    bool is_bulk = false;
  };

  void sent(const Batch& batch);
  // Durable there up to `position`.
  void acknowledged(Position position);
  // What came after `position` has not arrived, and is to be sent again.
  void lost_after(Position position);

  ByteCount bytes() const { return bytes_; }
  std::size_t bulk_batches() const { return bulk_batches_; }

 private:
  void forget(const Batch& batch);

  std::deque<Batch> batches_;
  ByteCount bytes_ = 0;
  std::size_t bulk_batches_ = 0;
};

}  // namespace verity::consensus
