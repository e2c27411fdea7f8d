// Keeps the sum of what all connections hold in memory below a bound: whoever needs more asks first.
#pragma once

#include "io/base/assert.h"
#include "io/base/units.h"

namespace verity::server {

class MemoryBudget {
 public:
  explicit MemoryBudget(ByteCount bytes_max) : bytes_max_(bytes_max) {}
  MemoryBudget(const MemoryBudget&) = delete;
  MemoryBudget& operator=(const MemoryBudget&) = delete;

  // What one request holds; given back at destruction.
  class Share {
   public:
    explicit Share(MemoryBudget& budget) : budget_(budget) {}
    Share(const Share&) = delete;
    Share& operator=(const Share&) = delete;
    ~Share() { release(); }

    // Holds at least `bytes` from now on; false, and nothing changed, when that is more than is left.
    bool grow_to(ByteCount bytes) {
      if (bytes <= held_) return true;
      const ByteCount more = bytes - held_;
      if (more > budget_.bytes_max_ - budget_.held_) return false;
      budget_.held_ += more;
      held_ = bytes;
      return true;
    }
    // Holds at most `bytes` from now on.
    void shrink_to(ByteCount bytes) {
      if (bytes >= held_) return;
      VERITY_ASSERT(budget_.held_ >= held_);
      budget_.held_ -= held_ - bytes;
      held_ = bytes;
    }
    void release() { shrink_to(0); }

   private:
    MemoryBudget& budget_;
    ByteCount held_ = 0;
  };

  ByteCount held() const { return held_; }
  ByteCount bytes_max() const { return bytes_max_; }

 private:
  const ByteCount bytes_max_;
  ByteCount held_ = 0;  // <= bytes_max_
};

}  // namespace verity::server
