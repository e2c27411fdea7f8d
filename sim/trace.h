// What happened in a simulated run, line by line, and its digest. Two runs of one seed print the same lines;
// the digest covers every line even when nobody keeps the text.
//
//   0.001204117 node1.1  write  log/current.segment 4096+512 7c1d…
//   time        who      what
#pragma once

#include "io/base/units.h"

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace verity::sim {

class Trace {
 public:
  using Sink = std::function<void(std::string_view line)>;

  // Keeps the last `lines_kept` lines in memory; `sink`, if there is one, gets every line.
  explicit Trace(std::size_t lines_kept = 400, Sink sink = {});
  ~Trace();
  Trace(const Trace&) = delete;
  Trace& operator=(const Trace&) = delete;

  void line(Instant at, std::string_view who, std::string_view what);
  // For whoever reads the text: not part of the digest, and lost without a sink.
  void remark(Instant at, std::string_view who, std::string_view what);
  bool has_reader() const { return sink_ != nullptr; }

  // XXH3-128 over all lines so far, in hexadecimal.
  std::string digest() const;
  std::uint64_t line_count() const { return line_count_; }
  const std::deque<std::string>& last_lines() const { return kept_; }

 private:
  struct State;
  std::unique_ptr<State> state_;
  const Sink sink_;
  const std::size_t lines_kept_;
  std::uint64_t line_count_ = 0;
  std::deque<std::string> kept_;
};

// XXH3-64 as 16 digits: stands for contents in trace lines.
std::string fingerprint(std::string_view bytes);

}  // namespace verity::sim
