// A loop runs the fibers of one thread: whoever is ready, then whoever's time has come. Something outside
// (io/linux, sim/) decides when to run it and moves its clock.
//
//   spawn ──► ready ──► running ──► done
//               ▲          │
//               └─ wake ── parked (Waiter) ── deadline ──► ready
//
// Loops share nothing; they talk through mailboxes.
#pragma once

#include "io/base/units.h"
#include "io/fiber/stack.h"

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace verity::io {

class Clock;
class Fiber;
class Waiter;

// Chooses which ready fiber runs next. The ready queue is data, so the simulator may permute it by seed.
class ReadyOrder {
 public:
  virtual ~ReadyOrder() = default;
  // An index below `ready_count` (> 0) into the queue, oldest first.
  virtual std::size_t pick(std::size_t ready_count) = 0;
};

class Loop {
 public:
  // `order` null: first come, first served. Both outlive the loop.
  explicit Loop(Clock& clock, ReadyOrder* order = nullptr, ByteCount stack_bytes = 256 * KiB);
  // Every fiber has finished: tear down by cancelling and running, never by dropping stacks.
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  // Starts a fiber; it runs at the next turn. `body` does not throw. `name` is for messages.
  void spawn(std::string_view name, std::move_only_function<void()> body);

  // Runs ready fibers until none is ready or `turns_max` have run; returns whether any ran.
  bool run_ready(std::uint64_t turns_max = UINT64_MAX);
  // Makes ready whoever's deadline has passed.
  void fire_timers();
  // The earliest deadline; Instant::never() if there is none.
  Instant next_deadline() const;
  bool has_ready() const { return !ready_.empty(); }
  // Started and not finished.
  std::size_t fiber_count() const { return fiber_count_; }
  // Name of the running fiber; empty outside.
  std::string_view current_name() const;
  // Names of all unfinished fibers, sorted: for "why does it not end?".
  std::vector<std::string> fiber_names() const;

  Instant now() const;
  Clock& clock() const { return clock_; }

 private:
  friend class Waiter;
  friend class Fiber;
  friend class Wait;

  void park_current();
  void make_ready(Fiber& fiber) { ready_.push_back(&fiber); }
  void add_timer(Waiter& waiter, Instant at);
  void remove_timer(Waiter& waiter);

  Clock& clock_;
  ReadyOrder* const order_;
  StackPool stacks_;
  std::deque<Fiber*> ready_;
  std::map<std::pair<Instant, std::uint64_t>, Waiter*> timers_;
  std::uint64_t timer_sequence_ = 0;
  std::uint64_t fiber_sequence_ = 0;
  std::map<std::uint64_t, std::unique_ptr<Fiber>> fibers_;
  std::size_t fiber_count_ = 0;
  Fiber* current_ = nullptr;
};

}  // namespace verity::io
