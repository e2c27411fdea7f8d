// Drives consensus: feeds the pure core (engine/consensus) with what happens and carries out what it decides, on the log, the
// node's durable state and the links to the other nodes.
//
//   propose ─► Log ─┐                       ┌─► Log (append, replace, set_committed)
//   messages ───────┼─► Replica::step() ────┼─► promises (meta/state.json), by one fiber
//   timers ─────────┘                       ├─► messages
//                                           └─► on_committed, on_change
//
// A cluster of one is the same with a quorum of one. All calls on the node's loop.
#pragma once

#include "engine/consensus/replica.h"
#include "engine/log/log.h"
#include "engine/node/activation.h"
#include "engine/node/early_acks.h"
#include "engine/node/members.h"
#include "engine/node/options.h"
#include "engine/node/peer_transport.h"
#include "engine/node/state_file.h"
#include "io/base/prng.h"
#include "io/fiber/sync.h"

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <vector>

namespace verity::io {
struct World;
}

namespace verity::node {

class Replicator final : public PeerReceiver {
 public:
  struct Parts {
    const io::World& world;
    log::Log& log;
    io::Directory& meta;
    DurableState& state;       // kept up to date here while it runs
    PeerTransport* transport;  // null: there is nobody else
  };

  Replicator(Parts parts, const NodeOptions& options, const consensus::JournalStart& start);
  ~Replicator() override;

  // Entries that will never change, in order, each once.
  std::function<void(const std::vector<log::EntryPtr>&)> on_committed;
  // Who leads has changed; look again. What was proposed before may be gone.
  std::function<void()> on_change;
  // Of other members, and not about replication (forwarding_codec.h).
  std::function<void(const consensus::Member&, std::uint16_t type, ByteView payload)> on_other_message;
  // What was on its way to this member, or from it, is lost.
  std::function<void(const consensus::Member&)> on_reconnected;
  // What its own entries are dated by; null: the clock of this node.
  std::function<Timestamp()> cluster_time;
  // Once: nothing goes on.
  std::function<void(const Error&)> on_failure;

  // Set the callbacks first; the log is running.
  void start();
  // Ends every fiber; promises under way are kept. The log may be stopped before or after.
  void stop(io::Wait& wait);

  // The log reports what is durable, and that so many replacements (Log::generation()) are.
  void log_durable(std::uint64_t generation);

  bool leads() const { return replica_.is_primary(); }
  View view() const { return replica_.view(); }
  std::optional<consensus::Member> primary() const { return replica_.primary(); }
  Position committed() const { return replica_.journal().committed(); }
  // The same of the leader, as far as it was heard.
  Position cluster_committed() const { return std::max(heard_committed_, committed()); }
  // Of whoever follows: for an election timeout nothing was heard of the leader; of the leader: of a majority.
  bool hears_nobody() const { return hears_nobody_; }
  // Views that were entered, leading or following.
  std::uint64_t view_changes() const { return view_changes_; }
  // A primary decides nothing before this is applied.
  Position serve_from() const { return replica_.serve_from(); }
  const consensus::Replica& replica() const { return replica_; }
  ByteCount uncommitted_bytes() const { return uncommitted_bytes_; }

  // Gives the entry its place and release, and sends it on its way. Requires leads().
  log::EntryPtr propose(log::EntryHeader header, ByteView body);
  // Suspends until a majority has agreed, after the call began, that this node leads, and everything is committed that
  // was before. False: it does not lead, or the wait ended.
  bool confirm(io::Wait& wait);

  // Suspends until another node leads, which is to be `to`; meanwhile nothing is to be proposed (is_handing_over()). False:
  // this node leads on.
  bool hand_over(io::Wait& wait, NodeId to);
  bool is_handing_over() const { return handing_over_; }

  Activation& activation() { return activation_; }
  const Activation& activation() const { return activation_; }
  // sync_mode = "async": of what is not durable yet.
  EarlyAcks& early_acks() { return early_acks_; }
  const EarlyAcks& early_acks() const { return early_acks_; }
  Members& members() { return members_; }
  const Members& members() const { return members_; }

  void on_peer_message(const consensus::Member& from, std::uint16_t type, ByteView payload) override;
  void on_peer_connected(const consensus::Member& peer, const PeerRelease& release,
                         const Boot& boot) override;
  void on_peer_refused(const PeerRefusal& refusal) override;
  void on_peer_changed(const consensus::Member& peer, const PeerRelease& release) override;

 private:
  struct Question {
    io::Waiter* waiter;
    bool confirmed = false;
  };
  struct BulkSend {
    consensus::Member to;
    consensus::Message message;
  };

  void spawn(std::string_view name, void (Replicator::*body)(io::Wait&));
  bool propose_own(log::EntryKind kind, ByteView body);
  void run_promises(io::Wait& wait);
  void tell_log_committed();
  bool is_state_behind() const {
    return members_.is_behind() || activation_.is_behind() || boots_.is_behind() || early_acks_.is_behind() ||
           is_outdated_;
  }
  void state_saved();
  void send_now(const consensus::Member& to, PeerLane lane, const consensus::Message& message);
  void leave();
  void leave_outdated();
  void note_outdated();
  void run_timers(io::Wait& wait);
  void run_bulk(io::Wait& wait);
  void run_proposals(io::Wait& wait);
  void flush_proposals();
  void step(const consensus::Input& input);
  void carry_out(consensus::Effects effects);
  void carry_out(consensus::Effect effect);
  void send(const consensus::Member& to, consensus::Message message, bool is_bulk);
  Status fill_in(io::Wait& wait, consensus::EntryRange& range);
  void append(const std::vector<consensus::EntryInfo>& entries);
  void replace(const consensus::ReplaceLog& effect);
  void take(log::EntryPtr entry);
  void commit(Position position);
  bool has_vote() const;
  void inform_strangers();
  void changed();
  void give_up_questions();
  void entered_view();
  void set_hears_nobody(bool hears_nobody);
  void answer(std::uint64_t token, bool confirmed);
  void draw_election_timeout();
  void fail_with(const Error& error);
  void trace(const consensus::Effect& effect) const;

  const io::World& world_;
  log::Log& log_;
  io::Directory& meta_;
  DurableState& state_;
  PeerTransport* const transport_;
  const ConsensusOptions options_;
  const Releases known_;
  consensus::Replica replica_;
  Members members_;
  EarlyAcks early_acks_;
  Activation activation_;
  Boots boots_;
  Prng prng_;

  std::vector<consensus::EntryInfo> proposals_;  // in the log, not yet in the replica
  std::deque<log::EntryPtr> uncommitted_;        // of the log
  ByteCount uncommitted_bytes_ = 0;
  std::deque<consensus::SavePromises> saves_;
  std::deque<BulkSend> bulk_;
  std::map<std::uint64_t, Question> questions_;
  std::uint64_t last_token_ = 0;

  Instant heartbeat_at_;
  Instant silence_at_;
  std::uint32_t patience_ = 1;  // election timeouts are so many times as long
  io::Signal proposals_work_;
  io::Signal saves_work_;
  io::Signal bulk_work_;

  Position heard_committed_;
  bool hears_nobody_ = false;
  bool handing_over_ = false;
  bool is_to_settle_ = false;
  bool is_outdated_ = false;
  std::vector<consensus::Member> strangers_;  // connected blank disks
  std::uint64_t view_changes_ = 0;
  bool running_ = false;
  bool failed_ = false;
  io::CancelSource cancel_;
  io::WaitGroup fibers_;
};

}  // namespace verity::node
