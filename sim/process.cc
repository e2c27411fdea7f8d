#include "sim/process.h"

#include "io/base/assert.h"
#include "io/logger.h"
#include "io/random.h"
#include "sim/network.h"

#include <algorithm>
#include <cstdio>

namespace verity::sim {
namespace {

class SimRandom final : public io::Random {
 public:
  explicit SimRandom(Prng prng) : prng_(prng) {}
  void fill(MutableByteView out) override { prng_.fill(out); }

 private:
  Prng prng_;
};

// Mostly first come, first served; sometimes anybody.
class SeededOrder final : public io::ReadyOrder {
 public:
  SeededOrder(Prng prng, std::uint64_t swaps) : prng_(prng), swaps_(swaps) {}
  std::size_t pick(std::size_t ready_count) override {
    if (ready_count == 1 || swaps_ == 0 || !prng_.chance(swaps_, 100)) return 0;
    return prng_.below(ready_count);
  }

 private:
  Prng prng_;
  const std::uint64_t swaps_;
};

std::string print(const io::LogField& field) {
  std::string text(field.name);
  text += "=";
  if (const auto* u = std::get_if<std::uint64_t>(&field.value)) return text + std::to_string(*u);
  if (const auto* i = std::get_if<std::int64_t>(&field.value)) return text + std::to_string(*i);
  if (const auto* b = std::get_if<bool>(&field.value)) return text + (*b ? "true" : "false");
  if (const auto* s = std::get_if<std::string>(&field.value)) return text + *s;
  char number[40];
  std::snprintf(number, sizeof(number), "%.9g", std::get<double>(field.value));
  return text + number;
}

class SimLogger final : public io::Logger {
 public:
  explicit SimLogger(Process& process) : process_(process) {}
  void log(io::LogLevel level, std::string_view target, std::string_view message,
           std::initializer_list<io::LogField> fields) override {
    if (!enabled(level)) return;
    std::string text = "log    " + std::string(io::describe(level)) + " " + std::string(target) + ": " +
                       std::string(message);
    for (const io::LogField& field : fields) text += " " + print(field);
    if (process_.on_log) process_.on_log(message);
    // No fault makes one: these two do not speak the same language.
    if (message == "a message that makes no sense was ignored") process_.world().fail(text);
    if (level >= io::LogLevel::info) {
      process_.trace(text);
    } else {
      process_.remark(text);
    }
  }
  // What is said to nobody costs nothing.
  bool enabled(io::LogLevel level) const override {
    return level >= io::LogLevel::info || process_.world().trace().has_reader();
  }

 private:
  Process& process_;
};

}  // namespace

struct Process::Services {
  SeededOrder order;
  SimRandom random;
  SimLogger logger;
  SimNetwork network;
};

Process::Process(World& world, ProcessOptions options)
    : world_(world),
      options_(std::move(options)),
      id_(++world.process_sequence_),
      name_(options_.host + "." + std::to_string(options_.boot)),
      clock_(world.clock_source(), options_.clock,
             Instant{static_cast<std::int64_t>(world.prng("boot " + name_).between(1, 1u << 30))}) {
  const Prng prng = world.prng("process " + name_);
  services_ = std::make_unique<Services>(Services{.order = {prng.fork("order"), world.options().ready_swaps},
                                                  .random = SimRandom(prng.fork("random")),
                                                  .logger = SimLogger(*this),
                                                  .network = SimNetwork(*this)});
  loop_ = std::make_unique<io::Loop>(clock_, &services_->order, options_.stack_bytes);
  io_world_.reset(new io::World{*loop_, clock_, services_->random, services_->network, services_->logger});
  world_.add(*this);
  trace("start");
}

Process::~Process() {
  VERITY_ASSERT_NOTE(is_finished(), "a process was destroyed under its fibers");
  world_.remove(*this);
}

const io::World& Process::io_world() {
  return *io_world_;
}

void Process::spawn(std::string_view name, std::move_only_function<void(io::Wait&)> body) {
  loop_->spawn(name, [this, body = std::move(body)]() mutable {
    io::Wait wait(*loop_);
    body(wait);
  });
}

void Process::crash(std::string_view why, CrashKind kind) {
  if (crashed_) return;
  crash_kind_ = kind;
  trace((kind == CrashKind::power ? "crash  power, " : "crash  kill, ") + std::string(why));
  crashed_ = true;
  auto actions = std::exchange(crash_actions_, {});
  for (auto& [id, action] : actions) action();
  auto pending = std::exchange(pending_, {});
  for (auto& [id, call] : pending) {
    call->crashed = true;
    call->waiter.wake();
  }
  end_.cancel();
}

void Process::pause(Duration lasts, bool timers_last) {
  if (crashed_) return;
  trace("FAULT  paused for " + std::to_string(lasts / 1ms) + " ms");
  paused_until_ = std::max(paused_until_, world_.now() + lasts);
  timers_last_ = timers_last;
}

void Process::fire_timers() {
  if (!crashed_ && !(is_paused() && timers_last_)) loop_->fire_timers();
}

void Process::drain() {
  VERITY_ASSERT(crashed_);
  drained_ = true;
  // Deadlines of fibers that sleep come at once: nobody watches this clock any more. A program that goes on
  // in spite of its crash is caught by the count.
  for (std::uint64_t rounds = 0; rounds < 1'000'000; ++rounds) {
    if (loop_->run_ready(64)) continue;
    if (is_finished()) return;
    if (loop_->next_deadline() == Instant::never()) break;
    clock_.skip_to(loop_->next_deadline());
    loop_->fire_timers();
  }
  std::string names;
  for (const std::string& name : loop_->fiber_names()) names += " " + name;
  // Their stacks cannot be unwound, so this run cannot go on.
  const std::string note = "after a crash these fibers of " + name_ + " never end:" + names;
  trace(note);
  assertion_failed(__FILE__, __LINE__, "is_finished()", note.c_str());
}

bool Process::begin_call() {
  if (crashed_) return false;
  ++call_count_;
  if (crash_at_call_ != 0 && call_count_ == crash_at_call_)
    crash("at call " + std::to_string(call_count_), crash_at_call_kind_);
  return !crashed_;
}

bool Process::wait_for(io::Wait& wait, std::uint64_t call_id) {
  if (crashed_) return false;
  PendingCall call;
  pending_.emplace(call_id, &call);
  call.waiter.park_until_woken(wait);
  return !call.crashed;
}

void Process::complete(std::uint64_t call_id) {
  const auto found = pending_.find(call_id);
  if (found == pending_.end()) return;
  PendingCall* const call = found->second;
  pending_.erase(found);
  call->waiter.wake();
}

std::uint64_t Process::on_crash(std::move_only_function<void()> action) {
  crash_actions_.emplace(++crash_action_sequence_, std::move(action));
  return crash_action_sequence_;
}

}  // namespace verity::sim
