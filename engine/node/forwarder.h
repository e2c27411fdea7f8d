// What only the leader can decide, asked by another node on behalf of its client.
//
//   client ─► node: ask(leader, …) ── question ─► leader: serve ─► its own append, read, …
//                      ▲                                    │
//                      └───────────── answer ───────────────┘
//
// A question is sent once. If its answer is lost, nobody here knows what became of it; who asked under a session may ask again.
#pragma once

#include "engine/node/forwarding_codec.h"
#include "engine/node/peer_transport.h"
#include "io/fiber/sync.h"
#include "io/world.h"

#include <functional>
#include <map>
#include <optional>

namespace verity::node {

class Forwarder {
 public:
  // Carries out a question of another node on a fiber of its own.
  using Serve = std::function<Outcome<Bytes>(io::Wait&, QuestionKind, ByteView)>;

  // `world` and `transport` outlive it.
  // What is larger than `small_bytes_max` travels where it keeps no heartbeat waiting.
  Forwarder(const io::World& world, PeerTransport& transport, ByteCount small_bytes_max, Serve serve);
  ~Forwarder();

  // Suspends until `leader` has answered. not_leader: the question did not get out, or its answer did not come in and it can be
  // asked again without harm. outcome_unknown: the answer did not come in.
  Outcome<Bytes> ask(io::Wait& wait, const consensus::Member& leader, QuestionKind kind, ByteView body);

  // question_type or answer_type.
  void on_message(const consensus::Member& from, std::uint16_t type, ByteView payload);
  // This node leads now: the others answer soon or not at all. None: all of them; whoever asks here cannot go on.
  void follow(const std::optional<consensus::Member>& leader);
  // There is a new connection with `member`: what it had to answer over the old one is lost.
  void reconnected(const consensus::Member& member);

  // Nobody waits, and no question is carried out, when it returns.
  void stop(io::Wait& wait);

  std::uint64_t forwarded_total() const { return forwarded_total_; }

 private:
  struct Asked {
    consensus::Member whom;
    io::Waiter* waiter;
    bool is_deposed = false;  // whom it asked leads no longer, or it does not matter any more
    std::optional<Outcome<Bytes>> answer;
  };

  PeerLane lane_for(const PeerMessage& message) const;
  void take_question(const consensus::Member& from, ByteView payload);
  void take_answer(const consensus::Member& from, ByteView payload);
  void answer(const consensus::Member& to, std::uint64_t number, const Outcome<Bytes>& outcome);
  void send_late(io::Wait wait, const consensus::Member& to, PeerLane lane, const PeerMessage& message);
  template <class Condition>
  void give_up_if(Condition condition);

  const io::World world_;
  PeerTransport& transport_;
  const ByteCount small_bytes_max_;
  const Serve serve_;
  std::map<std::uint64_t, Asked> asked_;
  std::uint64_t last_number_;  // begins anywhere: an answer to a process that is gone must not fit
  std::uint64_t forwarded_total_ = 0;
  std::uint64_t serving_ = 0;
  std::uint64_t late_answers_ = 0;  // that have not got out yet
  bool stopping_ = false;
  io::CancelSource cancel_;
  io::WaitGroup fibers_;  // those of questions and answers, and whoever asks
};

}  // namespace verity::node
