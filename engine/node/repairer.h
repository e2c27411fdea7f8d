// Puts damaged segments of a node of a cluster right again, with what the other nodes have, and helps them likewise.
//
//   start, reads, scrubber ── damaged() ──► sealed, if it is the current one ──► repair_segment() ──► on_repaired
//                                                                                   │  ▲
//                                                               ask, one peer after another   entries
//
// No part of the protocol: an entry is told by its hash, and only committed ones are asked for and given. The node goes on
// as a member meanwhile. All calls on the node's loop.
#pragma once

#include "engine/log/log.h"
#include "engine/log/segment_repair.h"
#include "engine/node/peer_transport.h"
#include "io/fiber/sync.h"
#include "io/world.h"

#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace verity::node {

inline constexpr std::uint16_t repair_ask_type = 96;
inline constexpr std::uint16_t repair_answer_type = 97;
constexpr bool is_repair(std::uint16_t type) {
  return type == repair_ask_type || type == repair_answer_type;
}

class Repairer {
 public:
  struct Parts {
    const io::World& world;
    log::Log& log;
    io::Directory& log_directory;
    PeerTransport& transport;
    consensus::Member self;
    std::uint32_t newest_release;
    ByteCount bytes_per_second;
  };

  explicit Repairer(Parts parts);
  ~Repairer();

  // Who may have what is missing here.
  std::function<consensus::MemberSet()> members;
  // A segment is whole again.
  std::function<void()> on_repaired;

  void start();
  void stop(io::Wait& wait);

  // True: it is news.
  bool damaged(const log::Damage& damage);
  void on_message(const consensus::Member& from, std::uint16_t type, ByteView payload);

  // One line each: what was found and is not repaired yet.
  std::vector<std::string> outstanding() const;
  std::uint64_t damaged_segments() const { return damaged_.size(); }
  std::uint64_t repaired_entries_total() const { return repaired_entries_total_; }
  // Given to other nodes.
  std::uint64_t served_entries_total() const { return served_entries_total_; }
  ByteCount repaired_bytes_total() const { return repaired_bytes_total_; }

 private:
  struct Ask {
    consensus::Member from;
    Position first;
    Position last;
  };

  void spawn(std::string_view name, void (Repairer::*body)(io::Wait&));
  void run_repairs(io::Wait& wait);
  void run_answers(io::Wait& wait);
  Status repair(io::Wait& wait, std::size_t index);
  std::vector<consensus::Member> others_in_turn();
  Result<std::vector<log::EntryPtr>> fetch(io::Wait& wait, Position first, Position last,
                                           const Sha256Digest& parent);
  Result<std::vector<log::EntryPtr>> ask(io::Wait& wait, const consensus::Member& whom, Position first,
                                         Position last);
  std::optional<std::size_t> next_to_repair() const;

  const io::World world_;
  log::Log& log_;
  io::Directory& log_directory_;
  PeerTransport& transport_;
  const consensus::Member self_;
  const std::uint32_t newest_release_;
  const ByteCount bytes_per_second_;

  std::map<std::uint64_t, std::vector<std::string>> damaged_;  // by the sequence of the segment
  std::uint64_t repaired_entries_total_ = 0;
  std::uint64_t served_entries_total_ = 0;
  std::size_t turn_ = 0;  // of the others, to be asked first
  ByteCount repaired_bytes_total_ = 0;
  std::optional<std::uint64_t> last_tried_;  // the others come first
  Duration pause_;                           // after a failure; grows

  std::optional<Ask> asked_;  // `from`: whom
  Duration patience_;         // for the next answer
  std::vector<log::EntryPtr> answer_;
  std::deque<Ask> to_answer_;
  io::Signal repair_work_;
  io::Signal answered_;
  io::Signal answer_work_;
  io::CancelSource cancel_;
  io::WaitGroup fibers_;
};

}  // namespace verity::node
