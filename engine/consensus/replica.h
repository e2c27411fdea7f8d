// One replica of the log: Viewstamped Replication (Liskov, Cowling 2012) with a persisted log, as a pure function. It holds
// no clock, file or socket: step() takes what happened and says what is to be done.
//
//            Silence of a majority                votes of a majority             log and promises durable
//   backup ──────────────────────► changing ─────────────────────────► filling ───────────────────────────► primary
//      ▲                              │                                  ▲ │
//      │                              └──────── StartView of another ────┘ └───────────────────────────────► backup
//
// What carries the safety:
//   - promises are durable before anything is sent that rests on them;
//   - a PrepareOk speaks of entries that are durable;
//   - the log of a view is durable before log_view says so;
//   - a view has one primary, named in every vote with its incarnation, and a restarted one never goes on leading.
// A node without a vote in its own log is a learner: it follows a primary like a backup, and neither votes nor suspects nor
// counts. A blank one has an empty log and, whatever its promises say, the log of no view.
// Split by protocol: normal.cc, view_change.cc, filling.cc, hand_over.cc, changing_members.cc; what they share is here. The
// state of each is a struct of its own.
#pragma once

#include "engine/consensus/journal.h"
#include "engine/consensus/promises.h"
#include "engine/consensus/send_window.h"
#include "engine/consensus/step.h"

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>

namespace verity::consensus {

struct ReplicaOptions {
  Member self;
  // Names this start of the node: no earlier one had it, and it is not 0.
  std::uint64_t start = 1;
  std::size_t batch_entries_max = 100;          // in one Prepare or Fetched
  ByteCount batch_bytes_max = 4 * 1024 * 1024;  // likewise, unless one entry alone is larger
  std::uint64_t window_entries_max = 4096;      // sent to one backup and not acknowledged
  // Larger batches travel in bulk, and any once 16 times that is under way to a backup: heartbeats do not wait for them.
  ByteCount small_bytes_max = 64 * 1024;
  std::uint64_t bulk_batches_max = 8;  // sent in bulk to one backup and not acknowledged
  std::uint64_t bulk_patience = 10;    // heartbeats without progress at first; then they count as lost
  // Committed entries held one by one, for backups that are a little behind.
  std::size_t keep_committed = 1024;
  ByteCount keep_committed_bytes = 8 * 1024 * 1024;
};

enum class Status : std::uint8_t {
  primary,
  backup,
  changing,  // knows of a view whose log it does not have
  filling,   // gets the log of the view, or of whoever gives it a vote
  removed,   // has no vote any more, and takes no part
};
std::string_view describe(Status status);

class Replica {
 public:
  // As recovery found it. start() comes first.
  Replica(ReplicaOptions options, JournalStart journal, Promises promises);

  Effects start();
  Effects step(const Input& input);

  Status status() const { return status_; }
  bool is_primary() const { return status_ == Status::primary; }
  View view() const { return promises_.view; }
  // No vote in its own log.
  bool is_learner() const { return !journal_.membership().is_voter(options_.self); }
  // Of a primary: why the voters cannot become these now; empty: they can.
  std::string_view why_not_change(const MemberSet& voters) const;
  // Whom clients are sent to: the primary of the view, if this node follows or is one.
  std::optional<Member> primary() const;
  // Of a primary: up to where this backup has acknowledged; while a disk is replaced, the one that votes.
  std::optional<Position> acknowledged_by(NodeId backup) const;
  // Of a primary: reads and decisions wait until this is committed and applied.
  Position serve_from() const { return leading_.serve_from; }
  const Journal& journal() const { return journal_; }
  const Promises& promises() const { return promises_; }

  // Everything there is to know, on some lines: equal states, and only those, say the same.
  std::string describe() const;

 private:
  friend class testing::Canonical;  // writes down all there is

  // ---- the parts, one per protocol
  struct Progress {
    Position acked;                // durable there
    Position next{1};              // to be sent
    std::uint64_t round = 0;       // the last heartbeat it answered
    std::uint64_t sent_round = 0;  // the last heartbeat before the last Prepare to it
    std::uint64_t start = 0;       // as it said last, while it may have lost entries
    SendWindow under_way;
    Position read_until;  // so far entries are read from the disk for it, which takes its time
    // So far they were sent in bulk.
    Position bulk_until;
    Position bulk_head;                // since then: what it has said to have
    std::uint64_t bulk_since = 0;      // the round in which that changed, or more was sent
    std::uint64_t bulk_window = 1;     // so many batches are under way at most; more with each that arrives
    std::uint64_t bulk_doublings = 0;  // of the patience: what counted as lost may only have been slow
  };
  struct Leading {  // of a primary
    Position serve_from;
    std::uint64_t round = 0;
    std::map<Member, Progress> backups;
    MemberSet heard;        // since the election timeout was last started anew
    Position head_at_beat;  // as of the last heartbeat: who holds that keeps up (why_not_change)
    MemberSet gone;         // newcomers that no change waits for any more
    struct Question {
      std::uint64_t token;
      std::uint64_t round;
    };
    std::deque<Question> questions;
  };
  struct Following {               // of a backup
    std::uint64_t round = 0;       // of the last heartbeat
    std::optional<Member> leader;  // as heard; for view 0, whose primary no promise names
    std::optional<Position> owed;  // with unknown entries: until this is durable, some may be missing
  };
  struct Suspicion {
    bool own = false;
    MemberSet others;  // voters
    MemberSet
        strangers;  // without a vote here, who suspect too: in their logs they and this node may have one
  };
  struct Electing {  // of a candidate
    std::map<Member, Vote> votes;
    bool is_called_for = false;  // by the primary before, alone: the others have to be told
  };
  struct Filling {
    Member source;
    StartView target;
    Position committed;  // known to be, maybe beyond target.committed
    View log_view;  // what the target is the log of: the view, or an earlier one that gives this node a vote
    bool leads = false;         // this node is the candidate
    bool adopts = false;        // outside any view: the whole log of a node whose log gives this one a vote
    std::deque<EntryInfo> got;  // after `common`
    Position common;            // up to here the log is the target's
    bool fetching = false;
    std::uint64_t waited = 0;    // heartbeats since it was asked for
    std::uint64_t patience = 1;  // after so many it is asked for again
    std::uint64_t stalled = 0;   // heartbeats since anything of it came
    bool written = false;        // the whole target is in the journal
    bool finishing = false;      // durably, and the promises that say so are on their way
  };

  // ---- normal operation (normal.cc)
  void propose(const Propose& input);
  void on(const Member& from, const Prepare& m);
  void on(const Member& from, const PrepareOk& m);
  void on(const Member& from, const Heartbeat& m);
  void confirm(const Confirm& input);
  void lead();
  void follow();
  void replicate();
  void replicate_to(const Member& member, Progress& progress);
  bool may_send(const Progress& progress) const;
  bool goes_in_bulk(const Progress& progress, const SendWindow::Batch& batch) const;
  bool has_to_rewind(Progress& progress, const PrepareOk& m) const;
  bool has_lost_bulk(Progress& progress, Position head) const;
  void beat();
  void hear(const Member& backup);
  void advance_commit();
  void commit(Position position);
  void acknowledge();
  void answer_questions();
  void stop_leading();
  void settle_unknown();

  // ---- view change (view_change.cc)
  void on(const Member& from, const Suspect& m);
  void on(const Member& from, const Vote& m);
  void on(const Member& from, const StartView& m);
  void on(const Member& from, const AskStartView& m);
  void on(const Member& from, const NewerView& m);
  void silence();
  void suspect_aloud();
  void raise_if_agreed();
  void raise_view(View view);
  void vote();
  Vote own_vote() const;
  void try_choose();
  StartView start_view() const;
  void heard_primary();
  std::uint32_t patience() const;
  bool is_primary_of_view(const Member& member) const;
  std::optional<Member> candidate_of(View view) const;
  bool holds_log_of_view() const;
  bool contradicts(Position committed, const Sha256Digest& committed_hash,
                   const std::vector<EntryInfo>& tail) const;
  bool lacks_committed(const StartView& log) const;

  // ---- hand-over (hand_over.cc)
  void hand_over(const HandOver& input);
  void on(const Member& from, const TakeOver& m);

  // ---- filling (filling.cc)
  void on(const Member& from, const Fetch& m);
  void on(const Member& from, const Fetched& m);
  void on(const Member& from, const Heard& m);
  void begin_filling(Filling filling);
  void fill();
  void take_committed();
  void give_up_filling();
  void finish_filling();
  void replace(Position first, std::deque<EntryInfo> entries);

  // ---- changes of the membership (changing_members.cc)
  void on(const Member& from, const AskLog& m);
  void on(const Member& from, const WholeLog& m);
  void admit(const Admit& input);
  void forget(const Forget& input);
  void ask_for_log(const Member& from);
  void settle_change();
  bool is_heard_lately_by_majority(const MemberSet& voters) const;
  void learn_committed(Position committed, const Sha256Digest& hash);
  void leave_if_removed();

  // ---- shared
  void receive(const Receive& input);
  // True: the message is of a later view, and that was dealt with.
  bool learn_view(const Member& from, const Message& message);
  void log_durable(const LogDurable& input);
  void promises_saved(const PromisesSaved& input);
  void save(Promises promises);
  bool is_saved() const { return saved_ == save_number_; }
  void send(const Member& to, Message message, bool is_bulk = false);
  void broadcast(const Message& message);
  void ignore_message(const Member& from, const Message& message, std::string_view reason);
  EntryRange range_from(Position first, Position last) const;

  ReplicaOptions options_;
  Journal journal_;
  Status status_ = Status::changing;
  Promises promises_;              // as of save_number_; durable once is_saved()
  std::uint64_t save_number_ = 0;  // of the last one asked for
  std::uint64_t saved_ = 0;        // of the last one that is durable

  Leading leading_;
  Following following_;
  Suspicion suspicion_;
  Electing electing_;
  std::uint32_t in_vain_ =
      0;  // views that were raised, and sources given up, since this node last led or followed
  std::optional<Filling> filling_;

  Effects effects_;  // of this step
};

}  // namespace verity::consensus
