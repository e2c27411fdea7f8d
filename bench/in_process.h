// Appends straight to a node in this process: what the log can do without a network.
#pragma once

#include "bench/load.h"
#include "io/base/result.h"

#include <string>

namespace verity::io {
class Runtime;
}

namespace verity::bench {

struct InProcessFigures {
  Figures figures;
  std::string backend;
  ByteCount log_bytes = 0;      // written to the log while counting and warming up
  ByteCount payload_bytes = 0;  // of the events behind log_bytes
};

// Founds or opens `data_dir`, runs the load against it, stops the node.
Result<InProcessFigures> append_in_process(io::Runtime& runtime, const std::string& data_dir,
                                           const Load& load);

// How long a node takes to start on `data_dir`; the position it comes up with in `head`.
Result<Duration> start_up(io::Runtime& runtime, const std::string& data_dir, std::uint64_t& head);

}  // namespace verity::bench
