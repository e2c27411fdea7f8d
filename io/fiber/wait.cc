#include "io/fiber/wait.h"

#include "io/base/assert.h"
#include "io/fiber/fiber.h"
#include "io/fiber/loop.h"

namespace verity::io {

using ListHook = detail::Hook<detail::ListTag>;
using CancelHook = detail::Hook<detail::CancelTag>;

Waiter::~Waiter() {
  VERITY_ASSERT_NOTE(!is_parked(), "a waiter died under its fiber");
}

Wake Waiter::park(Wait& wait) {
  if (!woken_) {
    const bool too_late = wait.deadline_ <= wait.now();
    if (wait.is_cancelled() || too_late) {
      if (ListHook::is_linked()) ListHook::unlink();
      return wait.is_cancelled() ? Wake::cancelled : Wake::timed_out;
    }
    if (wait.cancel_ != nullptr) wait.cancel_->waiters_.push_back(*this);
    if (wait.deadline_ != Instant::never()) wait.loop_->add_timer(*this, wait.deadline_);
  }
  park_until_woken(wait);
  return reason_;
}

void Waiter::park_until_woken(Wait& wait) {
  if (!woken_) {
    loop_ = wait.loop_;
    fiber_ = loop_->current_;
    loop_->park_current();
  }
  VERITY_ASSERT(woken_ && fiber_ == nullptr);
  woken_ = false;
}

void Waiter::make_ready(Wake reason) {
  if (woken_) return;
  woken_ = true;
  reason_ = reason;
  if (ListHook::is_linked()) ListHook::unlink();
  if (CancelHook::is_linked()) CancelHook::unlink();
  if (fiber_ != nullptr) {
    loop_->remove_timer(*this);
    loop_->make_ready(*fiber_);
    fiber_ = nullptr;
  }
}

bool WaitList::wake_one() {
  if (waiters_.empty()) return false;
  waiters_.front().wake();
  return true;
}

void WaitList::wake_all() {
  while (wake_one()) {
  }
}

void CancelSource::cancel() {
  cancelled_ = true;
  while (!waiters_.empty()) waiters_.front().make_ready(Wake::cancelled);
}

Wait Wait::within(Duration duration) const {
  return until(now() + duration);
}

Instant Wait::now() const {
  return loop_->now();
}

Status Wait::check() const {
  if (is_cancelled()) return fail(ErrorCode::cancelled, "the operation was cancelled");
  if (deadline_ <= now()) return fail(ErrorCode::timed_out, "the deadline has passed");
  return {};
}

Status Wait::sleep(Duration duration) {
  const Instant wake_at = now() + duration;
  Wait sleeping = until(wake_at);
  Waiter waiter;
  if (waiter.park(sleeping) == Wake::timed_out && sleeping.deadline() == wake_at) return {};
  return check();
}

Status Wait::yield() {
  VERITY_TRY(check());
  loop_->make_ready(*loop_->current_);
  loop_->park_current();
  return {};
}

Status to_status(Wake wake, const char* waiting_for) {
  switch (wake) {
    case Wake::ready:
      return {};
    case Wake::timed_out:
      return fail(ErrorCode::timed_out, std::string("timed out waiting for ") + waiting_for);
    case Wake::cancelled:
      return fail(ErrorCode::cancelled, std::string("cancelled while waiting for ") + waiting_for);
  }
  return {};
}

}  // namespace verity::io
