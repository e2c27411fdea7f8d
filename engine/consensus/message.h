// What nodes say to one another. Whoever carries a message guarantees that it comes from the member it names; it may be
// lost, delayed, repeated and overtaken.
//
//   normal operation   Prepare, PrepareOk, Heartbeat
//   view change        Suspect, Vote, StartView, AskStartView, NewerView
//   filling up         Fetch, Fetched, Heard
//   hand-over          TakeOver
//   membership         AskLog, WholeLog
//
// After Liskov and Cowling, Viewstamped Replication Revisited (2012): Heartbeat is their COMMIT, Vote their DOVIEWCHANGE;
// Suspect is a STARTVIEWCHANGE that does not raise the view before a majority agrees.
#pragma once

#include "engine/consensus/entry_info.h"
#include "engine/consensus/membership.h"

#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace verity::consensus {

// Entries [first, last]. The core fills in those it holds one by one; older ones, all committed, are filled in by
// whoever sends the message.
struct EntryRange {
  Position first;
  Position last;
  std::vector<EntryInfo> entries;

  std::string describe() const;
};

// The primary of `view` wants these durable on a majority.
struct Prepare {
  View view;
  Position committed;
  EntryRange range;
};

// The sender holds everything up to `durable` durably, as the primary of `view` proposed it.
struct PrepareOk {
  View view;
  Position durable;
  Sha256Digest hash;        // of `durable`
  Position head;            // what it has received; the primary goes on from there
  std::uint64_t round = 0;  // of the last heartbeat it has heard
  std::uint64_t start = 0;  // while it may have lost entries: which start of the node this is; else 0
};

// The primary of `view` is alive. Each round is answered with a PrepareOk.
struct Heartbeat {
  View view;
  Position committed;
  Position head;
  std::uint64_t round = 0;
  std::uint64_t start = 0;  // the one that the last PrepareOk of the receiver named
};

// "In `view` nothing goes on": the sender would like to see a later one.
struct Suspect {
  View view;
};

// For `candidate` and nobody else to lead `view`: this is my log. Durable before it is sent, one per view.
struct Vote {
  View view;
  Member candidate;
  View log_view;
  Position committed;
  Sha256Digest committed_hash;
  MemberSet voters;             // as of `committed`
  std::vector<EntryInfo> tail;  // durable entries after `committed`, without the entries themselves
  std::optional<Position> unknown_from;

  Position head() const { return Position{committed.value + tail.size()}; }
};

// `view` has begun; this is its log. What lies before the tail is committed.
struct StartView {
  View view;
  Position committed;
  Sha256Digest committed_hash;
  std::vector<EntryInfo> tail;  // after `committed`, without the entries themselves

  Position head() const { return Position{committed.value + tail.size()}; }
  const Sha256Digest& head_hash() const { return tail.empty() ? committed_hash : tail.back().hash; }
};

// "I know of your view and not of its beginning."
struct AskStartView {
  View view;
};

// To whoever speaks of an older view: there is a newer one.
struct NewerView {
  View view;
};

// For entries that the receiver said it has, in a vote for `view` or as its primary.
struct Fetch {
  View view;
  Position first;
  Position last;
};

// Up to `committed`, and where the hashes are known, it is as good in a later view.
struct Fetched {
  View view;
  Position committed;
  EntryRange range;
};

// The primary of `view` would like the receiver, who has everything, to lead a later one.
struct TakeOver {
  View view;
};

// "My log gives me no vote; does yours? Up to here everything is committed." That is a fact, whoever says it: a node that
// leaves may be the last to know.
struct AskLog {
  View view;
  Position committed;
  Sha256Digest committed_hash;
};

// It does; this is the whole of it, durable here. For a node that cannot get it from a primary, because without its vote there
// will be none (rule 16).
struct WholeLog {
  View view;
  View log_view;
  Position committed;
  Sha256Digest committed_hash;
  std::vector<EntryInfo> tail;  // after `committed`, without the entries themselves

  Position head() const { return Position{committed.value + tail.size()}; }
};

// To the primary of `view`, for a heartbeat: it was heard, and its log is still on its way here. Nothing is acknowledged.
struct Heard {
  View view;
};

using Message = std::variant<Prepare, PrepareOk, Heartbeat, Suspect, Vote, StartView, AskStartView, NewerView,
                             Fetch, Fetched, TakeOver, AskLog, WholeLog, Heard>;

View view_of(const Message& message);
// Why nobody who keeps to the protocol can have sent this, or nothing: entries that do not follow one another, numbers out
// of range, voters that are none. Everything that is received is asked this first.
std::string_view what_is_wrong(const Message& message);
// "prepare", "prepare-ok", ...
std::string_view name_of(const Message& message);
// "prepare view=1 committed=4 [5/1 0a1b2c3d]"
std::string describe(const Message& message);

}  // namespace verity::consensus
