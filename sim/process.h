// One run of a program on a simulated host, from its start to its end or crash: a loop with its fibers, its
// clocks, randomness, network and log. What a host keeps between two processes is its disk and its clock's faults.
//
//   Process ──crash()──► poisoned ──(fibers run out through their error paths)──► drained ──► destroyed
//
// After crash() every pending and later call of disk and network answers `crashed`, and nothing reaches the disk
// any more. Whoever spawned the main fiber waits under end() in it and lets it stop what it started; the
// world then runs the process's fibers to their ends in no time at all.
#pragma once

#include "io/fiber/loop.h"
#include "io/fiber/wait.h"
#include "io/world.h"
#include "sim/clock.h"
#include "sim/world.h"

#include <functional>
#include <map>
#include <memory>
#include <string>

namespace verity::sim {

class Disk;
class SimNetwork;

enum class CrashKind : std::uint8_t {
  power,  // the machine: its disk keeps what its promises say, and no more
  kill,   // the process alone: the page cache lives on
};

struct ProcessOptions {
  std::string host;  // "node1": its address on the network
  std::uint64_t boot = 1;
  ClockOptions clock;
  ByteCount stack_bytes = 256 * KiB;
};

// A call into the world that waits for its completion. Lives on the fiber's stack.
struct PendingCall {
  io::Waiter waiter;
  bool crashed = false;
};

class Process {
 public:
  Process(World& world, ProcessOptions options);
  // All fibers have finished.
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  World& world() { return world_; }
  std::uint64_t id() const { return id_; }
  const std::string& name() const { return name_; }  // "node1.2": host and boot
  const std::string& host() const { return options_.host; }
  io::Loop& loop() { return *loop_; }
  SimClock& clock() { return clock_; }
  const io::World& io_world();

  void spawn(std::string_view name, std::move_only_function<void(io::Wait&)> body);

  // Cancelled by crash() and by ask_to_end(): the main fiber waits for it.
  io::CancelSource& end() { return end_; }
  void ask_to_end() { end_.cancel(); }

  // From anywhere, also from one of its own fibers. Idempotent.
  void crash(std::string_view why, CrashKind kind = CrashKind::power);
  CrashKind crash_kind() const { return crash_kind_; }
  bool is_crashed() const { return crashed_; }
  bool is_finished() const { return fiber_count() == 0; }
  std::size_t fiber_count() const { return loop_->fiber_count(); }
  // Lets the world run on until no fiber is left; a fiber that never ends fails the run.
  void drain();

  // As SIGSTOP, or a machine that is paused: none of its fibers runs for so long, or until resume(). Its clock goes on, what
  // it has asked of disk and network happens, and whatever comes for it waits; timers either take their turn among that, or
  // come after all of it (`timers_last`). Outside of all fibers.
  void pause(Duration lasts, bool timers_last);
  void resume() { paused_until_ = {}; }
  bool is_paused() const { return !crashed_ && world_.now() < paused_until_; }
  Instant paused_until() const { return paused_until_; }

  // Counts calls that reached the outside; crashes the process at call number `call`, before it takes effect.
  void crash_at_call(std::uint64_t call, CrashKind kind = CrashKind::power) {
    crash_at_call_ = call;
    crash_at_call_kind_ = kind;
  }
  std::uint64_t call_count() const { return call_count_; }

  // ---- for disk and network

  // False when the process has crashed, now or before.
  bool begin_call();
  // Suspends until complete(id); false: the process crashed meanwhile.
  bool wait_for(io::Wait& wait, std::uint64_t call_id);
  std::uint64_t new_call() { return ++call_sequence_; }
  void complete(std::uint64_t call_id);
  // Runs at crash(), in order of registration.
  std::uint64_t on_crash(std::move_only_function<void()> action);
  void forget_on_crash(std::uint64_t id) { crash_actions_.erase(id); }

  // What it says in its log, as it is said; it may be crashed by whoever hears it.
  std::function<void(std::string_view message)> on_log;
  void trace(std::string_view what) { world_.trace().line(world_.now(), name_, what); }
  void remark(std::string_view what) { world_.trace().remark(world_.now(), name_, what); }

 private:
  friend class World;
  struct Services;

  void fire_timers();

  World& world_;
  const ProcessOptions options_;
  const std::uint64_t id_;
  const std::string name_;
  SimClock clock_;
  std::unique_ptr<Services> services_;
  std::unique_ptr<io::Loop> loop_;
  std::unique_ptr<io::World> io_world_;
  io::CancelSource end_;
  bool crashed_ = false;
  bool drained_ = false;
  CrashKind crash_kind_ = CrashKind::power;
  CrashKind crash_at_call_kind_ = CrashKind::power;
  std::uint64_t call_count_ = 0;
  std::uint64_t crash_at_call_ = 0;
  std::uint64_t call_sequence_ = 0;
  std::map<std::uint64_t, PendingCall*> pending_;
  Instant paused_until_{};
  bool timers_last_ = false;
  std::uint64_t crash_action_sequence_ = 0;
  std::map<std::uint64_t, std::move_only_function<void()>> crash_actions_;
};

}  // namespace verity::sim
