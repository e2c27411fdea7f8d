// What the protocol has to know of an entry. The entry itself travels along unseen.
#pragma once

#include "engine/consensus/member.h"
#include "io/base/digest.h"
#include "io/base/ids.h"
#include "io/base/units.h"

#include <memory>
#include <string>

namespace verity::consensus {

struct EntryInfo {
  Position position;
  View view;            // in which it was first proposed
  Sha256Digest hash;    // binds the entry and, through its parent, everything before it
  Sha256Digest parent;  // hash of the entry before it
  ByteCount bytes = 0;
  std::shared_ptr<const MemberSet> voters;  // of an entry that says who votes from it on; else null
  bool founds = false;   // these voters, whoever voted before: the cluster's first entry, or a new epoch
  bool settles = false;  // says that the change of the voters before it is committed
  std::shared_ptr<const void> entry;  // the driver's; null in a test of the protocol alone

  // The hash says it all.
  bool operator==(const EntryInfo& other) const { return position == other.position && hash == other.hash; }
  // "42/3 0a1b2c3d": position, view, the beginning of the hash.
  std::string describe() const;
};

}  // namespace verity::consensus
