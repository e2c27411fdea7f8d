// sync_mode = "async": what is in memory is acknowledged, the log follows. A process that is killed then takes acknowledged
// entries with it.
//
//   alone               the end of the log is lost, and nothing else; the log that is left is a log like any other
//   with other members  the node has forgotten what it promised: it may not come back as the member it was. So the state says
//                       `running` = "async", durably, before the first such acknowledgement, and a start that finds that
//                       begins anew, as another member (docs/operations/async.md)
//
// While the members change, and before a node that was alone sends its log to anybody, it acknowledges what is durable, like any
// other: then nobody who is needed forgets, and nobody else knows more of its log than it will after a crash.
// All calls on the node's loop; none suspends.
#pragma once

#include "engine/consensus/step.h"
#include "engine/node/options.h"
#include "engine/node/state_file.h"
#include "io/base/units.h"

#include <algorithm>
#include <cstdint>

namespace verity::consensus {
class Replica;
}
namespace verity::log {
class Log;
}

namespace verity::node {

class Members;

// The last process with this state was killed, and had acknowledged to other members what it may have lost.
bool has_forgotten(const DurableState& state);

class EarlyAcks {
 public:
  struct Parts {
    const consensus::Replica& replica;
    const Members& members;
    const log::Log& log;
    DurableState& state;
    SyncMode mode;
  };
  explicit EarlyAcks(Parts parts);

  // What is in memory is acknowledged.
  bool are_given() const;
  // The log has reported that so many replacements (Log::generation()) are in the file.
  void flushed(std::uint64_t generation) { flushed_ = std::max(flushed_, generation); }
  // What consensus may take for durable; notes that it did.
  consensus::LogDurable durable();
  // A node alone may send its log to others from now on, and acknowledges nothing early any more. False: ask again.
  bool let_others_in();
  // From here on only what is durable is acknowledged.
  void end() { ended_ = true; }
  // Everything that was ever acknowledged is durable.
  bool are_made_good() const;

  // ---- the state
  bool is_behind() const { return is_to_be_marked() != marked_; }
  // Into the state, which is about to be saved; saved(): it was.
  void write_down();
  void saved() { marked_ = marking_; }

 private:
  bool is_alone() const;
  bool may_forget() const;
  bool is_to_be_marked() const;

  const Parts parts_;
  Position given_;                        // up to here
  std::uint64_t given_replacements_ = 0;  // and these
  std::uint64_t flushed_ = 0;
  bool marked_ = false;  // durably
  bool marking_ = false;
  bool lets_others_in_ = false;
  bool ended_ = false;
};

}  // namespace verity::node
