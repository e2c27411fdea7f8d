// Stacks for fibers: mapped memory with an inaccessible guard page below, reused because mapping one costs
// about a thousand switches.
#pragma once

#include "io/base/units.h"

#include <cstddef>
#include <vector>

namespace verity::io {

struct Stack {
  std::byte* bottom = nullptr;  // lowest usable address, just above the guard page
  ByteCount size = 0;
  unsigned valgrind_id = 0;

  std::byte* top() const { return bottom + size; }
};

class StackPool {
 public:
  explicit StackPool(ByteCount stack_bytes);
  ~StackPool();
  StackPool(const StackPool&) = delete;
  StackPool& operator=(const StackPool&) = delete;

  Stack take();
  void give_back(Stack stack);

 private:
  static constexpr std::size_t idle_max = 64;
  const ByteCount stack_bytes_;
  std::vector<Stack> idle_;
};

}  // namespace verity::io
