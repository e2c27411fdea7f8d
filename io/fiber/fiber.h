// One stackful fiber: a stack, a saved context and the body it runs. Switching is Boost.Context's assembly;
// the annotations for AddressSanitizer and ThreadSanitizer are ours, because Debian's Boost has no sanitizer
// build. Used by Loop only.
#pragma once

#include "io/fiber/stack.h"

#include <functional>
#include <string>

namespace verity::io {

class Loop;

class Fiber {
 public:
  Fiber(Loop& loop, std::uint64_t id, std::string name, Stack stack, std::move_only_function<void()> body);
  ~Fiber();
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  // Called on the loop's own stack: runs the fiber until it parks or finishes.
  void resume();
  // Called on the fiber's stack: goes back to the loop.
  void suspend() { switch_out(false); }

  bool is_finished() const { return finished_; }
  std::uint64_t id() const { return id_; }
  const std::string& name() const { return name_; }
  Stack stack() const { return stack_; }

 private:
  static void entry(void* fiber);
  void switch_out(bool for_ever);

  [[maybe_unused]] Loop& loop_;
  const std::uint64_t id_;
  const std::string name_;
  const Stack stack_;
  std::move_only_function<void()> body_;
  bool finished_ = false;

  void* fiber_context_ = nullptr;  // where to continue the fiber
  void* loop_context_ = nullptr;   // where to continue the loop

  // What the sanitizers want to know about both sides of a switch.
  void* loop_fake_stack_ = nullptr;
  void* fiber_fake_stack_ = nullptr;
  const void* loop_stack_bottom_ = nullptr;
  std::size_t loop_stack_size_ = 0;
  [[maybe_unused]] void* tsan_fiber_ = nullptr;
  [[maybe_unused]] void* tsan_loop_ = nullptr;
};

}  // namespace verity::io
