// What a node knows of its own log: everything up to the base is committed and only its hash is kept; the entries after it
// are held one by one. Positions are contiguous and every parent fits.
//
//   1 ......... base | base+1 .. committed .. durable .. head        what a crash keeps: 1..durable
#pragma once

#include "engine/consensus/entry_info.h"
#include "engine/consensus/membership.h"

#include <deque>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace verity::consensus {

namespace testing {
class Canonical;
}

// What recovery found.
struct JournalStart {
  Position committed;           // known to be
  Sha256Digest committed_hash;  // zeros at 0
  Membership membership;        // as of `committed`; no voters: the node is blank
  std::deque<EntryInfo> tail;   // committed+1 ..., all durable
};

class Journal {
 public:
  explicit Journal(JournalStart start);

  Position base() const { return base_; }
  Position committed() const { return committed_; }
  Position head() const { return Position{base_.value + entries_.size()}; }
  Position durable() const { return durable_; }
  const Sha256Digest& head_hash() const { return entries_.empty() ? base_hash_ : entries_.back().hash; }
  // The hash of a position of base..head; nothing for any other.
  std::optional<Sha256Digest> hash_at(Position position) const;
  // The entry of a position of base+1..head.
  const EntryInfo& at(Position position) const;
  // Those of base+1..head that are within [first, last].
  std::vector<EntryInfo> range(Position first, Position last) const;

  // With the change that is not committed.
  const Membership& membership() const { return membership_; }
  // How often it may have changed.
  std::uint64_t membership_changes() const { return membership_changes_; }
  // Who votes after committed().
  const MemberSet& committed_voters() const { return membership_.voters; }

  // Does the entry follow head()?
  bool continues(const EntryInfo& entry) const;
  // Requires continues().
  void append(EntryInfo entry);
  // Drops everything from `first` on; first > committed(). Later completions of what was dropped carry an older
  // generation.
  void cut(Position first);
  std::uint64_t generation() const { return generation_; }
  // True: a crash may still bring back what the last cut has dropped.
  bool is_cutting() const { return cutting_; }
  // All cuts up to `generation` are durable, and everything up to `position`.
  void made_durable(std::uint64_t generation, Position position);
  // Forward only, at most head().
  void commit(Position position);
  // Keeps at most `count` committed entries one by one, of at most `bytes` together.
  void forget_committed(std::size_t count, ByteCount bytes);

  // "base=2 committed=5 durable=7 head=8 [6/0 0a1b2c3d ...]": without the committed entries.
  std::string describe() const;

 private:
  friend class testing::Canonical;  // writes down all there is

  void derive_membership();

  Position base_;
  Sha256Digest base_hash_;
  Membership base_membership_;
  std::deque<EntryInfo> entries_;
  Position committed_;
  Position durable_;
  std::uint64_t generation_ = 0;
  bool cutting_ = false;
  ByteCount committed_bytes_ = 0;  // of base+1..committed
  Membership membership_;
  std::uint64_t membership_changes_ = 0;
};

}  // namespace verity::consensus
