// How fibers of one loop wait for one another. No locks inside: fibers switch only where they wait.
#pragma once

#include "io/base/assert.h"
#include "io/fiber/wait.h"

#include <cstddef>
#include <deque>
#include <optional>
#include <utility>

namespace verity::io {

// Held by one fiber at a time; handed over in order of arrival.
class Mutex {
 public:
  class [[nodiscard]] Guard {
   public:
    explicit Guard(Mutex& mutex) : mutex_(&mutex) {}
    Guard(Guard&& other) noexcept : mutex_(std::exchange(other.mutex_, nullptr)) {}
    Guard& operator=(Guard&&) = delete;
    ~Guard() {
      if (mutex_ != nullptr) mutex_->unlock();
    }

   private:
    Mutex* mutex_;
  };

  Result<Guard> lock(Wait& wait) {
    if (held_) {
      Waiter waiter;
      waiters_.add(waiter);
      VERITY_TRY(to_status(waiter.park(wait), "a mutex"));  // the holder handed it over
    }
    held_ = true;
    return Guard(*this);
  }

 private:
  void unlock() {
    VERITY_ASSERT(held_);
    if (!waiters_.wake_one()) held_ = false;
  }

  bool held_ = false;
  WaitList waiters_;
};

// A flag to wait for. Set stays set until reset.
class Event {
 public:
  void set() {
    set_ = true;
    waiters_.wake_all();
  }
  void reset() { set_ = false; }
  bool is_set() const { return set_; }
  Status wait(Wait& wait) {
    if (set_) return {};
    Waiter waiter;
    waiters_.add(waiter);
    return to_status(waiter.park(wait), "an event");
  }

 private:
  bool set_ = false;
  WaitList waiters_;
};

// Wakes whoever waits now; nothing is remembered. Wait in a loop around the condition.
class Signal {
 public:
  void notify_one() { waiters_.wake_one(); }
  void notify_all() { waiters_.wake_all(); }
  Status wait(Wait& wait) {
    Waiter waiter;
    waiters_.add(waiter);
    return to_status(waiter.park(wait), "a signal");
  }

 private:
  WaitList waiters_;
};

// First in, first out, at most `capacity` items: a full queue makes its writers wait.
template <class T>
class BoundedQueue {
 public:
  explicit BoundedQueue(std::size_t capacity) : capacity_(capacity) { VERITY_ASSERT(capacity > 0); }

  // closed: nobody will take it any more.
  Status push(Wait& wait, T item) {
    while (items_.size() >= capacity_ && !closed_) VERITY_TRY(not_full_.wait(wait));
    if (closed_) return fail(ErrorCode::closed, "the queue is closed");
    items_.push_back(std::move(item));
    not_empty_.notify_one();
    return {};
  }

  // False, and the item untouched, when the queue is full or closed.
  bool try_push(T& item) {
    if (items_.size() >= capacity_ || closed_) return false;
    items_.push_back(std::move(item));
    not_empty_.notify_one();
    return true;
  }

  // closed: empty and nothing will come.
  Result<T> pop(Wait& wait) {
    while (items_.empty()) {
      if (closed_) return fail(ErrorCode::closed, "the queue is closed");
      VERITY_TRY(not_empty_.wait(wait));
    }
    return take();
  }

  std::optional<T> try_pop() {
    if (items_.empty()) return std::nullopt;
    return take();
  }

  // Writers fail from now on; readers get what is left.
  void close() {
    closed_ = true;
    not_empty_.notify_all();
    not_full_.notify_all();
  }

  std::size_t size() const { return items_.size(); }
  bool is_closed() const { return closed_; }

 private:
  T take() {
    T item = std::move(items_.front());
    items_.pop_front();
    not_full_.notify_one();
    return item;
  }

  const std::size_t capacity_;
  std::deque<T> items_;
  bool closed_ = false;
  Signal not_empty_;
  Signal not_full_;
};

// Counts work that is under way; whoever tears down waits for none.
class WaitGroup {
 public:
  void add(std::size_t count = 1) { count_ += count; }
  void done() {
    VERITY_ASSERT(count_ > 0);
    if (--count_ == 0) idle_.notify_all();
  }
  std::size_t count() const { return count_; }
  Status wait(Wait& wait) {
    while (count_ > 0) VERITY_TRY(idle_.wait(wait));
    return {};
  }

 private:
  std::size_t count_ = 0;
  Signal idle_;
};

}  // namespace verity::io
