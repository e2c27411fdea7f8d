#include "sim/clock.h"

#include "io/base/assert.h"

namespace verity::sim {
namespace {

__extension__ using Int128 = __int128;
constexpr std::int64_t billion = 1'000'000'000;

std::int64_t drifted(std::int64_t elapsed, std::int64_t drift_ppb) {
  return static_cast<std::int64_t>(Int128(elapsed) * (billion + drift_ppb) / billion);
}

}  // namespace

SimClock::SimClock(const Instant& world_now, ClockOptions options, Instant started)
    : world_now_(world_now),
      drift_ppb_(options.drift_ppb),
      anchor_world_(world_now),
      anchor_local_(started),
      realtime_offset_(epoch_of_world.ns + world_now.ns - started.ns + options.skew.count()) {
  VERITY_ASSERT(drift_ppb_ > -billion && drift_ppb_ < billion);
}

Instant SimClock::monotonic() const {
  return {anchor_local_.ns + drifted(world_now_.ns - anchor_world_.ns, drift_ppb_)};
}

Timestamp SimClock::realtime() const {
  return {monotonic().ns + realtime_offset_.count()};
}

Instant SimClock::world_time_of(Instant local) const {
  if (local == Instant::never()) return Instant::never();
  const std::int64_t wanted = local.ns - anchor_local_.ns;
  if (wanted <= 0) return anchor_world_;
  const Int128 guess = Int128(wanted) * billion / (billion + drift_ppb_);
  if (anchor_world_.ns + guess >= INT64_MAX - billion) return Instant::never();
  auto elapsed = static_cast<std::int64_t>(guess);
  while (elapsed > 0 && drifted(elapsed - 1, drift_ppb_) >= wanted) --elapsed;
  while (drifted(elapsed, drift_ppb_) < wanted) ++elapsed;
  return {anchor_world_.ns + elapsed};
}

void SimClock::set_drift(std::int64_t drift_ppb) {
  VERITY_ASSERT(drift_ppb > -billion && drift_ppb < billion);
  anchor_local_ = monotonic();
  anchor_world_ = world_now_;
  drift_ppb_ = drift_ppb;
}

void SimClock::skip_to(Instant local) {
  const Instant now = monotonic();
  if (local <= now) return;
  anchor_local_ = local;
  anchor_world_ = world_now_;
}

}  // namespace verity::sim
