#include "engine/node/forwarder.h"

#include "io/base/assert.h"
#include "io/base/probe.h"
#include "io/fiber/loop.h"
#include "io/logger.h"
#include "io/random.h"

#include <algorithm>

namespace verity::node {
namespace {

constexpr std::string_view log_target = "verity_node";
// Longer than a view change takes, shorter than a client's patience.
constexpr Duration answer_patience = 20s;
// Who leads no longer and is alive answers at once what became of the question; who asks and cannot go on waits no longer.
constexpr Duration deposed_patience = 500ms;
constexpr std::uint64_t serving_max = 1024;
// Until there may be room in a queue that was full.
constexpr Duration shortest_pause = 5ms;
constexpr Duration longest_pause = 100ms;

Refusal make_refusal(RefusalCode code, std::string detail) {
  Refusal refusal{.code = code, .detail = std::move(detail)};
  if (code != RefusalCode::outcome_unknown) refusal.retry_after = 1s;
  return refusal;
}

// Asked again it changes nothing: what is lost of it is as if it had never been sent.
bool is_harmless(QuestionKind kind) {
  switch (kind) {
    case QuestionKind::read_point:
    case QuestionKind::leader_read_point:
    case QuestionKind::open_session:
    case QuestionKind::activate_release:
      return true;
    default:
      return false;
  }
}

// Whoever leads now is asked the same and knows what became of it: there is nothing to wait for.
bool can_be_asked_again(QuestionKind kind) {
  return kind == QuestionKind::append || is_harmless(kind);
}

PeerMessage encode_answer(std::uint64_t number, const Outcome<Bytes>& outcome) {
  PeerMessage message{.type = answer_type, .head = {}, .entries = {}};
  put(message.head, number);
  put(message.head, static_cast<std::uint8_t>(outcome.has_value()));
  put_bytes(message.head, outcome ? *outcome : encode(outcome.error()));
  if (message.head.size() <= message_bytes_max) return message;
  return encode_answer(number, std::unexpected(make_refusal(RefusalCode::outcome_unknown,
                                                            "what became of it is larger than a message")));
}

}  // namespace

Forwarder::Forwarder(const io::World& world, PeerTransport& transport, ByteCount small_bytes_max, Serve serve)
    : world_(world),
      transport_(transport),
      small_bytes_max_(small_bytes_max),
      serve_(std::move(serve)),
      last_number_(world.random.next()) {}

Forwarder::~Forwarder() {
  VERITY_ASSERT_NOTE(fibers_.count() == 0 && asked_.empty(), "stop() must have returned");
}

Outcome<Bytes> Forwarder::ask(io::Wait& wait, const consensus::Member& leader, QuestionKind kind,
                              ByteView body) {
  const std::uint64_t number = ++last_number_;
  PeerMessage question{.type = question_type, .head = {}, .entries = {}};
  put(question.head, number);
  put(question.head, static_cast<std::uint8_t>(kind));
  put_bytes(question.head, body);
  if (question.head.size() > message_bytes_max) {
    return std::unexpected(
        Refusal{RefusalCode::limit_exceeded, "the request has " + describe_bytes(body.size()) +
                                                 "; what is passed on to the leader has less than " +
                                                 describe_bytes(message_bytes_max)});
  }
  const PeerLane lane = lane_for(question);
  if (stopping_ || !transport_.send(leader, lane, std::move(question))) {
    return std::unexpected(make_refusal(RefusalCode::not_leader, "node " + leader.id.describe() +
                                                                     " leads and cannot be reached from this "
                                                                     "node; nothing was done"));
  }
  ++forwarded_total_;
  fibers_.add();
  io::Waiter waiter;
  const auto asked =
      asked_.emplace(number, Asked{.whom = leader, .waiter = &waiter, .answer = std::nullopt}).first;
  io::Wait patient = wait.within(answer_patience);
  ignore(io::to_status(waiter.park(patient), "the leader's answer"), "what came is in the question");
  if (asked->second.is_deposed && !asked->second.answer && !stopping_ && !can_be_asked_again(kind)) {
    VERITY_PROBE("forwarding: the last words of a deposed leader are waited for");
    io::Waiter again;
    asked->second.waiter = &again;
    io::Wait brief = patient.within(deposed_patience);
    ignore(io::to_status(again.park(brief), "the last words of the leader"), "what came is in the question");
  }
  std::optional<Outcome<Bytes>> answer = std::move(asked->second.answer);
  asked_.erase(asked);
  fibers_.done();
  if (answer) return std::move(*answer);
  if (is_harmless(kind)) {
    return std::unexpected(
        make_refusal(RefusalCode::not_leader, "node " + leader.id.describe() + " leads and did not answer"));
  }
  return std::unexpected(make_refusal(
      RefusalCode::outcome_unknown,
      "the answer of node " + leader.id.describe() + " did not come; it may have been done or not"));
}

void Forwarder::on_message(const consensus::Member& from, std::uint16_t type, ByteView payload) {
  if (stopping_ && type == answer_type) return;
  type == question_type ? take_question(from, payload) : take_answer(from, payload);
}

void Forwarder::take_question(const consensus::Member& from, ByteView payload) {
  ByteReader reader(payload);
  const auto number = reader.get<std::uint64_t>();
  const auto kind = reader.get<std::uint8_t>();
  if (!number || !kind || *kind >= question_kinds) {
    world_.logger.log(io::LogLevel::warn, log_target, "a question that makes no sense was ignored",
                      {{"from", from.describe()}});
    return;
  }
  if (stopping_) {
    return answer(from, *number,
                  std::unexpected(make_refusal(RefusalCode::not_leader, "the node stops; nothing was done")));
  }
  if (serving_ >= serving_max) {
    VERITY_PROBE("forwarding: the leader answers too many");
    return answer(
        from, *number,
        std::unexpected(make_refusal(RefusalCode::overloaded, "the leader answers too many other nodes")));
  }
  const ByteView body = payload.subspan(sizeof(*number) + sizeof(*kind));
  ++serving_;
  fibers_.add();
  world_.loop.spawn("forwarded", [this, from, number = *number, kind = static_cast<QuestionKind>(*kind),
                                  body = Bytes(body.begin(), body.end())] {
    io::Wait wait(world_.loop, &cancel_);
    io::Wait patient = wait.within(answer_patience);  // nobody waits longer
    answer(from, number, serve_(patient, kind, body));
    --serving_;
    fibers_.done();
  });
}

PeerLane Forwarder::lane_for(const PeerMessage& message) const {
  return message.head.size() > small_bytes_max_ ? PeerLane::bulk : PeerLane::control;
}

void Forwarder::answer(const consensus::Member& to, std::uint64_t number, const Outcome<Bytes>& outcome) {
  PeerMessage message = encode_answer(number, outcome);
  const PeerLane lane = lane_for(message);
  if (transport_.send(to, lane, std::move(message)) || stopping_ || late_answers_ >= serving_max) return;
  ++late_answers_;
  fibers_.add();
  world_.loop.spawn("late answer", [this, to, lane, message = encode_answer(number, outcome)] {
    VERITY_PROBE("forwarding: an answer does not get out at once");
    io::Wait wait(world_.loop, &cancel_);
    send_late(wait.within(answer_patience), to, lane, message);
    --late_answers_;
    fibers_.done();
  });
}

// As long as somebody waits for it; over another connection nobody does.
void Forwarder::send_late(io::Wait wait, const consensus::Member& to, PeerLane lane,
                          const PeerMessage& message) {
  for (Duration pause = shortest_pause; transport_.is_connected(to) && wait.sleep(pause);
       pause = std::min(2 * pause, longest_pause)) {
    if (transport_.send(to, lane, message)) return;
  }
}

void Forwarder::take_answer(const consensus::Member& from, ByteView payload) {
  ByteReader reader(payload);
  const auto number = reader.get<std::uint64_t>();
  const auto is_done = reader.get<std::uint8_t>();
  const auto asked = number ? asked_.find(*number) : asked_.end();
  // Nobody waits for it any more, or it is not for them to say.
  if (!is_done || asked == asked_.end() || asked->second.whom != from || asked->second.waiter == nullptr)
    return;
  const ByteView body = payload.subspan(sizeof(*number) + sizeof(*is_done));
  if (*is_done == 1) {
    asked->second.answer.emplace(Bytes(body.begin(), body.end()));
  } else if (auto refusal = decode_refusal(body)) {
    asked->second.answer.emplace(std::unexpected(std::move(*refusal)));
  } else {
    world_.logger.log(io::LogLevel::warn, log_target, "an answer that makes no sense",
                      {{"from", from.describe()}, {"error", refusal.error().describe()}});
  }
  std::exchange(asked->second.waiter, nullptr)->wake();
}

template <class Condition>
void Forwarder::give_up_if(Condition condition) {
  for (auto& [number, asked] : asked_) {
    if (asked.waiter != nullptr && condition(asked)) std::exchange(asked.waiter, nullptr)->wake();
  }
}

void Forwarder::follow(const std::optional<consensus::Member>& leader) {
  for (auto& [number, asked] : asked_) {
    if (asked.whom == leader || asked.is_deposed || asked.waiter == nullptr) continue;
    asked.is_deposed = true;
    std::exchange(asked.waiter, nullptr)->wake();
  }
}

void Forwarder::reconnected(const consensus::Member& member) {
  give_up_if([&](const Asked& asked) { return asked.whom == member; });
}

void Forwarder::stop(io::Wait& wait) {
  stopping_ = true;
  give_up_if([](const Asked&) { return true; });
  cancel_.cancel();
  ignore(fibers_.wait(wait), "nobody cancels a stop");
}

}  // namespace verity::node
