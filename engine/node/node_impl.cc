#include "engine/node/node_impl.h"

#include "engine/node/derived_checkpoint.h"
#include "engine/node/force_recover.h"
#include "engine/node/message_codec.h"
#include "io/base/assert.h"
#include "io/clock.h"
#include "io/directory.h"
#include "io/fiber/loop.h"
#include "io/file.h"
#include "io/logger.h"

#include <algorithm>

namespace verity::node {
namespace {

constexpr std::string_view log_target = "verity_node";
// A damaged disk can hold more damage than anybody wants to read.
constexpr std::size_t damage_lines_max = 100;
// Of a follower. What it is behind while everything goes well is what is under way.
constexpr std::uint64_t ready_lag_entries_max = 10'000;

log::LogOptions log_options(const NodeOptions& options, const DurableState& state) {
  return {.cluster_id = state.cluster_id,
          .epoch = state.epoch,
          .segment_bytes = options.segment_bytes,
          .flush_bytes_max = options.tuning.flush_bytes_max,
          .mark_delay = options.tuning.mark_delay,
          .read_cache_bytes = options.tuning.read_cache_bytes,
          .read_only = options.read_only};
}

log::EntryPtr founding_entry(const DurableState& state) {
  log::FoundingBody founding{.cluster_id = state.cluster_id,
                             .epoch = state.epoch,
                             .cluster_name = state.cluster_name,
                             .members = {}};
  for (const consensus::Member& member : state.founders)
    founding.members.push_back({member.id, member.incarnation});
  Bytes body;
  log::encode(founding, body);
  log::EntryHeader header;
  header.kind = log::EntryKind::founding;
  header.cluster_id = state.cluster_id;
  header.epoch = state.epoch;
  header.position = Position{1};
  header.timestamp = state.founded_at;
  header.release = first_release;
  return log::Entry::make(header, body);
}

Status check_options(const NodeOptions& options) {
  if (options.segment_bytes < log::segment_bytes_min || options.segment_bytes > log::segment_bytes_max ||
      options.segment_bytes % AlignedBuffer::alignment != 0) {
    return fail(ErrorCode::invalid_argument, "segment_size " + std::to_string(options.segment_bytes) +
                                                 ": 64 KB to 1 GB in multiples of 4 KB are allowed");
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<Node>> Node::start(io::Wait& wait, const io::World& world, io::Directory& data,
                                          NodeOptions options, PeerTransport* transport) {
  VERITY_TRY(check_options(options));
  io::Wait patient(wait.loop());  // a start that is called off still cleans up
  Result<Opened> opened = open_data_directory(wait, world, data, options, transport);
  if (!opened) {
    if (transport != nullptr) transport->stop(patient);
    return std::unexpected(opened.error());
  }
  auto node = std::make_unique<NodeImpl>(world, std::move(options), std::move(*opened), transport);
  if (Status running = node->run(wait); !running) {
    ignore(node->stop(patient), "the error of the start is the one to report");
    return std::unexpected(running.error());
  }
  return node;
}

NodeImpl::NodeImpl(const io::World& world, NodeOptions options, Opened opened, PeerTransport* transport)
    : world_(world),
      options_(std::move(options)),
      opened_(std::move(opened)),
      derived_(*opened_.derived),
      log_(world_, *opened_.log_directory, log_options(options_, *opened_.state),
           std::move(opened_.recovered)),
      scrubber_(world_.loop, *opened_.log_directory, log_.table(),
                {options_.tuning.scrub_pause, options_.tuning.scrub_bytes_per_second, options_.read_only}),
      transport_(transport),
      is_in_network_(opened_.in_network),
      checkpointed_(derived_.position) {}

NodeImpl::~NodeImpl() {
  VERITY_ASSERT_NOTE(fibers_.count() == 0, "stop() must have returned");
}

void NodeImpl::spawn(std::string_view name, void (NodeImpl::*body)(io::Wait&)) {
  fibers_.add();
  world_.loop.spawn(name, [this, body] {
    io::Wait wait(world_.loop, &cancel_);
    (this->*body)(wait);
    fibers_.done();
  });
}

Status NodeImpl::run(io::Wait& wait) {
  if (options_.limits.batch_bytes_max > log_.body_bytes_max()) {
    return fail(ErrorCode::invalid_argument,
                "max_batch_size " + describe_bytes(options_.limits.batch_bytes_max) +
                    " does not fit into a segment of " + describe_bytes(options_.segment_bytes) +
                    "; at most " + std::to_string(log_.body_bytes_max()) +
                    " bytes do. Lower max_batch_size or raise segment_size");
  }
  for (const std::string& note : opened_.notes) world_.logger.log(io::LogLevel::warn, log_target, note);
  if (transport_ != nullptr && !options_.read_only) repair_damage();
  for (const log::Damage& damage : opened_.damage) note_damage(damage);
  log_.reader().on_damage = [this](const log::Damage& damage) { note_damage(damage); };
  scrubber_.on_damage = [this](const log::Damage& damage) { note_damage(damage); };
  scrubber_.on_note = [this](const std::string& note) {
    world_.logger.log(io::LogLevel::warn, log_target, note);
  };
  scrubber_.seal_soon = [this] { log_.seal_soon(); };
  log_.on_failure = [this](const Error& error) { fail_with(error); };
  log_.on_durable = [this](const std::vector<log::EntryPtr>& entries, const log::FlushReport& report) {
    metrics_.log_entries_total += entries.size();
    metrics_.log_bytes_total += report.bytes;
    metrics_.durable_write_duration.observe(report.duration);
    metrics_.flush_bytes.observe(report.bytes);
    if (replicator_) replicator_->log_durable(report.generation);
  };

  if (opened_.tree_nodes) {
    *opened_.read_chain_hash = [this](io::Wait& waiting, Position position) -> Result<Sha256Digest> {
      VERITY_TRY_ASSIGN(const log::EntryPtr entry, log_.reader().read(waiting, position));
      return entry->hash();
    };
    mend_tree();
  }
  index_ready_ = derived_.position >= opened_.committed;
  if (!options_.read_only) {
    log_.start();
    spawn("applier", &NodeImpl::run_applier);
    spawn("checkpoints", &NodeImpl::run_checkpoints);
    spawn("watch", &NodeImpl::run_watch);
  }
  scrubber_.start();
  if (!options_.read_only) {
    VERITY_TRY(replicate(wait));
    spawn("first tenant", &NodeImpl::create_first_tenant);
  }
  // Nobody else has to be waited for.
  const auto is_up = [&] {
    const bool leads = replicator_->leads() && replicator_->committed() >= replicator_->serve_from();
    return leads && (!index_ready_ || (serves() && derived_.catalogue.next_id() != TenantId{1}));
  };
  while (opened_.is_alone && replicator_ && !is_up()) {
    if (failure_) return std::unexpected(*failure_);
    VERITY_TRY(applied_.wait(wait));
  }
  if (!index_ready_) spawn("rebuild", &NodeImpl::rebuild);
  world_.logger.log(io::LogLevel::info, log_target, "node started",
                    {{"node_id", options_.node_id.value},
                     {"view", opened_.state->view.value},
                     {"commit_index", log_.last_proposed().value}});
  return {};
}

Status NodeImpl::replicate(io::Wait& wait) {
  VERITY_TRY_ASSIGN(consensus::JournalStart start, journal_start(wait));
  replicator_.emplace(Replicator::Parts{world_, log_, *opened_.meta, *opened_.state, transport_}, options_,
                      start);
  replicator_->on_committed = [this](const std::vector<log::EntryPtr>& entries) { enqueue(entries); };
  replicator_->on_change = [this] { follow_role(); };
  replicator_->on_failure = [this](const Error& error) { fail_with(error); };
  if (transport_ != nullptr) {
    replicator_->cluster_time = [this] { return read_clock().now; };
    // Many questions may be under way at once.
    const ByteCount small = options_.consensus.small_message_bytes_max / 16;
    forwarder_.emplace(world_, *transport_, small,
                       [this](io::Wait& waiting, QuestionKind kind, ByteView body) {
                         return serve_question(waiting, kind, body);
                       });
    own_session_.emplace([this](io::Wait& waiting) { return open_session(waiting); },
                         options_.tuning.session_requests_kept);
    replicator_->on_other_message = [this](const consensus::Member& from, std::uint16_t type,
                                           ByteView payload) { on_other_message(from, type, payload); };
    replicator_->on_reconnected = [this](const consensus::Member& peer) {
      forwarder_->reconnected(peer);
      reports_.erase(peer.id);  // of a process that is gone, perhaps with its disk
      report_work_.notify_all();
    };
    spawn("reports", &NodeImpl::run_reports);
    spawn("clock", &NodeImpl::run_clock);
  }
  opened_.tail.clear();
  replicator_->start();
  return {};
}

// What consensus starts from. Every founder writes the same founding record, as entry 1 and before anything else.
Result<consensus::JournalStart> NodeImpl::journal_start(io::Wait& wait) {
  DurableState& state = *opened_.state;
  consensus::JournalStart start{
      .committed = opened_.committed, .committed_hash = opened_.committed_hash, .membership = {}, .tail = {}};
  start.membership = membership_at(state, start.committed);
  for (const log::EntryPtr& entry : opened_.tail) {
    VERITY_TRY_ASSIGN(consensus::EntryInfo info, describe_entry(entry));
    start.tail.push_back(std::move(info));
  }
  const bool is_refounding =
      opened_.is_alone && state.refounding && log_.last_proposed().next() == state.refounding->at;
  if (is_refounding) VERITY_TRY(write_first(wait, start, refounding_entry(state, log_.proposed_head())));
  // A newcomer gets it from the others.
  if (!state.founders.contains({state.node_id, state.incarnation})) return start;
  if (log_.last_proposed().value == 0) VERITY_TRY(write_first(wait, start, founding_entry(state)));
  // From now on a log without it is a damaged one.
  if (!state.founded) {
    state.founded = true;
    VERITY_TRY(save_state(wait, *opened_.meta, state));
  }
  return start;
}

// The entry that begins an epoch, durably, and before anything else.
Status NodeImpl::write_first(io::Wait& wait, consensus::JournalStart& start, const log::EntryPtr& entry) {
  VERITY_TRY(log_.append(entry));
  VERITY_TRY_ASSIGN(consensus::EntryInfo info, describe_entry(entry));
  start.tail.push_back(std::move(info));
  while (log_.durable() < entry->position()) {
    if (failure_) return std::unexpected(*failure_);
    VERITY_TRY(wait.sleep(100us));
  }
  return {};
}

// By the cluster's first leader.
void NodeImpl::create_first_tenant(io::Wait& wait) {
  while (!failure_ && !stopping_) {
    if (serves()) {
      if (derived_.catalogue.next_id() == TenantId{1})
        static_cast<void>(create_tenant_here(wait, first_tenant_name));  // else it is looked at again
      if (derived_.catalogue.next_id() != TenantId{1}) return;
    }
    if (!applied_.wait(wait)) return;
  }
}

void NodeImpl::fail_with(const Error& error) {
  if (failure_) return;
  failure_ = error;
  world_.logger.log(io::LogLevel::error, log_target, "the node cannot go on", {{"error", error.describe()}});
  give_up_waiting(Position{});
  if (forwarder_) forwarder_->follow(std::nullopt);
  applied_.notify_all();
  apply_work_.notify_all();
  failed_or_stopping_.notify_all();
}

void NodeImpl::repair_damage() {
  repairer_.emplace(Repairer::Parts{world_,
                                    log_,
                                    *opened_.log_directory,
                                    *transport_,
                                    {options_.node_id, opened_.state->incarnation},
                                    options_.releases.newest,
                                    options_.tuning.scrub_bytes_per_second});
  repairer_->members = [this] {
    return replicator_ ? replicator_->replica().journal().membership().everyone() : consensus::MemberSet();
  };
  repairer_->on_repaired = [this] { repaired_.notify_all(); };
  repairer_->start();
}

// Damage that is found while nobody else has the log stays until a restart, even if others come in meanwhile.
bool NodeImpl::can_be_repaired() const {
  return repairer_ && !(replicator_ ? is_alone() : opened_.is_alone);
}

std::vector<std::string> NodeImpl::outstanding_damage() const {
  std::vector<std::string> lines = damage_;
  if (repairer_) {
    std::vector<std::string> under_repair = repairer_->outstanding();
    lines.insert(lines.end(), under_repair.begin(), under_repair.end());
  }
  return lines;
}

// The last others may have left before they could help.
std::optional<std::string> NodeImpl::lasting_damage() const {
  if (!damage_.empty()) return damage_.front();
  if (!repairer_ || repairer_->damaged_segments() == 0 || can_be_repaired()) return std::nullopt;
  return repairer_->outstanding().front();
}

void NodeImpl::note_damage(const log::Damage& damage) {
  const std::string line = damage.describe();
  if (can_be_repaired()) {
    if (!repairer_->damaged(damage)) return;
    ++metrics_.damaged_entries_total;
    world_.logger.log(io::LogLevel::error, log_target,
                      "damage found; the other nodes are asked for what is lost", {{"damage", line}});
    return;
  }
  if (std::find(damage_.begin(), damage_.end(), line) != damage_.end() || damage_.size() >= damage_lines_max)
    return;
  damage_.push_back(line);
  ++metrics_.damaged_entries_total;
  world_.logger.log(io::LogLevel::error, log_target, "damage found; this node is read-only now",
                    {{"damage", line}});
}

Outcome<Head> NodeImpl::head(io::Wait& /*wait*/) {
  if (auto refusal = refuse_reads()) return std::unexpected(std::move(*refusal));
  if (derived_.position.value == 0) {
    return std::unexpected(Refusal{.code = RefusalCode::not_ready,
                                   .detail = "the cluster is new; nothing is committed yet",
                                   .retry_after = 1s});
  }
  return Head{derived_.position, derived_.hash, derived_.tree.root(), derived_.recorded_at};
}

bool NodeImpl::is_ready() const {
  return !why_not_ready();
}

std::optional<Refusal> NodeImpl::why_not_ready() const {
  if (auto refusal = refuse_writes()) return refusal;
  Refusal refusal{.code = RefusalCode::not_ready, .detail = {}};
  if (leaving_) {
    refusal.detail = "the node is stopping";
    return refusal;
  }
  if (serves()) return why_no_room();
  const std::optional<consensus::Member> primary = leader();
  if (!primary) {
    refusal.detail = "no node leads that this one knows of; waiting for a majority of the cluster";
    return refusal;
  }
  if (primary->id == options_.node_id) {
    refusal.detail = "this node has just begun to lead and applies what came before";
    return refusal;
  }
  const std::uint64_t behind = replicator_->cluster_committed().value - derived_.position.value;
  if (derived_.position >= replicator_->cluster_committed() || behind <= ready_lag_entries_max)
    return std::nullopt;
  refusal.detail =
      "follows node " + primary->id.describe() + ", " + std::to_string(behind) + " entries behind";
  return refusal;
}

std::vector<NodePeer> NodeImpl::peers() const {
  std::vector<NodePeer> peers;
  if (transport_ == nullptr || !replicator_) return peers;
  const std::optional<consensus::Member> leader = this->leader();
  for (PeerStatus& peer : links_that_matter()) {
    const auto known = reports_.find(peer.id);
    const NodeReport report = known == reports_.end() ? NodeReport() : known->second;
    const bool leads = leader && leader->id == peer.id;
    peers.push_back({.id = peer.id,
                     .address = std::move(peer.address),
                     .state = !peer.connected        ? "unreachable"
                              : leads                ? "leader"
                              : report.state.empty() ? "connected"
                              // It led when it said so.
                              : report.state == "leader" && leader ? "follower"
                                                                   : report.state,
                     .connected = peer.connected,
                     .last_seen = peer.last_seen,
                     .round_trip = peer.round_trip,
                     .client_address = report.client_address,
                     .view = known == reports_.end() ? std::nullopt : std::optional(report.view),
                     .commit_index = report.commit_index,
                     .applied_index = report.applied_index,
                     .release = report.release,
                     .disk_free_bytes = report.disk_free_bytes,
                     .has_room = report.has_room,
                     .acknowledged = replicator_->replica().acknowledged_by(peer.id),
                     .problem = std::move(peer.problem)});
  }
  return peers;
}

NodeStatus NodeImpl::status() const {
  NodeStatus status;
  status.node_id = options_.node_id;
  status.view = replicator_ ? replicator_->view() : opened_.state->view;
  const std::optional<consensus::Member> primary = leader();
  if (primary) status.leader = primary->id;
  status.commit_index = log_.committed();
  status.applied_index = derived_.position;
  status.durable_position = log_.durable();
  status.sync_mode = options_.sync_mode;
  status.acknowledges_early = replicator_ && replicator_->early_acks().are_given();
  status.cluster_name = opened_.state->cluster_name;
  status.cluster_id = opened_.state->cluster_id;
  status.epoch = opened_.state->epoch;
  status.refounding = opened_.state->refounding;
  status.tenants = derived_.catalogue.count();
  status.index_ready = index_ready_;
  status.disk_free_bytes = disk_free_bytes_;
  status.damage = outstanding_damage();
  status.session_requests_kept = options_.tuning.session_requests_kept;
  status.peers = peers();
  status.releases = options_.releases;
  status.active_release = opened_.state->release;
  if (replicator_) {
    if (serves()) status.release_obstacle = replicator_->activation().obstacle();
    status.is_syncing =
        replicator_->replica().is_learner() || log_.last_proposed() < replicator_->cluster_committed();
    status.members_change = replicator_->members().unfinished();
    status.voters = replicator_->replica().journal().membership().voters;
  }
  if (transport_ != nullptr) {
    status.messages_dropped = transport_->messages_dropped();
    status.cluster_address = transport_->address();
  }
  if (const auto refusal = why_not_ready()) status.reason = refusal->detail;
  if (failure_) {
    status.state = "failed";
  } else if (stopping_ || leaving_) {
    status.state = "stopping";
  } else if (options_.read_only || lasting_damage()) {
    status.state = "read_only";
  } else {
    status.state = !index_ready_                                        ? "starting"
                   : serves()                                           ? "leader"
                   : replicator_ && replicator_->replica().is_learner() ? "learner"
                   : primary                                            ? "follower"
                                                                        : "candidate";
  }
  return status;
}

const NodeMetrics& NodeImpl::metrics() const {
  if (transport_ != nullptr) metrics_.peer_traffic = transport_->traffic();
  if (forwarder_) metrics_.requests_forwarded_total = forwarder_->forwarded_total();
  if (replicator_) metrics_.view_changes_total = replicator_->view_changes();
  metrics_.sessions = derived_.sessions.count();
  if (repairer_) {
    metrics_.damaged_segments = repairer_->damaged_segments();
    metrics_.repaired_entries_total = repairer_->repaired_entries_total();
    metrics_.repair_served_entries_total = repairer_->served_entries_total();
    metrics_.repaired_bytes_total = repairer_->repaired_bytes_total();
  }
  metrics_.queue_entries = log_.queued_entries();
  metrics_.queue_bytes = log_.queued_bytes();
  metrics_.scrubbed_bytes_total = scrubber_.bytes_total();
  metrics_.scrub_rounds_total = scrubber_.rounds_total();
  return metrics_;
}

Status NodeImpl::wait_until_failed(io::Wait& wait) {
  while (!failure_ && !stopping_) {
    if (!failed_or_stopping_.wait(wait)) return {};
  }
  if (failure_) return std::unexpected(*failure_);
  return {};
}

Status NodeImpl::stop(io::Wait& wait) {
  if (stopped_) return {};
  stopping_ = true;
  if (replicator_) replicator_->early_acks().end();
  failed_or_stopping_.notify_all();
  applied_.notify_all();
  scrubber_.stop(wait);
  if (repairer_) repairer_->stop(wait);
  log_.stop(wait);                           // everything proposed is durable, or the node failed
  if (replicator_) replicator_->stop(wait);  // at once: what it would still take the log would refuse
  if (forwarder_) forwarder_->stop(wait);
  if (transport_ != nullptr) transport_->stop(wait);
  applier_ends_ = true;
  apply_work_.notify_all();
  while (!apply_queue_.empty() && index_ready_ && !failure_)
    ignore(applied_.wait(wait), "nobody cancels a stop");
  cancel_.cancel();
  ignore(fibers_.wait(wait), "nobody cancels a stop");
  stopped_ = true;
  if (failure_ || options_.read_only) return {};
  VERITY_TRY(checkpoint(wait));
  // The log may have given up what it could not write.
  if (replicator_ && !replicator_->early_acks().are_made_good()) return {};
  opened_.state->running = "stopped";
  opened_.state->durable_position = log_.durable();
  return save_state(wait, *opened_.meta, *opened_.state);
}

}  // namespace verity::node
