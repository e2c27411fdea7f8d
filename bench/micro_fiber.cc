// What does it cost to switch between fibers, to start one, and to hand something from one to another?
// Everything that waits pays for two switches; a request of a client pays for one fiber at most.
#include "bench/micro_conditions.h"
#include "io/clock.h"
#include "io/fiber/loop.h"
#include "io/fiber/sync.h"

#include <benchmark/benchmark.h>

namespace verity::io {
namespace {

class StoppedClock final : public Clock {
 public:
  Instant monotonic() const override { return {}; }
  Timestamp realtime() const override { return {}; }
};

// One item: out of the fiber to the loop, and back into it.
void yield(benchmark::State& state) {
  StoppedClock clock;
  Loop loop(clock);
  loop.spawn("yielder", [&] {
    Wait wait(loop);
    for ([[maybe_unused]] auto _ : state) benchmark::DoNotOptimize(wait.yield().has_value());
  });
  loop.run_ready();
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(yield);

// One item: one fiber wakes another and waits until it is woken itself.
void ping_pong(benchmark::State& state) {
  StoppedClock clock;
  Loop loop(clock);
  Waiter ping;
  Waiter pong;
  bool done = false;
  loop.spawn("ping", [&] {
    Wait wait(loop);
    for ([[maybe_unused]] auto _ : state) {
      pong.wake();
      ping.park_until_woken(wait);
    }
    done = true;
    pong.wake();
  });
  loop.spawn("pong", [&] {
    Wait wait(loop);
    while (true) {
      pong.park_until_woken(wait);
      if (done) return;
      ping.wake();
    }
  });
  loop.run_ready();
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(ping_pong);

// One item: a fiber that starts and ends, on a stack that was used before.
void spawn(benchmark::State& state) {
  StoppedClock clock;
  Loop loop(clock);
  std::uint64_t ran = 0;
  for ([[maybe_unused]] auto _ : state) {
    loop.spawn("short", [&] { ++ran; });
    loop.run_ready();
  }
  benchmark::DoNotOptimize(ran);
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(spawn);

// One item: a wait with a deadline that is woken in time, so that the timer is set and taken back.
void timer(benchmark::State& state) {
  StoppedClock clock;
  Loop loop(clock);
  Waiter waiter;
  bool done = false;
  loop.spawn("sleeper", [&] {
    Wait wait(loop, nullptr, {1'000'000'000});
    while (!done) benchmark::DoNotOptimize(waiter.park(wait));
  });
  loop.run_ready();
  for ([[maybe_unused]] auto _ : state) {
    waiter.wake();
    loop.run_ready();
  }
  done = true;
  waiter.wake();
  loop.run_ready();
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(timer);

}  // namespace
}  // namespace verity::io

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  verity::bench::add_conditions();
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
