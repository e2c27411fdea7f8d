#include "io/fiber/loop.h"

#include "io/base/assert.h"
#include "io/clock.h"
#include "io/fiber/fiber.h"
#include "io/fiber/wait.h"

#include <algorithm>

namespace verity::io {

Loop::Loop(Clock& clock, ReadyOrder* order, ByteCount stack_bytes)
    : clock_(clock), order_(order), stacks_(stack_bytes) {}

Loop::~Loop() {
  VERITY_ASSERT_NOTE(fiber_count_ == 0, "a loop was destroyed under its fibers");
}

void Loop::spawn(std::string_view name, std::move_only_function<void()> body) {
  const std::uint64_t id = ++fiber_sequence_;
  auto fiber = std::make_unique<Fiber>(*this, id, std::string(name), stacks_.take(), std::move(body));
  ready_.push_back(fiber.get());
  fibers_.emplace(id, std::move(fiber));
  ++fiber_count_;
}

bool Loop::run_ready(std::uint64_t turns_max) {
  VERITY_ASSERT_NOTE(current_ == nullptr, "a loop is run from outside its fibers");
  bool any = false;
  for (; turns_max > 0 && !ready_.empty(); --turns_max) {
    const std::size_t index = order_ == nullptr ? 0 : order_->pick(ready_.size());
    VERITY_ASSERT(index < ready_.size());
    Fiber* const fiber = ready_[index];
    ready_.erase(ready_.begin() + static_cast<std::ptrdiff_t>(index));
    current_ = fiber;
    fiber->resume();
    current_ = nullptr;
    any = true;
    if (fiber->is_finished()) {
      const Stack stack = fiber->stack();
      fibers_.erase(fiber->id());
      stacks_.give_back(stack);
      --fiber_count_;
    }
  }
  return any;
}

void Loop::fire_timers() {
  const Instant now = clock_.monotonic();
  while (!timers_.empty() && timers_.begin()->first.first <= now) {
    timers_.begin()->second->make_ready(Wake::timed_out);
  }
}

Instant Loop::next_deadline() const {
  return timers_.empty() ? Instant::never() : timers_.begin()->first.first;
}

std::string_view Loop::current_name() const {
  return current_ == nullptr ? std::string_view() : current_->name();
}

std::vector<std::string> Loop::fiber_names() const {
  std::vector<std::string> names;
  names.reserve(fibers_.size());
  for (const auto& [id, fiber] : fibers_) names.push_back(fiber->name());
  std::sort(names.begin(), names.end());
  return names;
}

Instant Loop::now() const {
  return clock_.monotonic();
}

void Loop::park_current() {
  VERITY_ASSERT_NOTE(current_ != nullptr, "only a fiber can wait");
  Fiber* const fiber = current_;
  fiber->suspend();
}

void Loop::add_timer(Waiter& waiter, Instant at) {
  waiter.has_timer_ = true;
  waiter.timer_at_ = at;
  waiter.timer_sequence_ = ++timer_sequence_;
  timers_.emplace(std::pair(at, waiter.timer_sequence_), &waiter);
}

void Loop::remove_timer(Waiter& waiter) {
  if (!waiter.has_timer_) return;
  waiter.has_timer_ = false;
  const auto erased = timers_.erase(std::pair(waiter.timer_at_, waiter.timer_sequence_));
  VERITY_ASSERT(erased == 1);
}

}  // namespace verity::io
