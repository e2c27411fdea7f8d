// The one implementation of Node. Opening is in opening.h; this class runs what was opened.
//
//   append ──► admit, propose ──► Log (writer fiber) ──► apply_queue_ ──► applier fiber ──► waiting_ appends answered
//                                                                            │
//                                                                            └─► Derived: what reads see
#pragma once

#include "engine/log/log.h"
#include "engine/log/proof.h"
#include "engine/log/scrubber.h"
#include "engine/node/cluster_clock.h"
#include "engine/node/derived.h"
#include "engine/node/forwarder.h"
#include "engine/node/node.h"
#include "engine/node/opening.h"
#include "engine/node/own_session.h"
#include "engine/node/proposed_state.h"
#include "engine/node/repairer.h"
#include "engine/node/replicator.h"
#include "io/fiber/sync.h"
#include "io/world.h"

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace verity::node {

inline constexpr std::string_view first_tenant_name = "default";

class NodeImpl final : public Node {
 public:
  NodeImpl(const io::World& world, NodeOptions options, Opened opened, PeerTransport* transport);
  ~NodeImpl() override;

  // Starts the fibers; founds the cluster if that is still to be done.
  Status run(io::Wait& wait);

  Outcome<AppendReceipt> append(io::Wait& wait, const AppendRequest& request) override;
  Outcome<Id128> open_session(io::Wait& wait) override;
  Outcome<EventPage> read(io::Wait& wait, const ReadRequest& request) override;
  std::optional<Refusal> await_read(io::Wait& wait, Consistency consistency) override;
  void wait_for_events(io::Wait& wait, const ReadRequest& request, EventToken from) override;
  Outcome<TenantInfo> create_tenant(io::Wait& wait, std::string_view name) override {
    return change_tenant(wait, QuestionKind::create_tenant, name);
  }
  Outcome<TenantInfo> delete_tenant(io::Wait& wait, std::string_view name) override {
    return change_tenant(wait, QuestionKind::delete_tenant, name);
  }
  Outcome<TenantInfo> find_tenant(std::string_view name) const override;
  std::vector<TenantInfo> tenants() const override;
  Outcome<Head> head(io::Wait& wait) override;
  Outcome<std::string> prove_inclusion(io::Wait& wait, Position position,
                                       std::optional<std::uint32_t> event) override;
  Outcome<std::string> prove_consistency(io::Wait& wait, Position from, Position to) override;
  Outcome<NodeId> hand_over(io::Wait& wait, std::optional<NodeId> to) override;
  Outcome<ActiveRelease> activate_release(io::Wait& wait) override;
  Outcome<MembersProgress> change_members(io::Wait& wait, const MembersChange& change) override;
  NodeStatus status() const override;
  bool is_ready() const override;
  const NodeMetrics& metrics() const override;
  Status wait_until_failed(io::Wait& wait) override;
  void leave(io::Wait& wait) override;
  Status stop(io::Wait& wait) override;

 private:
  // Somebody who wants to know what became of an entry.
  struct Waiting {
    Position position;
    std::optional<Sha256Digest> hash;  // of the entry; nothing: any will do
    io::Waiter* waiter;
    enum class Fate : std::uint8_t { open, applied, replaced } fate = Fate::open;
  };

  // ---- writing
  std::optional<Refusal> refuse_writes() const;
  std::optional<Refusal> refuse_reads() const;
  std::optional<Refusal> why_not_ready() const;
  std::vector<NodePeer> peers() const;
  std::vector<PeerStatus> links_that_matter() const;
  std::optional<Refusal> refuse_before_first_tenant() const;
  Outcome<const tenant::Tenant*> resolve(std::string_view name) const;
  // The receipt of an earlier request with this key; nothing if there was none. Does not suspend if there was none.
  std::optional<Outcome<AppendReceipt>> find_earlier(io::Wait& wait, TenantId tenant,
                                                     const IdempotencyKey& key);
  Outcome<AppendReceipt> replay(io::Wait& wait, Position position, const IdempotencyKey& key);
  // Why the entry there, which did what was asked, cannot be told of.
  static Refusal refuse_replay(const io::Wait& wait, Position position, const Error& problem);
  static AppendReceipt receipt_of(const log::Entry& entry, const log::EventsBody& body);
  Outcome<log::EntryPtr> propose(log::EntryKind kind, TenantId tenant, ByteView body,
                                 const std::optional<SessionRequest>& session = {});
  // Suspends until it is known what became of the entry at `position`, or cannot be known here any more (open): the node
  // failed, it leads no longer, or the wait ended.
  Waiting::Fate wait_applied(io::Wait& wait, Position position, std::optional<Sha256Digest> hash = {});
  // Suspends until this node may decide about requests: it leads, and has applied all that came before it led.
  std::optional<Refusal> await_leadership(io::Wait& wait);
  // Suspends until what a read with this consistency must see is applied.
  std::optional<Refusal> await_consistency(io::Wait& wait, Consistency consistency);
  std::optional<Refusal> refuse_without_the_others() const;
  std::optional<Refusal> await_applied(io::Wait& wait, Position position);
  std::optional<Refusal> await_fate(io::Wait& wait, const log::Entry& entry);
  // Suspends until whatever this node proposed when it led is committed and applied, or never will be. False: that cannot be
  // known now.
  bool await_verdict(io::Wait& wait);
  // What is said because of what this node sees is said only when all of that is committed and, after it was seen, a
  // majority has agreed that this node leads. Else somebody else may know better: not_leader.
  Refusal uphold(io::Wait& wait, Refusal refusal);
  bool serves() const;
  // As far as this node knows.
  std::optional<consensus::Member> leader() const;
  Outcome<TenantInfo> propose_tenant(io::Wait& wait, const log::TenantBody& body);
  // Ready for a change: this node leads, and the change before is applied, even if nobody waited for it.
  std::optional<Refusal> await_tenant_changes(io::Wait& wait);
  Status replicate(io::Wait& wait);
  Result<consensus::JournalStart> journal_start(io::Wait& wait);
  Status write_first(io::Wait& wait, consensus::JournalStart& start, const log::EntryPtr& entry);
  void create_first_tenant(io::Wait& wait);

  // Here if this node leads, else at the leader.
  Outcome<AppendReceipt> append_somewhere(io::Wait& wait, const AppendRequest& request);
  Outcome<AppendReceipt> append_here(io::Wait& wait, const AppendRequest& request);
  Outcome<AppendReceipt> append_once(io::Wait& wait, const AppendRequest& request);
  Outcome<TenantInfo> create_tenant_here(io::Wait& wait, std::string_view name);
  Outcome<TenantInfo> delete_tenant_here(io::Wait& wait, std::string_view name);

  // ---- sessions (node_session.cc)
  Outcome<Id128> open_session_here(io::Wait& wait);
  // What became of an earlier attempt of the request; nothing if there was none. Does not suspend if there was none.
  std::optional<Outcome<AppendReceipt>> find_in_session(io::Wait& wait, const AppendRequest& request);
  bool is_new_in_session(const SessionRequest& request) const;
  Outcome<AppendReceipt> replay_request(io::Wait& wait, Position position, const AppendRequest& request);
  // Of a request under a session: what its client is told instead of `refusal`.
  Outcome<AppendReceipt> give_up_request(io::Wait& wait, const AppendRequest& request, Refusal refusal);

  // ---- the members (node_members.cc)
  Outcome<MembersProgress> change_members_here(io::Wait& wait, const MembersChange& change);
  Status join_network(io::Wait& wait);
  // The one member of its cluster.
  bool is_alone() const {
    return replicator_ && replicator_->replica().journal().membership().everyone().size() == 1;
  }

  // ---- releases (node_release.cc)
  Outcome<ActiveRelease> activate_release_here(io::Wait& wait);

  // ---- giving the lead away (node_hand_over.cc)
  Outcome<NodeId> hand_over_here(io::Wait& wait, std::optional<NodeId> to);
  // Who could take the lead, the best first.
  std::vector<NodeId> heirs() const;
  std::optional<Refusal> refuse_heir(NodeId to) const;
  // One after another is asked, until one leads.
  Outcome<NodeId> hand_over_to(io::Wait& wait, const std::vector<NodeId>& heirs);

  // ---- looking after itself (node_watch.cc)
  // Why another node had better lead; nothing: none.
  std::optional<std::string> why_unfit() const;
  void give_away_if_unfit(io::Wait& wait);
  void run_watch(io::Wait& wait);
  Refusal refuse_for_space(const Error& problem);
  // Why appends are refused, if that is because another segment cannot be prepared.
  std::optional<Refusal> why_no_room() const;

  // ---- what time it is (node_clock.cc)
  ClusterClock::Time read_clock();
  // Is known what a majority shows, now or since an earlier moment of this process?
  bool may_date();
  void run_clock(io::Wait& wait);
  void note_clock();
  void on_clock_message(const consensus::Member& from, std::uint16_t type, ByteView payload);

  // ---- asking the leader, and answering as one (node_forward.cc)
  // `here` if this node leads, else `there` with the leader; both again if another node leads by then and nothing was done.
  template <class T, class Here, class There>
  Outcome<T> at_leader(io::Wait& wait, Here here, There there);
  void hide_session(io::Wait& wait, const SessionRequest& own, Outcome<AppendReceipt>& outcome);
  bool is_of(io::Wait& wait, const SessionRequest& request, Position position);
  Outcome<TenantInfo> change_tenant(io::Wait& wait, QuestionKind kind, std::string_view name);
  // Who can do what was refused here because this node does not lead. Nobody, if it was refused for another reason.
  std::optional<consensus::Member> who_can(const Refusal& refusal) const;
  // What a read with this consistency has to see, as the leader says.
  std::optional<Refusal> await_read_point(io::Wait& wait, const consensus::Member& leader,
                                          Consistency consistency);
  Outcome<Bytes> serve_question(io::Wait& wait, QuestionKind kind, ByteView body);
  void on_other_message(const consensus::Member& from, std::uint16_t type, ByteView payload);
  void run_reports(io::Wait& wait);

  // ---- proving
  std::optional<Refusal> refuse_proofs(Position position) const;
  Result<log::HeadEvidence> head_evidence(io::Wait& wait, Position position);

  // ---- applying
  void enqueue(const std::vector<log::EntryPtr>& entries);
  void run_applier(io::Wait& wait);
  Status apply_queued(io::Wait& wait);
  void settle_waiting(const log::Entry& applied);
  void give_up_waiting(Position after);  // for what lies behind it
  void follow_role();

  // ---- in the background
  void spawn(std::string_view name, void (NodeImpl::*body)(io::Wait&));
  void rebuild(io::Wait& wait);
  // Derives the nodes of the tree again if some are missing or wrong.
  void mend_tree();
  void rebuild_tree(io::Wait& wait);
  void run_checkpoints(io::Wait& wait);
  Status checkpoint(io::Wait& wait);
  void note_damage(const log::Damage& damage);
  void repair_damage();
  bool can_be_repaired() const;                         // others have the log, too
  std::vector<std::string> outstanding_damage() const;  // one line each
  std::optional<std::string> lasting_damage() const;    // one line of it, if nobody repairs it
  void fail_with(const Error& error);
  TenantInfo info(const tenant::Tenant& tenant) const;

  const io::World world_;
  const NodeOptions options_;
  Opened opened_;
  Derived& derived_;
  log::Log log_;
  log::Scrubber scrubber_;
  ProposedState proposed_;
  PeerTransport* const transport_;
  bool is_in_network_;  // it listens for other nodes
  io::Mutex joining_network_;
  std::optional<Replicator> replicator_;   // none of a read-only node
  std::optional<Forwarder> forwarder_;     // none of a node that is alone
  std::optional<OwnSession> own_session_;  // likewise
  std::optional<Repairer> repairer_;       // likewise, nor of a read-only one
  std::map<NodeId, NodeReport> reports_;   // the last of each of the others
  io::Signal report_work_;
  ClusterClock clock_;
  bool clock_is_off_ = false;  // and that has been said
  io::Signal unfit_;           // a request was refused because of this node's disk
  bool lacks_room_ = false;  // and that was the last thing that became of one, as long as there is a problem
  ByteCount disk_free_bytes_ = 0;

  std::deque<std::pair<Position, Instant>> proposed_at_;  // of a leader: not yet committed
  std::deque<log::EntryPtr> apply_queue_;
  std::deque<Waiting*> waiting_;
  io::Signal apply_work_;
  io::Signal repaired_;
  io::Signal applied_;  // something new can be read, somebody else leads, or the node stops
  io::Mutex deriving_;  // held while derived_ changes, or must not
  io::Signal checkpoint_work_;
  Position checkpointed_;  // of the last checkpoint
  ByteCount bytes_since_checkpoint_ = 0;
  ByteCount checkpoint_weight_ = 0;  // about the bytes of the last checkpoint
  io::Mutex tenant_changes_;         // one at a time
  Position tenant_change_;           // the last one proposed
  TenantId deleting_;                // takes no more appends until that is applied
  io::CancelSource cancel_;          // background fibers
  io::WaitGroup fibers_;

  bool index_ready_ = true;
  bool underivable_ = false;  // the index ends before damage: what lies behind cannot be found
  bool mending_tree_ = false;
  bool leaving_ = false;  // will stop soon
  bool stopping_ = false;
  bool applier_ends_ = false;
  bool stopped_ = false;
  std::optional<Error> failure_;
  io::Signal failed_or_stopping_;
  std::vector<std::string> damage_;  // found while nobody could repair it
  mutable NodeMetrics metrics_;
};

template <class T, class Here, class There>
Outcome<T> NodeImpl::at_leader(io::Wait& wait, Here here, There there) {
  constexpr Duration pause = 20ms;
  const Instant give_up = wait.now() + 4 * options_.consensus.election_timeout_max;
  while (true) {
    Outcome<T> outcome = here();
    const auto leader = outcome ? std::nullopt : who_can(outcome.error());
    if (leader) outcome = there(*leader);
    const bool is_elsewhere = !outcome && outcome.error().code == RefusalCode::not_leader;
    if (!is_elsewhere || wait.now() >= give_up || !wait.check()) return outcome;
    io::Wait soon = wait.within(pause);
    ignore(applied_.wait(soon), "who leads may have changed, or be about to");
  }
}

}  // namespace verity::node
