// What a load consists of, and what came of it. The same for both ways into the log: calls within the process,
// and HTTP.
#pragma once

#include "bench/samples.h"
#include "io/base/units.h"

#include <chrono>
#include <cstdint>
#include <string>

namespace verity::bench {

struct Load {
  std::uint64_t clients = 1;
  std::uint64_t batch = 1;          // events of one request
  std::uint64_t streams = 1;        // clients are spread over them
  ByteCount payload_bytes = 256;    // of `data`, JSON included
  Duration duration = 3s;           // how long requests are begun
  ByteCount payload_bytes_max = 0;  // or until this many payload bytes were acknowledged; 0: no such end
  std::uint64_t warm_up = 200;      // requests of each client that are not counted
};

struct Figures {
  Samples latency;           // one per request
  std::uint64_t events = 0;  // acknowledged, counted ones only
  std::uint64_t requests = 0;
  std::uint64_t refused = 0;  // overloaded: tried again
  Duration elapsed{};

  double events_per_second() const {
    const auto seconds = std::chrono::duration<double>(elapsed).count();
    return seconds > 0 ? static_cast<double>(events) / seconds : 0;
  }
};

// A JSON object of exactly `size` bytes (24 at least), the same every time.
inline std::string payload(ByteCount size) {
  std::string text = R"({"kind":"bench","pad":")";
  while (text.size() + 2 < size) text.push_back(static_cast<char>('a' + text.size() % 26));
  return text + R"("})";
}

inline std::string stream_name(std::uint64_t client, const Load& load) {
  return "bench-" + std::to_string(client % load.streams);
}

// The machine's clock as it is now: a loop's clock moves once a turn only.
inline Instant now() {
  return {std::chrono::steady_clock::now().time_since_epoch().count()};
}

}  // namespace verity::bench
