// Requests under a session: carried out once, however often they are sent. What was done stands in the log, so that every
// later leader knows it.
#include "engine/node/node_impl.h"

#include "io/base/probe.h"
#include "io/directory.h"
#include "io/fiber/loop.h"
#include "io/file.h"
#include "io/random.h"

#include <algorithm>

namespace verity::node {
namespace {

using Fate = index::SettledRequest::Fate;

Refusal make_refusal(RefusalCode code, std::string detail) {
  return {.code = code, .detail = std::move(detail)};
}

std::string describe(const SessionRequest& request) {
  return "request " + std::to_string(request.number) + " of session " + request.session.describe();
}

bool is_same(const log::BodyEvent& done, const NewEvent& asked) {
  return done.type == asked.type && done.data == asked.data && done.metadata == asked.metadata &&
         done.id == asked.id && done.subject == asked.subject;
}

// Whether `body` is what `request` asks for.
bool is_same(const log::EventsBody& body, const AppendRequest& request) {
  return std::ranges::equal(
      body.streams, request.streams, [&](const log::BodyStream& done, const StreamAppend& asked) {
        return done.name == asked.stream &&
               std::ranges::equal(body.events_of(done), asked.events,
                                  [](const log::BodyEvent& a, const NewEvent& b) { return is_same(a, b); });
      });
}

}  // namespace

Outcome<Id128> NodeImpl::open_session_here(io::Wait& wait) {
  if (auto refusal = refuse_writes()) return std::unexpected(std::move(*refusal));
  if (auto refusal = await_leadership(wait)) return std::unexpected(std::move(*refusal));
  Id128 session;
  world_.random.fill(std::as_writable_bytes(std::span(session.bytes)));
  Bytes body;
  log::encode(log::SessionBody{log::SessionBody::Action::add}, body);
  const auto entry = propose(log::EntryKind::session, TenantId{0}, body, SessionRequest{session, 0});
  if (!entry) return std::unexpected(entry.error());
  if (auto refusal = await_fate(wait, **entry)) return std::unexpected(std::move(*refusal));
  return session;
}

Outcome<AppendReceipt> NodeImpl::replay_request(io::Wait& wait, Position position,
                                                const AppendRequest& request) {
  const Result<log::EntryPtr> entry = log_.reader().read(wait, position);
  log::EventsBody body;
  const Status decoded = entry ? log::decode((*entry)->body(), body) : std::unexpected(entry.error());
  if (!decoded) return std::unexpected(refuse_replay(wait, position, decoded.error()));
  // Of a tenant that was deleted since the name is not known any more.
  const tenant::Tenant* const tenant = derived_.catalogue.find((*entry)->header().tenant);
  if ((tenant != nullptr && tenant->name != request.tenant) || !is_same(body, request)) {
    return std::unexpected(make_refusal(
        RefusalCode::idempotency_conflict,
        describe(*request.session) + " was another one, carried out at position " + position.describe()));
  }
  ++metrics_.session_replays_total;
  AppendReceipt receipt = receipt_of(**entry, body);
  receipt.replayed = true;
  return receipt;
}

std::optional<Outcome<AppendReceipt>> NodeImpl::find_in_session(io::Wait& wait,
                                                                const AppendRequest& request) {
  const SessionRequest& asked = *request.session;
  // Meanwhile this node may have come to lead again, and another attempt may be under way.
  while (const auto position = proposed_.request_in_flight(asked.session, asked.number)) {
    if (wait_applied(wait, *position) == Waiting::Fate::applied) break;
    if (!await_verdict(wait)) {
      return std::unexpected(make_refusal(
          RefusalCode::outcome_unknown,
          describe(asked) + " is under way, and the node failed, leads no longer, or the wait was given up"));
    }
  }
  if (!derived_.sessions.contains(asked.session)) {
    return std::unexpected(uphold(
        wait, make_refusal(RefusalCode::session_unknown,
                           "session " + asked.session.describe() + " was never opened, or was idle while " +
                               std::to_string(options_.tuning.sessions_max) +
                               " others wrote; what became of its requests is not known any more")));
  }
  const auto settled = derived_.sessions.find(asked.session, asked.number);
  if (!settled) return std::nullopt;
  switch (settled->fate) {
    case Fate::carried_out:
      VERITY_PROBE("sessions: what was carried out is asked for again");
      return replay_request(wait, settled->position, request);
    case Fate::given_up:
      VERITY_PROBE("sessions: what was given up is asked for again");
      return std::unexpected(make_refusal(RefusalCode::request_given_up,
                                          describe(asked) + " was refused before; nothing was done"));
    case Fate::forgotten:
      break;
  }
  return std::unexpected(make_refusal(RefusalCode::outcome_unknown,
                                      describe(asked) + " lies more than " +
                                          std::to_string(options_.tuning.session_requests_kept) +
                                          " behind the last one; what became of it is not known any more"));
}

bool NodeImpl::is_new_in_session(const SessionRequest& request) const {
  return derived_.sessions.contains(request.session) &&
         !proposed_.request_in_flight(request.session, request.number) &&
         !derived_.sessions.find(request.session, request.number);
}

// An earlier attempt may still be on its way to some leader: the refusal is told only when that can do nothing any more.
Outcome<AppendReceipt> NodeImpl::give_up_request(io::Wait& wait, const AppendRequest& request,
                                                 Refusal refusal) {
  const SessionRequest& asked = *request.session;
  if (!asked.is_retry || !is_settled(refusal.code)) return std::unexpected(std::move(refusal));
  if (auto earlier = find_in_session(wait, request)) return std::move(*earlier);
  Bytes body;
  log::encode(log::SessionBody{log::SessionBody::Action::give_up}, body);
  const auto entry = propose(log::EntryKind::session, TenantId{0}, body, asked);
  if (!entry) return std::unexpected(entry.error());
  proposed_.add_request((*entry)->position(), asked.session, asked.number);
  if (auto unsettled = await_fate(wait, **entry)) return std::unexpected(std::move(*unsettled));
  return std::unexpected(std::move(refusal));
}

}  // namespace verity::node
