// Which start of each member was heard last. A data directory that is put back as it was some time ago does not know what it has
// promised since; but the others have heard of a later start of it, and refuse it (net/peer/admission.h). What a member says counts
// here only once its start is remembered durably: whoever has counted its word can never take an older copy for it.
#pragma once

#include "engine/consensus/member.h"
#include "io/base/ids.h"

#include <cstdint>
#include <map>
#include <vector>

namespace verity::node {

struct DurableState;

// One process of a node: the number of its start, and a nonce, because two copies of a directory count the same numbers.
struct Boot {
  std::uint64_t number = 0;
  Id128 nonce;

  bool operator==(const Boot&) const = default;
};

struct KnownBoot {
  consensus::Member member;
  Boot boot;

  bool operator==(const KnownBoot&) const = default;
};

class Boots {
 public:
  explicit Boots(DurableState& state) : state_(state) {}

  void connected(const consensus::Member& peer, const Boot& boot);
  // Else what it says is to be ignored for now.
  bool counts(const consensus::Member& from) const { return !pending_.contains(from); }

  // ---- the state
  bool is_behind() const { return !pending_.empty(); }
  // Into the state, which is about to be saved. Who is no member is forgotten when its id comes back on another disk.
  void write_down(const consensus::MemberSet& members);
  void saved();

 private:
  DurableState& state_;
  std::map<consensus::Member, Boot> pending_;
  std::map<consensus::Member, Boot> writing_;
};

}  // namespace verity::node
