// Asking the other nodes what time it is, and dating entries by what a majority says.
#include "engine/node/forwarding_codec.h"
#include "engine/node/node_impl.h"

#include "io/clock.h"
#include "io/directory.h"
#include "io/fiber/loop.h"
#include "io/file.h"
#include "io/logger.h"

#include <algorithm>

namespace verity::node {
namespace {

constexpr Duration ask_interval = 1s;
// What took longer says too little.
constexpr Duration round_trip_max = 5s;

// Lost or not: it is asked again.
void send_plain(PeerTransport& transport, const consensus::Member& to, std::uint16_t type, Bytes head) {
  transport.send(to, PeerLane::control, {.type = type, .head = std::move(head), .entries = {}});
}

std::int64_t milliseconds_of(Duration duration) {
  return duration / 1ms;
}

}  // namespace

ClusterClock::Time NodeImpl::read_clock() {
  std::size_t nodes = 1;
  if (replicator_) {
    const consensus::Membership& membership = replicator_->replica().journal().membership();
    // One without a vote is no majority by itself, whoever has one by its log.
    const bool votes = membership.is_voter({options_.node_id, opened_.state->incarnation});
    nodes = votes ? membership.voters.size() : std::max<std::size_t>(membership.voters.size() + 1, 2);
  }
  return clock_.read(world_.clock.monotonic(), world_.clock.realtime(), nodes, log_.last_timestamp());
}

bool NodeImpl::may_date() {
  if (transport_ == nullptr) return true;
  return read_clock().is_known;
}

void NodeImpl::run_clock(io::Wait& wait) {
  const consensus::Member self{options_.node_id, opened_.state->incarnation};
  while (true) {
    for (const consensus::Member& member : replicator_->replica().journal().membership().everyone()) {
      if (member != self)
        send_plain(*transport_, member, clock_question_type, encode(ClockQuestion{world_.clock.monotonic()}));
    }
    note_clock();
    if (!wait.sleep(may_date() ? ask_interval : options_.consensus.heartbeat_interval)) return;
  }
}

// Says once what has changed.
void NodeImpl::note_clock() {
  const ClusterClock::Time time = read_clock();
  metrics_.clock_offset = time.offset;
  metrics_.clock_is_agreed = time.is_agreed;
  if (!time.is_agreed) return;  // no majority shows anything, neither now nor against this clock
  const bool is_off = time.offset != Duration::zero();
  if (std::exchange(clock_is_off_, is_off) == is_off) return;
  if (is_off) {
    world_.logger.log(io::LogLevel::warn, "verity_node",
                      "The clock of this node is not believed: a majority of the nodes shows another time",
                      {{"offset_ms", milliseconds_of(time.offset)}});
  } else {
    world_.logger.log(io::LogLevel::info, "verity_node", "The clock of this node is believed again");
  }
}

void NodeImpl::on_clock_message(const consensus::Member& from, std::uint16_t type, ByteView payload) {
  if (type == clock_question_type) {
    const auto question = decode_clock_question(payload);
    if (question)
      send_plain(*transport_, from, clock_answer_type,
                 encode(ClockAnswer{question->sent, world_.clock.realtime()}));
    return;
  }
  const auto answer = decode_clock_answer(payload);
  const Instant now = world_.clock.monotonic();
  if (!answer || answer->sent > now || now - answer->sent > round_trip_max) return;  // of an earlier process
  clock_.take(from.id, answer->sent, now, answer->shows);
  if (replicator_->leads()) applied_.notify_all();
}

}  // namespace verity::node
