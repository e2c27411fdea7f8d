// Requests at a node that does not lead: the leader is asked, and answers. And what the nodes tell each other of themselves.
#include "engine/node/node_impl.h"

#include "io/directory.h"
#include "io/fiber/loop.h"
#include "io/file.h"
#include "io/logger.h"

namespace verity::node {
namespace {

constexpr Duration report_interval = 1s;
// Without a majority an append is neither committed nor gone, for as long as that lasts: so long a client waits for it.
constexpr Duration append_patience = 20s;
// An append whose answer was lost: each time another node leads, or the same one is heard again.
constexpr int asked_again_max = 10;
constexpr Duration asked_again_pause = 50ms;

// No number, no request: whatever became of the question for a session.
Refusal not_sent(Refusal refusal) {
  if (refusal.code == RefusalCode::outcome_unknown) refusal.code = RefusalCode::not_leader;
  return refusal;
}

Refusal no_sense(const Error& error, RefusalCode code) {
  return {.code = code, .detail = error.message};
}

template <class T>
Outcome<Bytes> encoded(const Outcome<T>& outcome) {
  if (!outcome) return std::unexpected(outcome.error());
  return encode(*outcome);
}

// The leader has done it, but what it says of it cannot be read.
template <class T>
Outcome<T> decoded(Result<T> answer) {
  if (!answer) return std::unexpected(no_sense(answer.error(), RefusalCode::outcome_unknown));
  return *std::move(answer);
}

}  // namespace

std::optional<consensus::Member> NodeImpl::who_can(const Refusal& refusal) const {
  const std::optional<consensus::Member> now_leads = leader();
  const bool elsewhere = forwarder_ && refusal.code == RefusalCode::not_leader && now_leads &&
                         refusal.leader == now_leads->id && now_leads->id != options_.node_id;
  return elsewhere ? now_leads : std::nullopt;
}

Outcome<AppendReceipt> NodeImpl::append(io::Wait& wait, const AppendRequest& request) {
  const Instant begun = wait.now();
  io::Wait patient = wait.within(append_patience);
  Outcome<AppendReceipt> outcome = append_somewhere(patient, request);
  if (outcome) metrics_.write_duration.observe(wait.now() - begun);
  return outcome;
}

// Who asks under no session gets a number of this node's own, so that what is not answered can be asked again.
Outcome<AppendReceipt> NodeImpl::append_somewhere(io::Wait& wait, const AppendRequest& request) {
  std::optional<AppendRequest> numbered;
  const auto here = [&] { return append_here(wait, numbered ? *numbered : request); };
  const auto there = [&](const consensus::Member& leader) -> Outcome<AppendReceipt> {
    if (!numbered) {
      Outcome<SessionRequest> number = request.session ? *request.session : own_session_->take(wait);
      if (!number) return std::unexpected(not_sent(std::move(number.error())));
      numbered = request;
      numbered->session = *number;
    }
    const Outcome<Bytes> answer = forwarder_->ask(wait, leader, QuestionKind::append, encode(*numbered));
    if (!answer) return std::unexpected(answer.error());
    return decoded(decode_receipt(*answer));
  };
  Outcome<AppendReceipt> outcome = at_leader<AppendReceipt>(wait, here, there);
  const auto ended_with = [&](RefusalCode code) {
    return numbered && !outcome && outcome.error().code == code;
  };
  if (!request.session && ended_with(RefusalCode::session_unknown)) {
    // The cluster has forgotten it for others; nothing was done.
    own_session_->forget(numbered->session->session);
    numbered.reset();
    outcome = at_leader<AppendReceipt>(wait, here, there);
  }
  const bool is_lost = ended_with(RefusalCode::outcome_unknown);
  for (int again = 0; is_lost && again < asked_again_max && !outcome && !is_settled(outcome.error().code);
       ++again) {
    // The attempt that got no answer may still be on its way: no passing refusal says anything of it.
    if (ended_with(RefusalCode::session_unknown) || !wait.sleep(asked_again_pause)) break;
    numbered->session->is_retry = true;
    outcome = at_leader<AppendReceipt>(wait, here, there);
  }
  const bool is_open = is_lost && !outcome && !is_settled(outcome.error().code);
  if (numbered && !request.session) hide_session(wait, *numbered->session, outcome);
  if (is_open) outcome.error().code = RefusalCode::outcome_unknown;
  return outcome;
}

// The client knows nothing of it.
void NodeImpl::hide_session(io::Wait& wait, const SessionRequest& own, Outcome<AppendReceipt>& outcome) {
  own_session_->give_back(own);
  if (outcome) {
    outcome->replayed = outcome->replayed && !is_of(wait, own, outcome->position);
    return;
  }
  Refusal& refusal = outcome.error();
  if (refusal.code == RefusalCode::session_unknown) own_session_->forget(own.session);
  if (refusal.code != RefusalCode::session_unknown && refusal.code != RefusalCode::request_given_up) return;
  refusal.code = RefusalCode::not_leader;  // nothing was done
  refusal.retry_after = 1s;
}

// Whether the entry at `position` carried out this request.
bool NodeImpl::is_of(io::Wait& wait, const SessionRequest& request, Position position) {
  io::Wait brief = wait.within(report_interval);
  if (await_applied(brief, position)) return false;
  const Result<log::EntryPtr> entry = log_.reader().read(wait, position);
  return entry && (*entry)->header().session == request.session &&
         (*entry)->header().request == request.number;
}

Outcome<Id128> NodeImpl::open_session(io::Wait& wait) {
  return at_leader<Id128>(
      wait, [&] { return open_session_here(wait); },
      [&](const consensus::Member& leader) -> Outcome<Id128> {
        const Outcome<Bytes> answer = forwarder_->ask(wait, leader, QuestionKind::open_session, {});
        if (!answer) return std::unexpected(answer.error());
        const auto session = ByteReader(*answer).get<Id128>();
        if (session) return *session;
        return std::unexpected(
            Refusal{.code = RefusalCode::outcome_unknown, .detail = "the leader's answer is cut off"});
      });
}

Outcome<TenantInfo> NodeImpl::change_tenant(io::Wait& wait, QuestionKind kind, std::string_view name) {
  const bool creates = kind == QuestionKind::create_tenant;
  return at_leader<TenantInfo>(
      wait, [&] { return creates ? create_tenant_here(wait, name) : delete_tenant_here(wait, name); },
      [&](const consensus::Member& leader) -> Outcome<TenantInfo> {
        const Outcome<Bytes> answer = forwarder_->ask(wait, leader, kind, as_bytes(name));
        if (!answer) return std::unexpected(answer.error());
        Outcome<TenantInfo> info = decoded(decode_tenant(*answer));
        // Whoever goes on with it here finds it.
        if (info && creates)
          static_cast<void>(await_applied(wait, info->created_position));  // it is there, found here or not
        return info;
      });
}

std::optional<Refusal> NodeImpl::await_read(io::Wait& wait, Consistency consistency) {
  if (auto refusal = refuse_reads()) return refusal;
  const auto seen = [](std::optional<Refusal> refusal) -> Outcome<bool> {
    if (refusal) return std::unexpected(std::move(*refusal));
    return true;
  };
  const Outcome<bool> outcome = at_leader<bool>(
      wait, [&] { return seen(await_consistency(wait, consistency)); },
      [&](const consensus::Member& leader) { return seen(await_read_point(wait, leader, consistency)); });
  if (outcome) return std::nullopt;
  return outcome.error();
}

std::optional<Refusal> NodeImpl::await_read_point(io::Wait& wait, const consensus::Member& leader,
                                                  Consistency consistency) {
  const QuestionKind kind =
      consistency == Consistency::leader ? QuestionKind::leader_read_point : QuestionKind::read_point;
  const Outcome<Bytes> answer = forwarder_->ask(wait, leader, kind, {});
  if (!answer) return answer.error();
  const auto position = ByteReader(*answer).get<Position>();
  if (!position) return Refusal{.code = RefusalCode::not_ready, .detail = "the leader's answer is cut off"};
  return await_applied(wait, *position);
}

Outcome<Bytes> NodeImpl::serve_question(io::Wait& wait, QuestionKind kind, ByteView body) {
  switch (kind) {
    case QuestionKind::append: {
      const Result<AppendRequest> request = decode_append(body);
      if (!request) return std::unexpected(no_sense(request.error(), RefusalCode::invalid_request));
      return encoded(append_here(wait, *request));
    }
    case QuestionKind::create_tenant:
      return encoded(create_tenant_here(wait, as_text(body)));
    case QuestionKind::delete_tenant:
      return encoded(delete_tenant_here(wait, as_text(body)));
    case QuestionKind::open_session: {
      const Outcome<Id128> session = open_session_here(wait);
      if (!session) return std::unexpected(session.error());
      Bytes id;
      put(id, *session);
      return id;
    }
    case QuestionKind::hand_over: {
      const auto to = ByteReader(body).get<NodeId>();
      if (!to) return std::unexpected(Refusal{RefusalCode::invalid_request, "the question is cut off"});
      const auto heir = hand_over_here(wait, *to == NodeId{} ? std::nullopt : std::optional(*to));
      if (!heir) return std::unexpected(heir.error());
      Bytes id;
      put(id, *heir);
      return id;
    }
    case QuestionKind::change_members: {
      const Result<MembersChange> change = decode_members_change(body);
      if (!change) return std::unexpected(no_sense(change.error(), RefusalCode::invalid_request));
      return encoded(change_members_here(wait, *change));
    }
    case QuestionKind::activate_release: {
      const Outcome<ActiveRelease> active = activate_release_here(wait);
      if (!active) return std::unexpected(active.error());
      Bytes answer;
      put(answer, active->number);
      put(answer, active->at);
      return answer;
    }
    case QuestionKind::read_point:
    case QuestionKind::leader_read_point:
      break;
  }
  if (auto refusal = refuse_reads()) return std::unexpected(std::move(*refusal));
  const bool trusts = kind == QuestionKind::leader_read_point;
  if (auto refusal = await_consistency(wait, trusts ? Consistency::leader : Consistency::linearizable))
    return std::unexpected(std::move(*refusal));
  Bytes position;
  put(position, derived_.position);
  return position;
}

void NodeImpl::on_other_message(const consensus::Member& from, std::uint16_t type, ByteView payload) {
  if (is_repair(type)) {
    if (repairer_) repairer_->on_message(from, type, payload);
    return;
  }
  if (type == clock_question_type || type == clock_answer_type) return on_clock_message(from, type, payload);
  if (type != report_type) return forwarder_->on_message(from, type, payload);
  Result<NodeReport> report = decode_report(payload);
  if (report) {
    reports_.insert_or_assign(from.id, *std::move(report));
  } else {
    world_.logger.log(io::LogLevel::warn, "verity_node", "a report that makes no sense was ignored",
                      {{"from", from.describe()}, {"error", report.error().describe()}});
  }
}

// Every second, and at every change of who leads.
void NodeImpl::run_reports(io::Wait& wait) {
  const consensus::Member self{options_.node_id, opened_.state->incarnation};
  while (true) {
    const NodeStatus now = status();
    const Bytes report = encode(NodeReport{.state = now.state,
                                           .view = now.view,
                                           .commit_index = now.commit_index,
                                           .applied_index = now.applied_index,
                                           .client_address = options_.client_address,
                                           .release = options_.releases.newest,
                                           .disk_free_bytes = disk_free_bytes_,
                                           .has_room = !log_.space_problem(),
                                           .applied_hash = derived_.hash});
    for (const consensus::Member& member : replicator_->members().reachable()) {
      if (member != self)
        transport_->send(member, PeerLane::control, {.type = report_type, .head = report, .entries = {}});
    }
    io::Wait soon = wait.within(report_interval);
    ignore(report_work_.wait(soon), "it is time, or something has changed");
    if (wait.is_cancelled()) return;
  }
}

}  // namespace verity::node
