#include "io/fiber/stack.h"

#include "io/base/assert.h"
#include "io/base/bytes.h"
#include "io/fiber/sanitizer.h"

#include <sys/mman.h>
#include <unistd.h>

#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#else
#define VALGRIND_STACK_REGISTER(start, end) 0
#define VALGRIND_STACK_DEREGISTER(id) static_cast<void>(id)
#endif

namespace verity::io {
namespace {

// AddressSanitizer keeps red zones around every variable on the stack.
#ifdef VERITY_ASAN
constexpr ByteCount sanitized_frame_factor = 4;
#else
constexpr ByteCount sanitized_frame_factor = 1;
#endif

ByteCount page_bytes() {
  return static_cast<ByteCount>(::sysconf(_SC_PAGESIZE));
}

void unmap(Stack stack) {
  VALGRIND_STACK_DEREGISTER(stack.valgrind_id);
  const int failed = ::munmap(stack.bottom - page_bytes(), stack.size + page_bytes());
  VERITY_ASSERT(failed == 0);
}

}  // namespace

StackPool::StackPool(ByteCount stack_bytes)
    : stack_bytes_(round_up(stack_bytes * sanitized_frame_factor, page_bytes())) {}

StackPool::~StackPool() {
  for (const Stack stack : idle_) unmap(stack);
}

Stack StackPool::take() {
  if (!idle_.empty()) {
    const Stack stack = idle_.back();
    idle_.pop_back();
    return stack;
  }
  const ByteCount guard = page_bytes();
  void* const memory = ::mmap(nullptr, stack_bytes_ + guard, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  VERITY_ASSERT_NOTE(memory != MAP_FAILED, "no memory for a fiber stack");
  const int failed = ::mprotect(memory, guard, PROT_NONE);
  VERITY_ASSERT(failed == 0);
  Stack stack{static_cast<std::byte*>(memory) + guard, stack_bytes_, 0};
  stack.valgrind_id = static_cast<unsigned>(VALGRIND_STACK_REGISTER(stack.bottom, stack.top()));
  return stack;
}

void StackPool::give_back(Stack stack) {
  if (idle_.size() < idle_max) {
    idle_.push_back(stack);
  } else {
    unmap(stack);
  }
}

}  // namespace verity::io
