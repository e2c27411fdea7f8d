// What goes into a replica and what comes out of it. The driver carries out effects in their order. Writes of the log are
// completed in the order they were asked for, and so are promises; the two may overtake one another.
#pragma once

#include "engine/consensus/message.h"
#include "engine/consensus/promises.h"

#include <string>
#include <variant>
#include <vector>

namespace verity::consensus {

// ---- inputs

struct Receive {
  Member from;
  Message message;
};
// A new entry of the primary, made to follow its head. One with voters only if why_not_change() has nothing against them;
// one that settles only after ProposeSettled.
struct Propose {
  std::vector<EntryInfo> entries;
};
// The log is durable up to `position`, as it was after `generation` cuts, which are durable too.
struct LogDurable {
  std::uint64_t generation = 0;
  Position position;
};
struct PromisesSaved {
  std::uint64_t number = 0;
};
// The primary's interval has passed; others suspect again what they suspect.
struct HeartbeatDue {};
// For a whole election timeout nothing was heard of a primary, or of a majority by a primary.
struct Silence {};
// Is this node still the primary, now? Answered by Confirmed or Unconfirmed with the same token.
struct Confirm {
  std::uint64_t token = 0;
};

// The primary is to give the lead to the voter `to`: tells it so, if everything is committed and is durable there. Else, and
// when that gets lost, it is to be asked again; this replica leads until it hears of the new view.
struct HandOver {
  NodeId to;
};

// To a primary: this member is there and may have no vote. It is sent the log, and counts for nothing.
struct Admit {
  Member learner;
};
// To a primary: this member is gone for good, or not to be sent anything any more. Ignored of a voter, except that a change
// that let it in no longer waits for it.
struct Forget {
  Member member;
};

using Input = std::variant<Receive, Propose, LogDurable, PromisesSaved, HeartbeatDue, Silence, Confirm,
                           HandOver, Admit, Forget>;

// ---- effects

struct Send {
  Member to;
  Message message;
  // Large: it must not delay what is small, which may overtake it.
  bool is_bulk = false;
};
// To be made durable as a whole; completed by PromisesSaved{number}.
struct SavePromises {
  std::uint64_t number = 0;
  Promises promises;
};
// To the end of the log; completed, with everything before it, by LogDurable.
struct AppendLog {
  std::uint64_t generation = 0;
  std::vector<EntryInfo> entries;
};
// Entries from `first` on are dropped and these take their place, atomically; completed by LogDurable{generation, their last
// or first - 1}.
struct ReplaceLog {
  std::uint64_t generation = 0;
  Position first;
  std::vector<EntryInfo> entries;
};
// Everything up to here will never change and may be applied.
struct Committed {
  Position position;
};
// Leads `view`. Reads and decisions about proposals wait until `serve_from` is committed and applied.
struct BecamePrimary {
  View view;
  Position serve_from;
};
// Follows the primary of a view; what it proposed before may be gone.
struct BecameBackup {
  View view;
  Member primary;
};
// Nobody leads that this node knows of.
struct LostPrimary {
  View view;
};
// The primary was heard, or an election makes progress: the election timeout starts anew. It is to be so many times as long:
// after some views in vain, each gets more time than the one before, or none would ever begin on slow links.
struct HeardPrimary {
  std::uint32_t patience = 1;
};
struct Confirmed {
  std::uint64_t token = 0;
};
struct Unconfirmed {
  std::uint64_t token = 0;
};
// The last change of the voters is committed and its newcomers are there: an entry that settles it is to be proposed. Said
// again until one is.
struct ProposeSettled {};
// This node has no vote any more, for good; it has nothing left to do.
struct Removed {
  Position settled;
};
// A message that changed nothing, and why. For traces and metrics.
struct Ignored {
  Member from;
  std::string_view message;
  std::string_view reason;
};

using Effect =
    std::variant<Send, SavePromises, AppendLog, ReplaceLog, Committed, BecamePrimary, BecameBackup,
                 LostPrimary, HeardPrimary, Confirmed, Unconfirmed, ProposeSettled, Removed, Ignored>;
using Effects = std::vector<Effect>;

std::string describe(const Input& input);
std::string describe(const Effect& effect);

}  // namespace verity::consensus
