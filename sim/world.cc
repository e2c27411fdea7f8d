#include "sim/world.h"

#include "io/base/assert.h"
#include "sim/network.h"
#include "sim/process.h"

#include <algorithm>

namespace verity::sim {
namespace {

// A loop that keeps itself busy this long without time moving on will not stop.
constexpr std::uint64_t rounds_without_event_max = 2'000'000;
// Work takes time: fibers that are still busy after so many rounds let this much of it pass.
constexpr std::uint64_t rounds_per_step = 100;
constexpr Duration step = 10us;

}  // namespace

World::World(WorldOptions options)
    : options_(std::move(options)),
      root_(options_.seed),
      schedule_(root_.fork("schedule")),
      trace_(400, options_.trace_sink),
      network_(std::make_unique<NetworkCore>(*this)) {}

World::~World() {
  VERITY_ASSERT_NOTE(processes_.empty(), "a world was destroyed under its processes");
  events_.clear();
}

void World::at(Instant time, std::move_only_function<void()> action) {
  events_.emplace(std::pair(std::max(time, now_), ++event_sequence_), std::move(action));
}

void World::add(Process& process) {
  processes_.emplace(process.id(), &process);
}
void World::remove(Process& process) {
  processes_.erase(process.id());
}

Process* World::find(std::uint64_t process_id) const {
  const auto found = processes_.find(process_id);
  return found == processes_.end() ? nullptr : found->second;
}

void World::fail(std::string_view what) {
  trace_.line(now_, "world", "FAILED " + std::string(what));
  if (!failure_) failure_ = std::string(what);
}

bool World::run_ready() {
  bool any = false;
  // A snapshot: processes come and go only in events, but a body may end its process' last fiber.
  std::vector<std::uint64_t> ids;
  for (const auto& [id, process] : processes_) {
    if (process->loop().has_ready() && !process->is_paused()) ids.push_back(id);
  }
  if (ids.size() > 1) schedule_.shuffle(ids);
  for (const std::uint64_t id : ids) {
    const std::uint64_t turns = options_.ready_swaps == 0 ? 64 : schedule_.between(1, 16);
    any = find(id)->loop().run_ready(turns) || any;
  }
  return any;
}

void World::drain_crashed() {
  for (const auto& [id, process] : processes_) {
    if (process->is_crashed() && !process->drained_) process->drain();
  }
}

Instant World::next_time() {
  Instant next = events_.empty() ? Instant::never() : events_.begin()->first.first;
  for (const auto& [id, process] : processes_) {
    if (process->is_crashed()) continue;
    next = std::min(next, process->is_paused()
                              ? process->paused_until()
                              : process->clock().world_time_of(process->loop().next_deadline()));
  }
  return std::max(next, now_);
}

bool World::run_until(const std::function<bool()>& done, Instant deadline) {
  std::uint64_t rounds = 0;
  while (!failure_) {
    drain_crashed();
    if (done()) return true;
    if (run_ready()) {
      if (++rounds % rounds_per_step != 0) continue;
      if (rounds > rounds_without_event_max) fail("fibers keep one another busy and nothing else happens");
      if (now_ >= deadline) return false;
      now_ = std::min({next_time(), now_ + step, deadline});
    } else {
      const Instant next = next_time();
      if (next == Instant::never()) return false;
      if (next > deadline) {
        now_ = std::max(now_, deadline);
        return false;
      }
      now_ = next;
      rounds = 0;
    }
    for (const auto& [id, process] : processes_) process->fire_timers();
    if (!events_.empty() && events_.begin()->first.first <= now_) {
      auto action = std::move(events_.begin()->second);
      events_.erase(events_.begin());
      action();
    }
  }
  return false;
}

void World::run_for(Duration duration) {
  const Instant until = now_ + duration;
  run_until([] { return false; }, until);
  if (!failure_) now_ = std::max(now_, until);
}

}  // namespace verity::sim
