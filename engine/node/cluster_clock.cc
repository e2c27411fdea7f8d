#include "engine/node/cluster_clock.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace verity::node {
namespace {

// What a clock may gain or lose on another: 500 parts in a million.
Duration drift_in(Duration age) {
  return age / 2000;
}

struct Interval {
  std::int64_t low;
  std::int64_t high;
};

// The part of the line that most of the intervals share, and how many do.
std::pair<Interval, std::size_t> most_shared(const std::vector<Interval>& intervals) {
  std::vector<std::pair<std::int64_t, int>> ends;
  for (const Interval& some : intervals) {
    ends.emplace_back(some.low, -1);  // where two meet they share a point
    ends.emplace_back(some.high, +1);
  }
  std::sort(ends.begin(), ends.end());
  Interval best{};
  std::size_t most = 0;
  std::size_t open = 0;
  for (std::size_t i = 0; i < ends.size(); ++i) {
    if (ends[i].second > 0) {
      --open;
      continue;
    }
    if (++open <= most) continue;
    most = open;
    best = {ends[i].first, ends[i + 1].first};
  }
  return {best, most};
}

}  // namespace

void ClusterClock::take(NodeId peer, Instant sent, Instant received, Timestamp theirs) {
  if (received < sent) return;
  const std::int64_t middle = sent.ns + (received.ns - sent.ns) / 2;
  readings_[peer] = {.base = theirs.ns - middle, .error = (received - sent) / 2, .taken = received};
}

ClusterClock::Time ClusterClock::read(Instant now, Timestamp own, std::size_t nodes, Timestamp last) {
  std::erase_if(readings_, [&](const auto& known) { return now - known.second.taken > reading_age_max; });
  const std::int64_t own_base = own.ns - now.ns;
  const std::int64_t half = (tolerance / 2).count();
  std::vector<Interval> intervals{{own_base - half, own_base + half}};
  for (const auto& [peer, reading] : readings_) {
    const std::int64_t error = half + (reading.error + drift_in(now - reading.taken)).count();
    intervals.push_back({reading.base - error, reading.base + error});
  }
  const std::size_t majority = nodes / 2 + 1;
  const auto [agreed, count] = most_shared(intervals);
  std::int64_t base = own_base;
  const bool is_agreed = count >= majority;
  if (is_agreed) {
    base = std::clamp(own_base, agreed.low, agreed.high);
    agreed_base_ = base;
  } else if (agreed_base_) {
    base = *agreed_base_;
  } else if (intervals.size() >= majority) {
    // One of them is right. Time goes on from what is dated already, and the least step is the likeliest.
    std::optional<std::int64_t> least;
    for (const Interval& some : intervals) {
      const std::int64_t middle = some.low + (some.high - some.low) / 2;
      const bool is_possible = middle + now.ns >= last.ns - tolerance.count();
      if (is_possible && (!least || middle < *least)) least = middle;
    }
    base = least.value_or(own_base);
  }
  return {.now = Timestamp{base + now.ns},
          .offset = Duration(base - own_base),
          .is_agreed = is_agreed,
          .is_known = agreed_base_ || intervals.size() >= majority,
          .read = intervals.size()};
}

}  // namespace verity::node
