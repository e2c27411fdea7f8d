// Requests that change something: checked, proposed, waited for.
#include "engine/node/admission.h"
#include "engine/node/node_impl.h"

#include "engine/tenant/names.h"
#include "io/base/probe.h"
#include "io/clock.h"
#include "io/directory.h"
#include "io/fiber/loop.h"
#include "io/file.h"

namespace verity::node {
namespace {

// For a leader that was deposed to learn what became of what it had proposed.
constexpr Duration verdict_patience = 5s;
constexpr Duration verdict_pause = 20ms;

Refusal make_refusal(RefusalCode code, std::string detail) {
  return {.code = code, .detail = std::move(detail)};
}

}  // namespace

AppendReceipt NodeImpl::receipt_of(const log::Entry& entry, const log::EventsBody& body) {
  AppendReceipt receipt{.position = entry.position(),
                        .streams = {},
                        .hash = entry.hash(),
                        .recorded_at = entry.header().timestamp};
  for (const log::BodyStream& stream : body.streams) {
    receipt.streams.push_back({std::string(stream.name), stream.first_revision, stream.last_revision()});
  }
  return receipt;
}

std::optional<Refusal> NodeImpl::refuse_reads() const {
  if (stopping_) return make_refusal(RefusalCode::not_ready, "the node is stopping");
  if (failure_) return make_refusal(RefusalCode::not_ready, "the node failed: " + failure_->message);
  if (underivable_) {
    Refusal refusal = make_refusal(
        RefusalCode::damaged, "the index is lost and cannot be derived behind position " +
                                  derived_.position.describe() + " of " + log_.last_proposed().describe() +
                                  ": " + outstanding_damage().front());
    refusal.position = derived_.position.next();
    return refusal;
  }
  if (!index_ready_) {
    Refusal refusal = make_refusal(
        RefusalCode::not_ready, "the index is being rebuilt from the log; at position " +
                                    derived_.position.describe() + " of " + log_.last_proposed().describe());
    refusal.retry_after = 1s;
    return refusal;
  }
  return std::nullopt;
}

std::optional<Refusal> NodeImpl::refuse_writes() const {
  if (const auto damage = lasting_damage())
    return make_refusal(RefusalCode::read_only, "damage was found, so nothing is written: " + *damage);
  if (options_.read_only) return make_refusal(RefusalCode::read_only, "the node was started read-only");
  if (auto refusal = refuse_reads()) return refusal;
  if (!log_.is_writable()) return make_refusal(RefusalCode::not_ready, "the log takes no entries");
  return std::nullopt;
}

std::optional<Refusal> NodeImpl::refuse_before_first_tenant() const {
  if (derived_.catalogue.next_id() != TenantId{1} || options_.read_only) return std::nullopt;
  Refusal refusal =
      make_refusal(RefusalCode::not_ready, "the cluster is new; its first tenant is being made");
  refusal.retry_after = 1s;
  return refusal;
}

Outcome<const tenant::Tenant*> NodeImpl::resolve(std::string_view name) const {
  if (Status named = tenant::check_tenant_name(name); !named) {
    return std::unexpected(make_refusal(RefusalCode::invalid_request, named.error().message));
  }
  const tenant::Tenant* const tenant = derived_.catalogue.find(name);
  if (auto refusal = refuse_before_first_tenant()) return std::unexpected(std::move(*refusal));
  if (tenant == nullptr || tenant->id == deleting_) {
    return std::unexpected(make_refusal(RefusalCode::tenant_not_found,
                                        "there is no tenant '" + std::string(name) + "'; create it first"));
  }
  return tenant;
}

NodeImpl::Waiting::Fate NodeImpl::wait_applied(io::Wait& wait, Position position,
                                               std::optional<Sha256Digest> hash) {
  if (derived_.position >= position) return Waiting::Fate::applied;
  if (failure_) return Waiting::Fate::open;
  io::Waiter waiter;
  Waiting waiting{.position = position, .hash = hash, .waiter = &waiter};
  waiting_.push_back(&waiting);
  if (waiter.park(wait) != io::Wake::ready) std::erase(waiting_, &waiting);
  return waiting.fate;
}

// The entry is in the derived state now.
void NodeImpl::settle_waiting(const log::Entry& applied) {
  // Nearly in order of position; replays may wait out of turn.
  std::erase_if(waiting_, [&](Waiting* waiting) {
    if (waiting->position > applied.position()) return false;
    const bool is_it = !waiting->hash || *waiting->hash == applied.hash();
    if (!is_it) VERITY_PROBE("appends: another entry came to stand at its place");
    waiting->fate = is_it ? Waiting::Fate::applied : Waiting::Fate::replaced;
    waiting->waiter->wake();
    return true;
  });
}

void NodeImpl::give_up_waiting(Position after) {
  std::erase_if(waiting_, [&](Waiting* waiting) {
    if (waiting->position <= after) return false;
    waiting->waiter->wake();
    return true;
  });
}

bool NodeImpl::serves() const {
  const bool leads = replicator_ && replicator_->leads() && !replicator_->hears_nobody();
  return leads && derived_.position >= replicator_->serve_from();
}

std::optional<consensus::Member> NodeImpl::leader() const {
  return replicator_ && !replicator_->hears_nobody() ? replicator_->primary() : std::nullopt;
}

std::optional<Refusal> NodeImpl::await_leadership(io::Wait& wait) {
  // An election takes a few of these; who waits longer had better ask another node.
  io::Wait patient = wait.within(4 * options_.consensus.election_timeout_max);
  while (!serves() || replicator_->is_handing_over() || !may_date()) {
    if (auto refusal = refuse_reads()) return refusal;
    const std::optional<consensus::Member> primary = leader();
    const bool somebody_else_leads = primary && primary->id != options_.node_id;
    if (somebody_else_leads || !applied_.wait(patient)) {
      Refusal refusal =
          make_refusal(RefusalCode::not_leader, somebody_else_leads
                                                    ? "node " + primary->id.describe() + " leads; ask there"
                                                    : "no node leads now; an election may be under way");
      refusal.retry_after = 1s;
      if (somebody_else_leads) {
        refusal.leader = primary->id;
        const auto known = reports_.find(primary->id);
        if (known != reports_.end()) refusal.leader_address = known->second.client_address;
      }
      return refusal;
    }
  }
  return std::nullopt;
}

// Of a node that is only read: what the others have done since it was a member it cannot know.
std::optional<Refusal> NodeImpl::refuse_without_the_others() const {
  if (opened_.is_alone) return std::nullopt;
  return make_refusal(RefusalCode::read_only,
                      "the node was started read-only beside a cluster of which it hears nothing; only "
                      "consistency=stale is answered: with what it has");
}

std::optional<Refusal> NodeImpl::await_consistency(io::Wait& wait, Consistency consistency) {
  if (consistency == Consistency::stale) return std::nullopt;
  if (!replicator_) return refuse_without_the_others();
  if (auto refusal = await_leadership(wait)) return refusal;
  const Position committed = replicator_->committed();
  if (consistency == Consistency::linearizable && !replicator_->confirm(wait)) {
    if (!wait.check())
      return make_refusal(RefusalCode::cancelled, "the request was given up while it waited for a majority");
    Refusal refusal =
        make_refusal(RefusalCode::not_leader, "a majority did not confirm that this node leads");
    refusal.retry_after = 1s;
    return refusal;
  }
  return await_applied(wait, committed);
}

std::optional<Refusal> NodeImpl::await_applied(io::Wait& wait, Position position) {
  io::Wait patient = wait.within(options_.tuning.read_patience);
  while (derived_.position < position) {
    if (auto refusal = refuse_reads()) return refusal;
    if (applied_.wait(patient)) continue;
    if (!wait.check())
      return make_refusal(RefusalCode::cancelled, "the request was given up while it waited");
    Refusal refusal = make_refusal(
        RefusalCode::not_ready, "this node is behind: it has applied everything up to position " +
                                    derived_.position.describe() + ", and position " + position.describe() +
                                    " was asked for; ask again, or another node");
    refusal.retry_after = 1s;
    return refusal;
  }
  return std::nullopt;
}

Refusal NodeImpl::uphold(io::Wait& wait, Refusal refusal) {
  const bool depends_on_the_log =
      refusal.code == RefusalCode::expectation_failed || refusal.code == RefusalCode::tenant_not_found ||
      refusal.code == RefusalCode::tenant_exists || refusal.code == RefusalCode::session_unknown ||
      (refusal.code == RefusalCode::limit_exceeded && refusal.limits_count);
  if (!depends_on_the_log || !replicator_) return refusal;
  const bool holds =
      wait_applied(wait, log_.last_proposed()) == Waiting::Fate::applied && replicator_->confirm(wait);
  if (holds) return refusal;
  if (auto stopped = refuse_reads()) return std::move(*stopped);
  if (!wait.check()) {
    return make_refusal(RefusalCode::cancelled,
                        "the request was given up before it was known whether it can be carried out");
  }
  VERITY_PROBE("appends: what was refused by what was seen is not certain");
  Refusal retreat = make_refusal(RefusalCode::not_leader,
                                 "a majority did not confirm that this node leads; nothing was done");
  retreat.retry_after = 1s;
  return retreat;
}

// Somebody else leads, or nobody, or this node again.
void NodeImpl::follow_role() {
  if (!replicator_->leads()) {
    proposed_ = ProposedState();
    tenant_change_ = Position{};
    deleting_ = TenantId{0};
    proposed_at_.clear();
    give_up_waiting(replicator_->committed());  // what is committed will be applied
  }
  const std::optional<consensus::Member> now_leads = leader();
  if (forwarder_ && now_leads) forwarder_->follow(*now_leads);
  report_work_.notify_all();
  applied_.notify_all();
}

namespace {

Refusal no_room(const Error& problem) {
  const bool is_full = problem.code == ErrorCode::out_of_space;
  return make_refusal(is_full ? RefusalCode::out_of_space : RefusalCode::io_error,
                      (is_full ? "the disk has no room for another log segment: "
                               : "another log segment cannot be prepared: ") +
                          problem.message);
}

}  // namespace

// What one request does not find room for a smaller one may; whoever sends both must not be told that all is well.
std::optional<Refusal> NodeImpl::why_no_room() const {
  const auto& problem = log_.space_problem();
  if (!problem || (!lacks_room_ && log_.has_room(0))) return std::nullopt;
  return no_room(*problem);
}

Refusal NodeImpl::refuse_for_space(const Error& problem) {
  lacks_room_ = true;
  unfit_.notify_all();
  Refusal refusal = no_room(problem);
  // Whoever has room is about to lead.
  if (transport_ != nullptr && !heirs().empty()) refusal.code = RefusalCode::not_leader;
  refusal.retry_after = 5s;
  return refusal;
}

Outcome<log::EntryPtr> NodeImpl::propose(log::EntryKind kind, TenantId tenant, ByteView body,
                                         const std::optional<SessionRequest>& session) {
  // The node may have begun to stop while the request waited.
  if (auto refusal = refuse_writes()) return std::unexpected(std::move(*refusal));
  // It may have ceased to lead and begun again: nothing is decided before all that came before is applied.
  if (!serves() || replicator_->is_handing_over()) {
    Refusal refusal = make_refusal(RefusalCode::not_leader, "this node leads no longer; nothing was done");
    refusal.retry_after = 1s;
    return std::unexpected(std::move(refusal));
  }
  const Tuning& tuning = options_.tuning;
  if (body.size() > log_.body_bytes_max()) {
    return std::unexpected(make_refusal(RefusalCode::limit_exceeded,
                                        "the request needs an entry of " + std::to_string(body.size()) +
                                            " bytes; a segment holds at most " +
                                            std::to_string(log_.body_bytes_max())));
  }
  // Without a majority nothing is committed, however fast the own disk is.
  const std::uint64_t uncommitted = log_.last_proposed().value - log_.committed().value;
  if (std::max<std::uint64_t>(log_.queued_entries(), uncommitted) >= tuning.queue_entries_max ||
      std::max(log_.queued_bytes(), replicator_->uncommitted_bytes()) + body.size() >
          tuning.queue_bytes_max) {
    VERITY_PROBE("appends: too much is queued");
    ++metrics_.refused_overloaded_total;
    Refusal refusal =
        make_refusal(RefusalCode::overloaded, "too much is waiting to be written and committed");
    refusal.retry_after = 1s;
    return std::unexpected(std::move(refusal));
  }
  if (!log_.has_room(body.size())) {
    return std::unexpected(refuse_for_space(*log_.space_problem()));
  }
  if (!log_.space_problem()) lacks_room_ = false;
  log::EntryHeader header;
  header.kind = kind;
  header.tenant = tenant;
  if (transport_ != nullptr) header.timestamp = read_clock().now;
  if (session) {
    header.session = session->session;
    header.request = session->number;
  }
  log::EntryPtr entry = replicator_->propose(header, body);
  proposed_at_.emplace_back(entry->position(), world_.clock.monotonic());
  return entry;
}

Refusal NodeImpl::refuse_replay(const io::Wait& wait, Position position, const Error& problem) {
  // Running out of time says nothing of the disk.
  if (!wait.check()) {
    return make_refusal(RefusalCode::outcome_unknown,
                        "it was carried out before, and its entry could not be read in time");
  }
  Refusal refusal = make_refusal(RefusalCode::damaged, problem.message);
  refusal.position = position;
  return refusal;
}

Outcome<AppendReceipt> NodeImpl::replay(io::Wait& wait, Position position, const IdempotencyKey& key) {
  const Result<log::EntryPtr> entry = log_.reader().read(wait, position);
  if (!entry) return std::unexpected(refuse_replay(wait, position, entry.error()));
  log::EventsBody body;
  const Status decoded = log::decode((*entry)->body(), body);
  if (!decoded || !body.idempotency || body.idempotency->key != key.key) {
    return std::unexpected(
        make_refusal(RefusalCode::damaged, (*entry)->describe() + " does not hold this key"));
  }
  if (body.idempotency->request_digest != key.request_digest) {
    return std::unexpected(
        make_refusal(RefusalCode::idempotency_conflict, "idempotency key '" + std::string(key.key) +
                                                            "' was used by another request, at position " +
                                                            position.describe()));
  }
  ++metrics_.idempotent_replays_total;
  AppendReceipt receipt = receipt_of(**entry, body);
  receipt.replayed = true;
  return receipt;
}

std::optional<Outcome<AppendReceipt>> NodeImpl::find_earlier(io::Wait& wait, TenantId tenant,
                                                             const IdempotencyKey& key) {
  // Meanwhile this node may have come to lead again, and another attempt may be under way.
  while (const auto position = proposed_.key_in_flight(tenant, key.key)) {
    if (wait_applied(wait, *position) == Waiting::Fate::applied) break;
    if (!await_verdict(wait)) {
      return std::unexpected(
          make_refusal(RefusalCode::outcome_unknown,
                       "the node failed, or leads no longer, or the wait was given up, before the entry was "
                       "committed"));
    }
  }
  if (const auto seen = derived_.keys.find(tenant, {key.key, key.request_digest})) {
    return replay(wait, seen->position, key);
  }
  return std::nullopt;
}

Outcome<AppendReceipt> NodeImpl::append_here(io::Wait& wait, const AppendRequest& request) {
  if (auto refusal = refuse_writes()) return std::unexpected(std::move(*refusal));
  if (auto refusal = await_leadership(wait)) return std::unexpected(std::move(*refusal));
  if (!wait.check())
    return std::unexpected(make_refusal(RefusalCode::cancelled, "the request was given up before it began"));
  Outcome<AppendReceipt> outcome = append_once(wait, request);
  if (outcome || !request.session) return outcome;
  return give_up_request(wait, request, std::move(outcome.error()));
}

Outcome<AppendReceipt> NodeImpl::append_once(io::Wait& wait, const AppendRequest& request) {
  if (request.session) {
    if (auto earlier = find_in_session(wait, request)) return std::move(*earlier);
  }
  const auto tenant = resolve(request.tenant);
  if (!tenant) return std::unexpected(uphold(wait, tenant.error()));
  const TenantId id = (*tenant)->id;
  if (request.idempotency && tenant::check_idempotency_key(request.idempotency->key)) {
    if (auto earlier = find_earlier(wait, id, *request.idempotency)) return std::move(*earlier);
    const Timestamp now = std::max(read_clock().now, log_.last_timestamp());
    if (!derived_.keys.has_room(id, now, proposed_.keys_in_flight(id))) {
      Refusal refusal =
          make_refusal(RefusalCode::idempotency_full,
                       "too many idempotency keys were used within their window; the oldest are still "
                       "promised");
      refusal.retry_after = 60s;
      return std::unexpected(std::move(refusal));
    }
    // It may have been deleted, and made anew, while an earlier attempt was waited for.
    const auto still = resolve(request.tenant);
    if (!still) return std::unexpected(uphold(wait, still.error()));
    if ((*still)->id != id) return append_once(wait, request);
    // And another attempt of the same request may have been carried out, or given up.
    if (request.session && !is_new_in_session(*request.session)) return append_once(wait, request);
  }
  // From here to the proposal nothing suspends: what is checked is what is proposed.
  Outcome<log::EventsBody> body = admit(request, id, options_.limits, derived_, proposed_);
  if (!body) return std::unexpected(uphold(wait, std::move(body.error())));
  Bytes encoded;
  encoded.reserve(log::encoded_bytes(*body));
  log::encode(*body, encoded);
  const auto entry = propose(log::EntryKind::events, id, encoded, request.session);
  if (!entry) return std::unexpected(entry.error());
  proposed_.add((*entry)->position(), id, *body);
  if (request.session)
    proposed_.add_request((*entry)->position(), request.session->session, request.session->number);
  if (auto refusal = await_fate(wait, **entry)) return std::unexpected(std::move(*refusal));
  return receipt_of(**entry, *body);
}

// A leader that a majority confirms has committed its whole log, and every majority from now on holds it: what is not in it
// is gone for good (docs/consensus.md, "What became of it").
bool NodeImpl::await_verdict(io::Wait& wait) {
  // Whose wait has ended need not be deposed: what it proposed may still be on its way to the disk.
  if (transport_ == nullptr || failure_ || !wait.check()) return false;
  io::Wait patient = wait.within(verdict_patience);
  while (true) {
    const std::optional<Refusal> refusal = await_read(patient, Consistency::linearizable);
    if (!refusal) return true;
    // Everybody who waited asks now.
    if (refusal->code != RefusalCode::overloaded || !patient.sleep(verdict_pause)) return false;
  }
}

// Nothing: it is committed and applied.
std::optional<Refusal> NodeImpl::await_fate(io::Wait& wait, const log::Entry& entry) {
  using Fate = Waiting::Fate;
  Fate fate = wait_applied(wait, entry.position(), entry.hash());
  if (fate == Fate::open && await_verdict(wait)) {
    const bool is_behind = derived_.position < entry.position();
    const Result<log::EntryPtr> there =
        is_behind ? log::EntryPtr() : log_.reader().read(wait, entry.position());
    if (there) fate = *there != nullptr && (*there)->hash() == entry.hash() ? Fate::applied : Fate::replaced;
  }
  if (fate == Fate::applied) return std::nullopt;
  if (fate == Fate::open) {
    return make_refusal(
        RefusalCode::outcome_unknown,
        "the node failed, or leads no longer, or the wait was given up, before it was known whether the "
        "entry is committed");
  }
  Refusal refusal = make_refusal(RefusalCode::not_leader, "another node leads now; nothing was done");
  refusal.retry_after = 1s;
  return refusal;
}

Outcome<TenantInfo> NodeImpl::propose_tenant(io::Wait& wait, const log::TenantBody& body) {
  Bytes encoded;
  log::encode(body, encoded);
  const auto entry = propose(log::EntryKind::tenant, TenantId{0}, encoded);
  if (!entry) return std::unexpected(entry.error());
  tenant_change_ = (*entry)->position();
  if (body.action == log::TenantBody::Action::remove) deleting_ = body.id;
  if (auto refusal = await_fate(wait, **entry)) return std::unexpected(std::move(*refusal));
  const tenant::Tenant* const changed = derived_.catalogue.find(body.id);
  return changed != nullptr ? info(*changed) : TenantInfo{.id = body.id};
}

std::optional<Refusal> NodeImpl::await_tenant_changes(io::Wait& wait) {
  if (auto refusal = refuse_writes()) return refusal;
  if (auto refusal = await_leadership(wait)) return refusal;
  // It may have ceased to lead while it waited.
  if (wait_applied(wait, tenant_change_) != Waiting::Fate::applied || !serves()) {
    Refusal refusal =
        make_refusal(RefusalCode::not_ready, "an earlier change of a tenant is still on its way");
    refusal.retry_after = 1s;
    return refusal;
  }
  return std::nullopt;
}

Outcome<TenantInfo> NodeImpl::create_tenant_here(io::Wait& wait, std::string_view name) {
  const auto guard = tenant_changes_.lock(wait);
  if (!guard) return std::unexpected(make_refusal(RefusalCode::cancelled, guard.error().message));
  if (auto refusal = await_tenant_changes(wait)) return std::unexpected(std::move(*refusal));
  if (Status named = tenant::check_tenant_name(name); !named) {
    return std::unexpected(make_refusal(RefusalCode::invalid_request, named.error().message));
  }
  if (name != first_tenant_name) {
    if (auto refusal = refuse_before_first_tenant()) return std::unexpected(std::move(*refusal));
  }
  if (derived_.catalogue.find(name) != nullptr) {
    return std::unexpected(
        uphold(wait, make_refusal(RefusalCode::tenant_exists, "tenant '" + std::string(name) + "' exists")));
  }
  if (derived_.catalogue.count() >= options_.limits.tenants_max) {
    Refusal refusal =
        make_refusal(RefusalCode::limit_exceeded, "there are " + std::to_string(derived_.catalogue.count()) +
                                                      " tenants; max_tenants allows no more");
    refusal.limits_count = true;
    return std::unexpected(uphold(wait, std::move(refusal)));
  }
  return propose_tenant(wait, {log::TenantBody::Action::create, derived_.catalogue.next_id(), name});
}

Outcome<TenantInfo> NodeImpl::delete_tenant_here(io::Wait& wait, std::string_view name) {
  const auto guard = tenant_changes_.lock(wait);
  if (!guard) return std::unexpected(make_refusal(RefusalCode::cancelled, guard.error().message));
  if (auto refusal = await_tenant_changes(wait)) return std::unexpected(std::move(*refusal));
  const auto tenant = resolve(name);
  if (!tenant) return std::unexpected(uphold(wait, tenant.error()));
  const TenantInfo before = info(**tenant);
  // From the proposal on nothing is proposed for it any more, behind its deletion.
  const auto deleted = propose_tenant(wait, {log::TenantBody::Action::remove, before.id, name});
  if (!deleted) return std::unexpected(deleted.error());
  return before;
}

}  // namespace verity::node
