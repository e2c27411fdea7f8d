// Requests that change something: checked, proposed, waited for.
#include "engine/node/admission.h"
#include "engine/node/node_impl.h"

#include "engine/tenant/names.h"
#include "io/clock.h"
#include "io/directory.h"
#include "io/fiber/loop.h"
#include "io/file.h"

namespace verity::node {
namespace {

// What this build writes into entry headers; rises when the meaning of entries changes.
constexpr std::uint32_t release = 1;

Refusal make_refusal(RefusalCode code, std::string detail) {
  return {.code = code, .detail = std::move(detail)};
}

Outcome<AppendReceipt> receipt_of(const log::Entry& entry, const log::EventsBody& body) {
  AppendReceipt receipt{.position = entry.position(),
                        .streams = {},
                        .hash = entry.hash(),
                        .recorded_at = entry.header().timestamp};
  for (const log::BodyStream& stream : body.streams) {
    receipt.streams.push_back({std::string(stream.name), stream.first_revision, stream.last_revision()});
  }
  return receipt;
}

}  // namespace

std::optional<Refusal> NodeImpl::refuse_reads() const {
  if (stopping_) return make_refusal(RefusalCode::not_ready, "the node is stopping");
  if (failure_) return make_refusal(RefusalCode::not_ready, "the node failed: " + failure_->message);
  if (underivable_) {
    Refusal refusal =
        make_refusal(RefusalCode::damaged, "the index is lost and cannot be derived behind position " +
                                               derived_.position.describe() + " of " +
                                               log_.last_proposed().describe() + ": " + damage_.front());
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
  if (!damage_.empty()) {
    return make_refusal(RefusalCode::read_only,
                        "damage was found, so nothing is written: " + damage_.front());
  }
  if (options_.read_only) return make_refusal(RefusalCode::read_only, "the node was started read-only");
  if (auto refusal = refuse_reads()) return refusal;
  if (!log_.is_writable()) return make_refusal(RefusalCode::not_ready, "the log takes no entries");
  return std::nullopt;
}

Outcome<const tenant::Tenant*> NodeImpl::resolve(std::string_view name) const {
  if (Status named = tenant::check_tenant_name(name); !named) {
    return std::unexpected(make_refusal(RefusalCode::invalid_request, named.error().message));
  }
  const tenant::Tenant* const tenant = derived_.catalogue.find(name);
  if (tenant == nullptr || tenant->id == deleting_) {
    return std::unexpected(make_refusal(RefusalCode::tenant_not_found,
                                        "there is no tenant '" + std::string(name) + "'; create it first"));
  }
  return tenant;
}

bool NodeImpl::wait_applied(io::Wait& wait, Position position) {
  if (derived_.position >= position) return true;
  if (failure_) return false;
  io::Waiter waiter;
  waiting_.push_back({position, &waiter});
  if (waiter.park(wait) != io::Wake::ready) {
    std::erase_if(waiting_, [&](const Waiting& waiting) { return waiting.waiter == &waiter; });
  }
  return derived_.position >= position;
}

void NodeImpl::wake_waiting() {
  if (failure_) {
    for (const Waiting& waiting : std::exchange(waiting_, {})) waiting.waiter->wake();
    return;
  }
  // Nearly in order of position; replays may wait out of turn.
  std::erase_if(waiting_, [&](const Waiting& waiting) {
    if (waiting.position > derived_.position) return false;
    waiting.waiter->wake();
    return true;
  });
}

Outcome<log::EntryPtr> NodeImpl::propose(log::EntryKind kind, TenantId tenant, ByteView body) {
  const Tuning& tuning = options_.tuning;
  if (body.size() > log_.body_bytes_max()) {
    return std::unexpected(make_refusal(RefusalCode::limit_exceeded,
                                        "the request needs an entry of " + std::to_string(body.size()) +
                                            " bytes; a segment holds at most " +
                                            std::to_string(log_.body_bytes_max())));
  }
  if (log_.queued_entries() >= tuning.queue_entries_max ||
      log_.queued_bytes() + body.size() > tuning.queue_bytes_max) {
    ++metrics_.refused_overloaded_total;
    Refusal refusal = make_refusal(RefusalCode::overloaded, "too much is waiting to be written");
    refusal.retry_after = 1s;
    return std::unexpected(std::move(refusal));
  }
  if (!log_.has_room(body.size())) {
    const Error& problem = *log_.space_problem();
    const bool is_full = problem.code == ErrorCode::out_of_space;
    Refusal refusal = make_refusal(is_full ? RefusalCode::out_of_space : RefusalCode::io_error,
                                   (is_full ? "the disk has no room for another log segment: "
                                            : "another log segment cannot be prepared: ") +
                                       problem.message);
    refusal.retry_after = 5s;
    return std::unexpected(std::move(refusal));
  }
  log::EntryHeader header;
  header.kind = kind;
  header.tenant = tenant;
  header.view = opened_.state.view;
  header.release = release;
  log::EntryPtr entry = log_.propose(header, body);
  if (options_.sync_mode == SyncMode::async) enqueue({entry});
  return entry;
}

Outcome<AppendReceipt> NodeImpl::replay(io::Wait& wait, Position position, const IdempotencyKey& key) {
  const Result<log::EntryPtr> entry = log_.reader().read(wait, position);
  if (!entry) {
    Refusal refusal = make_refusal(RefusalCode::damaged, entry.error().message);
    refusal.position = position;
    return std::unexpected(std::move(refusal));
  }
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
  Outcome<AppendReceipt> receipt = receipt_of(**entry, body);
  receipt->replayed = true;
  return receipt;
}

std::optional<Outcome<AppendReceipt>> NodeImpl::find_earlier(io::Wait& wait, TenantId tenant,
                                                             const IdempotencyKey& key) {
  if (const auto position = proposed_.key_in_flight(tenant, key.key)) {
    if (!wait_applied(wait, *position)) {
      return std::unexpected(
          make_refusal(RefusalCode::outcome_unknown,
                       "the node failed, or the wait was given up, before the entry was durable"));
    }
    return replay(wait, *position, key);
  }
  if (const auto seen = derived_.keys.find(tenant, {key.key, key.request_digest})) {
    return replay(wait, seen->position, key);
  }
  return std::nullopt;
}

Outcome<AppendReceipt> NodeImpl::append(io::Wait& wait, const AppendRequest& request) {
  const Instant begun = wait.now();
  if (auto refusal = refuse_writes()) return std::unexpected(std::move(*refusal));
  if (!wait.check())
    return std::unexpected(make_refusal(RefusalCode::cancelled, "the request was given up before it began"));
  const auto tenant = resolve(request.tenant);
  if (!tenant) return std::unexpected(tenant.error());
  const TenantId id = (*tenant)->id;
  if (request.idempotency && tenant::check_idempotency_key(request.idempotency->key)) {
    if (auto earlier = find_earlier(wait, id, *request.idempotency)) return std::move(*earlier);
    const Timestamp now = std::max(world_.clock.realtime(), log_.last_timestamp());
    if (!derived_.keys.has_room(id, now, proposed_.keys_in_flight(id))) {
      Refusal refusal =
          make_refusal(RefusalCode::idempotency_full,
                       "too many idempotency keys were used within their window; the oldest are still "
                       "promised");
      refusal.retry_after = 60s;
      return std::unexpected(std::move(refusal));
    }
  }
  // From here to the proposal nothing suspends: what is checked is what is proposed.
  Outcome<log::EventsBody> body = admit(request, id, options_.limits, derived_, proposed_);
  if (!body) return std::unexpected(std::move(body.error()));
  Bytes encoded;
  encoded.reserve(log::encoded_bytes(*body));
  log::encode(*body, encoded);
  const auto entry = propose(log::EntryKind::events, id, encoded);
  if (!entry) return std::unexpected(entry.error());
  proposed_.add((*entry)->position(), id, *body);

  if (!wait_applied(wait, (*entry)->position())) {
    return std::unexpected(make_refusal(
        RefusalCode::outcome_unknown,
        "the node failed, or the wait was given up, before it was known whether the entry is durable"));
  }
  metrics_.write_duration.observe(wait.now() - begun);
  return receipt_of(**entry, *body);
}

Outcome<TenantInfo> NodeImpl::change_tenant(io::Wait& wait, const log::TenantBody& body) {
  Bytes encoded;
  log::encode(body, encoded);
  const auto entry = propose(log::EntryKind::tenant, TenantId{0}, encoded);
  if (!entry) return std::unexpected(entry.error());
  if (!wait_applied(wait, (*entry)->position())) {
    return std::unexpected(make_refusal(
        RefusalCode::outcome_unknown,
        "the node failed, or the wait was given up, before it was known whether the entry is durable"));
  }
  const tenant::Tenant* const changed = derived_.catalogue.find(body.id);
  return changed != nullptr ? info(*changed) : TenantInfo{.id = body.id};
}

Outcome<TenantInfo> NodeImpl::create_tenant(io::Wait& wait, std::string_view name) {
  const auto guard = tenant_changes_.lock(wait);
  if (!guard) return std::unexpected(make_refusal(RefusalCode::cancelled, guard.error().message));
  if (auto refusal = refuse_writes()) return std::unexpected(std::move(*refusal));
  if (Status named = tenant::check_tenant_name(name); !named) {
    return std::unexpected(make_refusal(RefusalCode::invalid_request, named.error().message));
  }
  if (derived_.catalogue.find(name) != nullptr) {
    return std::unexpected(
        make_refusal(RefusalCode::tenant_exists, "tenant '" + std::string(name) + "' exists"));
  }
  if (derived_.catalogue.count() >= options_.limits.tenants_max) {
    Refusal refusal =
        make_refusal(RefusalCode::limit_exceeded, "there are " + std::to_string(derived_.catalogue.count()) +
                                                      " tenants; max_tenants allows no more");
    refusal.limits_count = true;
    return std::unexpected(std::move(refusal));
  }
  return change_tenant(wait, {log::TenantBody::Action::create, derived_.catalogue.next_id(), name});
}

Outcome<TenantInfo> NodeImpl::delete_tenant(io::Wait& wait, std::string_view name) {
  const auto guard = tenant_changes_.lock(wait);
  if (!guard) return std::unexpected(make_refusal(RefusalCode::cancelled, guard.error().message));
  if (auto refusal = refuse_writes()) return std::unexpected(std::move(*refusal));
  const auto tenant = resolve(name);
  if (!tenant) return std::unexpected(tenant.error());
  const TenantInfo before = info(**tenant);
  deleting_ = before.id;  // nothing may be proposed for it behind the deletion
  const auto deleted = change_tenant(wait, {log::TenantBody::Action::remove, before.id, name});
  deleting_ = TenantId{0};
  if (!deleted) return std::unexpected(deleted.error());
  return before;
}

}  // namespace verity::node
