#include "engine/node/replicator.h"

#include "engine/node/forwarding_codec.h"
#include "engine/node/found_cluster.h"
#include "engine/node/founding_codec.h"
#include "engine/node/message_codec.h"
#include "engine/node/repairer.h"
#include "io/base/assert.h"
#include "io/base/probe.h"
#include "io/clock.h"
#include "io/directory.h"
#include "io/fiber/loop.h"
#include "io/logger.h"
#include "io/random.h"
#include "io/world.h"

#include <algorithm>
#include <cstring>

namespace verity::node {
namespace {

constexpr std::string_view log_target = "verity_consensus";
// Reads from the disk on behalf of others; more are dropped, and asked for again.
constexpr std::size_t bulk_sends_max = 64;
// So that a slow disk does not make it slower still.
constexpr Duration bulk_rest_max = 20ms;

consensus::ReplicaOptions replica_options(const DurableState& state, const ConsensusOptions& options) {
  consensus::ReplicaOptions replica;
  replica.self = {state.node_id, state.incarnation};
  std::memcpy(&replica.start, state.boot_nonce.bytes.data(), sizeof replica.start);
  replica.start |= 1;  // never 0
  replica.batch_entries_max = options.entries_per_message_max;
  replica.batch_bytes_max = options.bytes_per_message_max;
  replica.small_bytes_max = options.small_message_bytes_max;
  return replica;
}

consensus::Promises promises_of(const DurableState& state) {
  return {.view = state.view,
          .primary = state.primary,
          .log_view = state.log_view,
          .unknown_from = state.unknown_from};
}

bool is_to_be_read(const consensus::EntryRange& range) {
  return range.entries.empty() && range.first <= range.last;
}

consensus::EntryRange* range_in(consensus::Message& message) {
  if (auto* const prepare = std::get_if<consensus::Prepare>(&message)) return &prepare->range;
  if (auto* const fetched = std::get_if<consensus::Fetched>(&message)) return &fetched->range;
  return nullptr;
}

}  // namespace

Replicator::Replicator(Parts parts, const NodeOptions& options, const consensus::JournalStart& start)
    : world_(parts.world),
      log_(parts.log),
      meta_(parts.meta),
      state_(parts.state),
      transport_(parts.transport),
      options_(options.consensus),
      known_(options.releases),
      replica_(replica_options(parts.state, options_), start, promises_of(parts.state)),
      members_({.replica = replica_,
                .state = parts.state,
                .transport = parts.transport,
                .may_admit = [this] { return early_acks_.let_others_in(); },
                .step = [this](const consensus::Input& input) { step(input); },
                .propose = [this](log::EntryKind kind, ByteView body) { return propose_own(kind, body); }}),
      early_acks_({.replica = replica_,
                   .members = members_,
                   .log = parts.log,
                   .state = parts.state,
                   .mode = options.sync_mode}),
      activation_(
          {.replica = replica_,
           .state = parts.state,
           .transport = parts.transport,
           .known = options.releases,
           .patience = options.activate_after,
           .propose = [this](log::EntryKind kind, ByteView body) { return propose_own(kind, body); }}),
      boots_(parts.state),
      prng_(parts.world.random.next()) {
  for (const consensus::EntryInfo& info : start.tail) take(entry_of(info));
}

Replicator::~Replicator() {
  VERITY_ASSERT_NOTE(fibers_.count() == 0, "stop() must have returned");
}

void Replicator::spawn(std::string_view name, void (Replicator::*body)(io::Wait&)) {
  fibers_.add();
  world_.loop.spawn(name, [this, body] {
    io::Wait wait(world_.loop, &cancel_);
    (this->*body)(wait);
    fibers_.done();
  });
}

void Replicator::start() {
  running_ = true;
  heartbeat_at_ = world_.clock.monotonic() + options_.heartbeat_interval;
  draw_election_timeout();
  if (transport_ != nullptr) {
    transport_->set_receiver(this);
    if (transport_->is_outdated()) note_outdated();  // said before anybody listened
    spawn("consensus timers", &Replicator::run_timers);
    spawn("consensus bulk", &Replicator::run_bulk);
  }
  spawn("consensus promises", &Replicator::run_promises);
  spawn("consensus proposals", &Replicator::run_proposals);
  carry_out(replica_.start());
}

void Replicator::stop(io::Wait& wait) {
  if (transport_ != nullptr) transport_->set_receiver(nullptr);
  running_ = false;
  cancel_.cancel();
  give_up_questions();
  ignore(fibers_.wait(wait), "nobody cancels a stop");
}

void Replicator::fail_with(const Error& error) {
  if (failed_) return;
  failed_ = true;
  running_ = false;
  give_up_questions();
  if (on_failure) on_failure(error);
}

void Replicator::give_up_questions() {
  for (auto& [token, question] : questions_) {
    if (question.waiter != nullptr) question.waiter->wake();
  }
}

// ---- inputs

void Replicator::step(const consensus::Input& input) {
  if (!running_) return;
  if (!std::holds_alternative<consensus::Propose>(input)) flush_proposals();
  const bool led = leads();
  if (world_.logger.enabled(io::LogLevel::trace))
    world_.logger.log(io::LogLevel::trace, log_target, consensus::describe(input));
  consensus::Effects effects = replica_.step(input);
  members_.look();
  if (members_.is_behind() || early_acks_.is_behind()) saves_work_.notify_one();
  // Before what replaces its proposals can be taken for them.
  if (led && !leads()) changed();
  carry_out(std::move(effects));
  if (early_acks_.are_given() && replica_.journal().durable() < log_.last_proposed())
    this->step(early_acks_.durable());
}

void Replicator::log_durable(std::uint64_t generation) {
  early_acks_.flushed(generation);
  step(early_acks_.durable());
}

log::EntryPtr Replicator::propose(log::EntryHeader header, ByteView body) {
  VERITY_ASSERT(leads());
  header.view = replica_.view();
  header.release = activation_.active().number;
  if (header.release >= log::named_since) header.proposer = static_cast<std::uint16_t>(state_.node_id.value);
  log::EntryPtr entry = log_.propose(header, body);
  Result<consensus::EntryInfo> info = describe_entry(entry);
  VERITY_ASSERT_NOTE(info.has_value(), "this node has made it");
  take(entry);
  proposals_.push_back(std::move(*info));
  proposals_work_.notify_one();
  return entry;
}

bool Replicator::propose_own(log::EntryKind kind, ByteView body) {
  if (!log_.is_writable()) return false;  // it stops; whoever leads next proposes it
  if (!leads() || handing_over_ || !running_ || !log_.has_room(body.size())) return false;
  log::EntryHeader header;
  header.kind = kind;
  if (cluster_time) header.timestamp = cluster_time();
  propose(header, body);
  flush_proposals();  // what may be proposed next depends on it
  return true;
}

// Whatever is proposed in one turn of the loop goes to the others in one message.
void Replicator::run_proposals(io::Wait& wait) {
  while (running_) {
    if (std::exchange(is_to_settle_, false)) members_.propose_settled();
    if (proposals_.empty()) {
      if (!proposals_work_.wait(wait)) return;
      continue;
    }
    flush_proposals();
  }
}

void Replicator::flush_proposals() {
  if (!proposals_.empty()) step(consensus::Propose{std::exchange(proposals_, {})});
}

void Replicator::on_peer_connected(const consensus::Member& peer, const PeerRelease& release,
                                   const Boot& boot) {
  boots_.connected(peer, boot);
  if (boots_.is_behind()) saves_work_.notify_one();
  // To a member the next heartbeat, or the next suspicion, says all there is to say.
  if (!replica_.journal().membership().is_voter(peer)) strangers_.push_back(peer);
  members_.connected(peer);
  on_peer_changed(peer, release);
  if (on_reconnected) on_reconnected(peer);
}

void Replicator::on_peer_changed(const consensus::Member& peer, const PeerRelease& release) {
  activation_.connected(peer, release);
  if (activation_.is_behind()) saves_work_.notify_one();
}

void Replicator::on_peer_refused(const PeerRefusal& refusal) {
  if (refusal.why == PeerRefusal::Why::outdated) note_outdated();
}

// Of a newcomer nobody may learn that there are members: they may all be gone.
bool Replicator::has_vote() const {
  return replica_.journal().membership().is_voter({state_.node_id, state_.incarnation});
}

// A blank disk learns that there is a cluster already, for as long as it is there.
void Replicator::inform_strangers() {
  if (!has_vote()) return;
  std::erase_if(strangers_, [&](const consensus::Member& stranger) {
    return replica_.journal().membership().is_voter(stranger) ||
           !transport_->send(stranger, PeerLane::control,
                             encode(consensus::FoundingMember{founding_record(state_)}));
  });
}

void Replicator::on_peer_message(const consensus::Member& from, std::uint16_t type, ByteView payload) {
  if (is_founding(type)) {
    // Whoever is still founding learns that it is done; who says that it is a member needs no answer.
    const auto founding = decode_founding(type, payload);
    if (has_vote() && founding && !std::holds_alternative<consensus::FoundingMember>(*founding))
      transport_->send(from, PeerLane::control, encode(consensus::FoundingMember{founding_record(state_)}));
    return;
  }
  if (is_forwarding(type) || is_repair(type)) {
    // Also when this node cannot go on: what others have done for its clients is true.
    if (on_other_message) on_other_message(from, type, payload);
    return;
  }
  if (!boots_.counts(from)) {
    VERITY_PROBE("old copies: nothing counts before the start it is of is written down");
    return;
  }
  Result<consensus::Message> message = decode(type, payload, known_.newest, from.id);
  if (!message) {
    // Whoever was connected before it heard of an activation says so with its next hello, and is refused then.
    const bool is_later = message.error().code == ErrorCode::unsupported;
    world_.logger.log(
        io::LogLevel::warn, log_target,
        is_later ? "a message of a later release was ignored" : "a message that makes no sense was ignored",
        {{"from", from.describe()}, {"error", message.error().describe()}});
    return;
  }
  if (const auto* const heartbeat = std::get_if<consensus::Heartbeat>(&*message)) {
    if (heartbeat->view == replica_.view())
      heard_committed_ = std::max(heard_committed_, heartbeat->committed);
  }
  if (activation_.admits(*message)) return step(consensus::Receive{from, std::move(*message)});
  VERITY_PROBE("releases: entries come before it is known that theirs is active");
  saves_work_.notify_one();
}

bool Replicator::confirm(io::Wait& wait) {
  const std::uint64_t token = ++last_token_;
  io::Waiter waiter;
  questions_.emplace(token, Question{&waiter});
  step(consensus::Confirm{token});
  const auto asked = questions_.find(token);
  if (asked != questions_.end() && asked->second.waiter != nullptr && running_)
    ignore(io::to_status(waiter.park(wait), "the agreement of a majority"), "what it was is in the question");
  const bool confirmed = questions_.at(token).confirmed;
  questions_.erase(token);
  return confirmed;
}

bool Replicator::hand_over(io::Wait& wait, NodeId to) {
  if (handing_over_) return false;
  handing_over_ = true;
  while (running_ && leads()) {
    step(consensus::HandOver{to});
    if (!wait.sleep(options_.heartbeat_interval / 10)) break;
  }
  handing_over_ = false;
  changed();
  return running_ && !leads();
}

void Replicator::draw_election_timeout() {
  const auto low = static_cast<std::uint64_t>(options_.election_timeout_min.count());
  const auto high = static_cast<std::uint64_t>(options_.election_timeout_max.count());
  silence_at_ = world_.clock.monotonic() + Duration(prng_.between(low, std::max(low, high))) * patience_;
}

void Replicator::run_timers(io::Wait& wait) {
  while (running_) {
    const Instant due = std::min(heartbeat_at_, silence_at_);
    if (wait.now() < due) {
      ignore(wait.until(due).sleep(due - wait.now()), "a deadline that has come is what was waited for");
      if (wait.is_cancelled()) return;
      continue;
    }
    const Instant now = wait.now();
    // A loop that did not run has heard nobody: that is not the primary's silence.
    if (now - due > options_.heartbeat_interval) {
      VERITY_PROBE("election: a node that did not run suspects nobody");
      draw_election_timeout();
    }
    if (now >= heartbeat_at_) {
      heartbeat_at_ = now + options_.heartbeat_interval;
      step(consensus::HeartbeatDue{});
      inform_strangers();
      members_.tend(now);
    }
    if (now >= silence_at_) {
      draw_election_timeout();
      set_hears_nobody(true);
      step(consensus::Silence{});
    }
  }
}

// ---- effects

void Replicator::carry_out(consensus::Effects effects) {
  // What follows a write that was refused may rest on it.
  for (consensus::Effect& effect : effects) {
    if (!failed_) carry_out(std::move(effect));
  }
}

void Replicator::carry_out(consensus::Effect effect) {
  trace(effect);
  struct Act {
    Replicator& self;
    void operator()(consensus::Send& e) const { self.send(e.to, std::move(e.message), e.is_bulk); }
    void operator()(consensus::SavePromises& e) const {
      self.saves_.push_back(e);
      self.saves_work_.notify_one();
    }
    void operator()(consensus::AppendLog& e) const { self.append(e.entries); }
    void operator()(consensus::ReplaceLog& e) const { self.replace(e); }
    void operator()(consensus::Committed& e) const { self.commit(e.position); }
    void operator()(consensus::BecamePrimary&) const { self.entered_view(); }
    void operator()(consensus::BecameBackup&) const { self.entered_view(); }
    void operator()(consensus::LostPrimary&) const { self.changed(); }
    void operator()(const consensus::HeardPrimary& e) const {
      self.patience_ = e.patience;
      self.draw_election_timeout();
      self.set_hears_nobody(false);
    }
    void operator()(consensus::Confirmed& e) const { self.answer(e.token, true); }
    void operator()(consensus::Unconfirmed& e) const { self.answer(e.token, false); }
    void operator()(consensus::ProposeSettled&) const {
      self.is_to_settle_ = true;
      self.proposals_work_.notify_one();
    }
    void operator()(consensus::Removed&) const { self.leave(); }
    void operator()(consensus::Ignored&) const {}
  };
  std::visit(Act{*this}, effect);
}

void Replicator::trace(const consensus::Effect& effect) const {
  if (world_.logger.enabled(io::LogLevel::trace))
    world_.logger.log(io::LogLevel::trace, log_target, consensus::describe(effect));
  const bool is_news = std::holds_alternative<consensus::BecamePrimary>(effect) ||
                       std::holds_alternative<consensus::BecameBackup>(effect) ||
                       std::holds_alternative<consensus::LostPrimary>(effect);
  // In a cluster of one that is no news.
  if (!is_news || replica_.journal().membership().everyone().size() <= 1) return;
  const bool leads = std::holds_alternative<consensus::BecamePrimary>(effect);
  const bool follows = std::holds_alternative<consensus::BecameBackup>(effect);
  const std::uint64_t leader = replica_.primary() ? replica_.primary()->id.value : 0;
  world_.logger.log(io::LogLevel::info, log_target,
                    leads     ? "Became leader"
                    : follows ? "Became follower"
                              : "There is no leader; a new view is needed",
                    {{"node_id", state_.node_id.value},
                     {"view", replica_.view().value},
                     {"leader", leader},
                     {"commit_index", replica_.journal().committed().value}});
}

void Replicator::set_hears_nobody(bool hears_nobody) {
  if (std::exchange(hears_nobody_, hears_nobody) != hears_nobody) changed();
}

void Replicator::entered_view() {
  ++view_changes_;
  hears_nobody_ = false;
  changed();
}

void Replicator::changed() {
  if (on_change) on_change();
}

void Replicator::answer(std::uint64_t token, bool confirmed) {
  const auto asked = questions_.find(token);
  if (asked == questions_.end()) return;  // nobody waits any more
  asked->second.confirmed = confirmed;
  std::exchange(asked->second.waiter, nullptr)->wake();
}

void Replicator::send(const consensus::Member& to, consensus::Message message, bool is_bulk) {
  if (transport_ == nullptr) return;
  const consensus::EntryRange* const range = range_in(message);
  if (range != nullptr && is_to_be_read(*range)) {
    if (bulk_.size() >= bulk_sends_max) return;
    bulk_.push_back({to, std::move(message)});
    bulk_work_.notify_one();
    return;
  }
  send_now(to, is_bulk ? PeerLane::bulk : PeerLane::control, message);
}

void Replicator::send_now(const consensus::Member& to, PeerLane lane, const consensus::Message& message) {
  if (is_outdated_) return;  // what it would say contradicts what it has said
  transport_->send(to, lane, encode(message, activation_.active().number, state_.node_id));
}

// Entries that the core no longer holds one by one. They are committed, so they are the same whenever they are read.
Status Replicator::fill_in(io::Wait& wait, consensus::EntryRange& range) {
  ByteCount bytes = 0;
  for (Position position = range.first; position <= range.last; position = position.next()) {
    Result<log::EntryPtr> entry_read = log_.reader().read(wait, position);
    // What comes before it helps already.
    if (!entry_read && !range.entries.empty()) break;
    VERITY_TRY_ASSIGN(log::EntryPtr entry, std::move(entry_read));
    bytes += entry->bytes().size();
    if (position != range.first && bytes > options_.bytes_per_message_max) break;
    VERITY_TRY_ASSIGN(consensus::EntryInfo info, describe_entry(std::move(entry)));
    range.entries.push_back(std::move(info));
  }
  range.last = range.entries.back().position;
  return {};
}

void Replicator::run_bulk(io::Wait& wait) {
  while (running_) {
    if (bulk_.empty()) {
      if (!bulk_work_.wait(wait)) return;
      continue;
    }
    BulkSend next = std::move(bulk_.front());
    bulk_.pop_front();
    const Instant begun = wait.now();
    const Status read = fill_in(wait, *range_in(next.message));
    if (wait.is_cancelled()) return;
    if (read) {
      // Nobody waits for a backup that is far behind; clients wait for this node, which rests as long as that took. A candidate
      // that is filled is waited for.
      const bool can_wait = std::holds_alternative<consensus::Prepare>(next.message);
      send_now(next.to, PeerLane::bulk, next.message);
      const Duration rest = std::min<Duration>(wait.now() - begun, bulk_rest_max);
      if (can_wait) ignore(wait.sleep(rest), "the loop looks whether it goes on");
    } else {
      world_.logger.log(io::LogLevel::warn, log_target, "cannot read what another node needs",
                        {{"for", next.to.describe()}, {"error", read.error().describe()}});
    }
  }
}

void Replicator::append(const std::vector<consensus::EntryInfo>& entries) {
  for (const consensus::EntryInfo& info : entries) {
    if (info.position <= log_.last_proposed()) continue;  // one's own proposals are in it already
    log::EntryPtr entry = entry_of(info);
    if (Status taken = log_.append(entry); !taken) return fail_with(taken.error());
    take(std::move(entry));
  }
}

void Replicator::take(log::EntryPtr entry) {
  uncommitted_bytes_ += entry->bytes().size();
  uncommitted_.push_back(std::move(entry));
}

void Replicator::replace(const consensus::ReplaceLog& effect) {
  std::vector<log::EntryPtr> entries;
  entries.reserve(effect.entries.size());
  for (const consensus::EntryInfo& info : effect.entries) entries.push_back(entry_of(info));
  if (Status taken = log_.replace_from(effect.first, entries); !taken) return fail_with(taken.error());
  while (!uncommitted_.empty() && uncommitted_.back()->position() >= effect.first) {
    uncommitted_bytes_ -= uncommitted_.back()->bytes().size();
    uncommitted_.pop_back();
  }
  for (log::EntryPtr& entry : entries) take(std::move(entry));
}

void Replicator::commit(Position position) {
  std::vector<log::EntryPtr> entries;
  while (!uncommitted_.empty() && uncommitted_.front()->position() <= position) {
    uncommitted_bytes_ -= uncommitted_.front()->bytes().size();
    entries.push_back(std::move(uncommitted_.front()));
    uncommitted_.pop_front();
    activation_.committed(*entries.back());
  }
  if (activation_.is_behind()) saves_work_.notify_one();
  tell_log_committed();
  if (on_committed && !entries.empty()) on_committed(entries);
}

}  // namespace verity::node
