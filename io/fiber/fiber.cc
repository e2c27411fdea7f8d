#include "io/fiber/fiber.h"

#include "io/base/assert.h"
#include "io/fiber/sanitizer.h"

#include <boost/context/detail/fcontext.hpp>

#ifdef VERITY_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef VERITY_TSAN
#include <sanitizer/tsan_interface.h>
#endif

namespace verity::io {

namespace context = boost::context::detail;

namespace {

[[maybe_unused]] void start_switch([[maybe_unused]] void** fake_stack, [[maybe_unused]] const void* bottom,
                                   [[maybe_unused]] std::size_t size) {
#ifdef VERITY_ASAN
  __sanitizer_start_switch_fiber(fake_stack, bottom, size);
#endif
}

[[maybe_unused]] void finish_switch([[maybe_unused]] void* fake_stack, [[maybe_unused]] const void** bottom,
                                    [[maybe_unused]] std::size_t* size) {
#ifdef VERITY_ASAN
  __sanitizer_finish_switch_fiber(fake_stack, bottom, size);
#endif
}

}  // namespace

Fiber::Fiber(Loop& loop, std::uint64_t id, std::string name, Stack stack,
             std::move_only_function<void()> body)
    : loop_(loop), id_(id), name_(std::move(name)), stack_(stack), body_(std::move(body)) {
  fiber_context_ = context::make_fcontext(stack_.top(), stack_.size, [](context::transfer_t from) {
    auto* const self = static_cast<Fiber*>(from.data);
    self->loop_context_ = from.fctx;
    entry(self);
  });
#ifdef VERITY_TSAN
  tsan_fiber_ = __tsan_create_fiber(0);
#endif
}

Fiber::~Fiber() {
  VERITY_ASSERT_NOTE(finished_, name_.c_str());
#ifdef VERITY_ASAN
  __asan_unpoison_memory_region(stack_.bottom, stack_.size);
#endif
#ifdef VERITY_TSAN
  __tsan_destroy_fiber(tsan_fiber_);
#endif
}

void Fiber::resume() {
#ifdef VERITY_TSAN
  tsan_loop_ = __tsan_get_current_fiber();
  __tsan_switch_to_fiber(tsan_fiber_, 0);
#endif
  start_switch(&loop_fake_stack_, stack_.bottom, stack_.size);
  const context::transfer_t back = context::jump_fcontext(fiber_context_, this);
  finish_switch(loop_fake_stack_, nullptr, nullptr);
  fiber_context_ = back.fctx;
}

void Fiber::switch_out(bool for_ever) {
#ifdef VERITY_TSAN
  __tsan_switch_to_fiber(tsan_loop_, 0);
#endif
  // A null fake stack tells AddressSanitizer that this stack will not be continued.
  start_switch(for_ever ? nullptr : &fiber_fake_stack_, loop_stack_bottom_, loop_stack_size_);
  const context::transfer_t back = context::jump_fcontext(loop_context_, this);
  finish_switch(fiber_fake_stack_, &loop_stack_bottom_, &loop_stack_size_);
  loop_context_ = back.fctx;
}

void Fiber::entry(void* fiber) {
  auto* const self = static_cast<Fiber*>(fiber);
  finish_switch(nullptr, &self->loop_stack_bottom_, &self->loop_stack_size_);
  self->body_();
  self->body_ = nullptr;  // captured objects die on the fiber, where their destructors may still suspend
  self->finished_ = true;
  self->switch_out(true);
  VERITY_ASSERT_NOTE(false, "a finished fiber was resumed");
}

}  // namespace verity::io
