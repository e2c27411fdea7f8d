// Who votes, as a log says it: the voters of its committed part and at most one change that is still on its way. The
// change is a joint entry J (Ongaro 2014, §4.3): it needs the majorities of both sets, what comes before it that of the old
// set, what comes after it that of the new one, and only once J itself is committed.
#pragma once

#include "engine/consensus/entry_info.h"
#include "engine/consensus/member.h"

#include <optional>
#include <string>

namespace verity::consensus {

struct JointChange {
  Position at;
  MemberSet voters;  // afterwards

  bool operator==(const JointChange&) const = default;
};

// A change whose `settled` entry is not in the log yet: no other may follow, and no other disk may be lost (rule 17).
struct UnsettledChange {
  Position at;
  MemberSet newcomers;  // in the new set and not in the old one

  bool operator==(const UnsettledChange&) const = default;
};

struct Membership {
  MemberSet voters;                   // up to the change
  std::optional<JointChange> change;  // not known to be committed
  std::optional<UnsettledChange> unsettled;
  Position changed_at;  // by the last change, committed or not; 0: unknown, or there was none
  MemberSet before;     // who voted before it
  Position before_at;   // the change before that one
  Position settled_at;  // by this entry; 0: unknown, or none was

  bool operator==(const Membership&) const = default;

  bool is_voter(const Member& member) const;
  // All who vote now, of both sets.
  MemberSet everyone() const;

  // Do these, each of whom holds `position` durably, commit it? What is before it is committed already.
  bool commits(Position position, const MemberSet& holders) const;
  // May these carry a view change, or agree that one is needed?
  bool elects(const MemberSet& members) const;
  // Can `position` never have been committed, if none of these ever held it?
  bool blocks(Position position, const MemberSet& negatives) const;

  // What an entry does to the membership; `is_committed`: is it known to be? Of all entries, in their order.
  void take(const EntryInfo& entry, bool is_committed);

  // "voters={1:.. 2:.. 3:..}" and " change=12 to {...}" or " unsettled=12"
  std::string describe() const;
};

}  // namespace verity::consensus
