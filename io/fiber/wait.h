// What a fiber holds while it may have to wait: the loop it runs on, until when it is willing to wait, and
// who may tell it to give up. Everything that can suspend takes a Wait& first.
//
//   Wait soon = wait.within(5ms);
//   Status slept = soon.sleep(1s);        // timed_out after 5 ms
//
// A Waiter is one suspension: it lives on the fiber's stack; whoever completes what the fiber waits for calls
// wake(). Only the loop's own thread may call anything here (other threads: io/fiber/mailbox.h).
#pragma once

#include "io/base/result.h"
#include "io/base/units.h"

#include <boost/intrusive/list.hpp>

#include <cstdint>

namespace verity::io {

class Fiber;
class Loop;
class Wait;

enum class Wake : std::uint8_t { ready, timed_out, cancelled };

namespace detail {
struct ListTag;
struct CancelTag;
template <class Tag>
using Hook = boost::intrusive::list_base_hook<boost::intrusive::tag<Tag>,
                                              boost::intrusive::link_mode<boost::intrusive::auto_unlink>>;
}  // namespace detail

class Waiter : public detail::Hook<detail::ListTag>, public detail::Hook<detail::CancelTag> {
 public:
  Waiter() = default;
  Waiter(const Waiter&) = delete;
  Waiter& operator=(const Waiter&) = delete;
  ~Waiter();

  // Suspends the running fiber until wake(), the deadline or cancellation, whichever is first. Returns at once
  // when wake() came before.
  [[nodiscard]] Wake park(Wait& wait);
  // Suspends until wake(), whatever happens: for operations that hold on to the fiber's memory.
  void park_until_woken(Wait& wait);

  // Makes the fiber ready; a second call changes nothing.
  void wake() { make_ready(Wake::ready); }
  bool is_parked() const { return fiber_ != nullptr; }

 private:
  friend class CancelSource;
  friend class Loop;
  void make_ready(Wake reason);

  Loop* loop_ = nullptr;
  Fiber* fiber_ = nullptr;  // while parked
  bool woken_ = false;
  Wake reason_ = Wake::ready;
  bool has_timer_ = false;
  Instant timer_at_;
  std::uint64_t timer_sequence_ = 0;
};

// Waiters in order of arrival. A waiter leaves the list when it is woken, for whatever reason.
class WaitList {
 public:
  void add(Waiter& waiter) { waiters_.push_back(waiter); }
  bool empty() const { return waiters_.empty(); }
  // False when nobody waits.
  bool wake_one();
  void wake_all();

 private:
  using List = boost::intrusive::list<Waiter, boost::intrusive::base_hook<detail::Hook<detail::ListTag>>,
                                      boost::intrusive::constant_time_size<false>>;
  List waiters_;
};

// Tells every fiber that waits under it, now or later, to give up.
class CancelSource {
 public:
  void cancel();
  bool is_cancelled() const { return cancelled_; }

 private:
  friend class Waiter;
  using List = boost::intrusive::list<Waiter, boost::intrusive::base_hook<detail::Hook<detail::CancelTag>>,
                                      boost::intrusive::constant_time_size<false>>;
  List waiters_;
  bool cancelled_ = false;
};

class Wait {
 public:
  explicit Wait(Loop& loop, CancelSource* cancel = nullptr, Instant deadline = Instant::never())
      : loop_(&loop), cancel_(cancel), deadline_(deadline) {}

  // The same with an earlier deadline; a later one changes nothing.
  Wait until(Instant deadline) const {
    return Wait(*loop_, cancel_, deadline < deadline_ ? deadline : deadline_);
  }
  Wait within(Duration duration) const;
  // The same under another source of cancellation.
  Wait under(CancelSource& cancel) const { return Wait(*loop_, &cancel, deadline_); }

  Loop& loop() const { return *loop_; }
  Instant deadline() const { return deadline_; }
  Instant now() const;
  bool is_cancelled() const { return cancel_ != nullptr && cancel_->is_cancelled(); }
  // Fine, cancelled or timed_out, without suspending.
  Status check() const;

  // Fine after `duration`; cancelled or timed_out if that comes first.
  Status sleep(Duration duration);
  // Lets every other ready fiber run once.
  Status yield();

 private:
  friend class Waiter;
  Loop* loop_;
  CancelSource* cancel_;
  Instant deadline_;
};

// Wake as an outcome: ready is fine, the others name what was being waited for.
Status to_status(Wake wake, const char* waiting_for);

}  // namespace verity::io
