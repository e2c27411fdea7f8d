// What a node counts. Plain numbers on the node's loop; net/server turns them into the exposition format.
#pragma once

#include "engine/node/peer_traffic.h"
#include "io/base/units.h"

#include <array>
#include <cstdint>

namespace verity::node {

// Durations, counted in buckets whose upper bounds double from 10 µs to about 84 s.
class DurationHistogram {
 public:
  static constexpr std::size_t bucket_count = 24;
  static constexpr Duration bound(std::size_t bucket) { return Duration(10'000LL << bucket); }

  void observe(Duration duration) {
    std::size_t bucket = 0;
    while (bucket < bucket_count && duration > bound(bucket)) ++bucket;
    ++counts_[bucket];
    sum_ += duration;
  }
  // Observations in this bucket alone; bucket_count is "above all bounds".
  std::uint64_t count(std::size_t bucket) const { return counts_[bucket]; }
  Duration sum() const { return sum_; }

 private:
  std::array<std::uint64_t, bucket_count + 1> counts_{};
  Duration sum_{};
};

// Sizes, counted in buckets whose upper bounds double from 512 B to 16 MB.
class SizeHistogram {
 public:
  static constexpr std::size_t bucket_count = 16;
  static constexpr ByteCount bound(std::size_t bucket) { return ByteCount{512} << bucket; }

  void observe(ByteCount size) {
    std::size_t bucket = 0;
    while (bucket < bucket_count && size > bound(bucket)) ++bucket;
    ++counts_[bucket];
    sum_ += size;
  }
  std::uint64_t count(std::size_t bucket) const { return counts_[bucket]; }
  ByteCount sum() const { return sum_; }

 private:
  std::array<std::uint64_t, bucket_count + 1> counts_{};
  ByteCount sum_ = 0;
};

struct NodeMetrics {
  std::uint64_t log_entries_total = 0;  // written by this process
  std::uint64_t log_bytes_total = 0;    // with headers and padding
  std::uint64_t consensus_commits_total = 0;
  std::uint64_t requests_forwarded_total = 0;  // to the leader
  std::uint64_t view_changes_total = 0;        // views entered
  std::uint64_t handovers_total = 0;           // the lead was given away
  Duration clock_offset{};                     // of the believed time from what the own clock shows
  bool clock_is_agreed = false;                // by a majority
  DurationHistogram consensus_duration;        // of a leader: proposed to committed
  std::uint64_t scrubbed_bytes_total = 0;
  std::uint64_t scrub_rounds_total = 0;
  std::uint64_t damaged_entries_total = 0;        // found by start, reads or the scrubber
  std::uint64_t damaged_segments = 0;             // not repaired yet; of a node of a cluster
  std::uint64_t repaired_entries_total = 0;       // that other nodes had
  std::uint64_t repair_served_entries_total = 0;  // given to other nodes
  ByteCount repaired_bytes_total = 0;             // likewise
  std::uint64_t idempotent_replays_total = 0;
  std::uint64_t session_replays_total = 0;  // requests of sessions that had been carried out before
  std::uint64_t sessions = 0;               // known now
  std::uint64_t refused_overloaded_total = 0;
  DurationHistogram write_duration;          // append called to append answered, wherever it was done
  DurationHistogram durable_write_duration;  // one flush
  SizeHistogram flush_bytes;
  std::uint64_t queue_entries = 0;  // proposed and not yet durable, now
  ByteCount queue_bytes = 0;
  PeerTraffic peer_traffic;
};

}  // namespace verity::node
