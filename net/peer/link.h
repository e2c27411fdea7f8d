// One connection between two nodes after its handshake: messages out of a queue and into the owner's hands,
// keep-alives both ways, and an end with a reason.
//
//   fiber of run():   socket ─► frames ─► owner
//   fiber "writer":   ping, pong, hello, queue ─► batch ─► socket
#pragma once

#include "io/fiber/sync.h"
#include "io/fiber/wait.h"
#include "io/world.h"
#include "net/peer/handshake.h"
#include "net/peer/peers.h"
#include "net/peer/wire.h"

#include <cstdint>
#include <deque>
#include <optional>
#include <string>

namespace verity::peer {

struct Message {
  std::uint16_t type = 0;
  Payload payload;
};

// What waits to be sent to one node on one lane. Outlives its connections.
class SendQueue {
 public:
  // False, and nothing happens, when it would pass a limit. A message larger than the whole queue fits an empty one.
  bool push(Message message, const LaneLimits& limits);
  std::optional<Message> pop();
  // How many were thrown away.
  std::size_t clear();

  std::size_t size() const { return messages_.size(); }

 private:
  std::deque<Message> messages_;
  ByteCount bytes_ = 0;
};

class Link;

class LinkOwner {
 public:
  virtual ~LinkOwner() = default;

  virtual Hello our_hello() const = 0;
  // None of these suspends. The link may be cut inside.
  virtual void on_message(Link& link, std::uint16_t type, ByteView payload) = 0;
  virtual void on_round_trip(Link& link, Duration time) = 0;
  // The other side says something new of itself; a refusal ends the link.
  virtual std::optional<Refusal> on_new_hello(Link& link, const HelloFrame& theirs) = 0;
  virtual void on_refused(Link& link, const Refusal& refusal) = 0;
};

class Link {
 public:
  // All references outlive the link.
  Link(const io::World& world, const PeerOptions& options, LinkOwner& owner, Wire& wire, SendQueue& queue,
       LaneCounters& counters, Greeting greeting, bool dialled);
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;

  // Returns when the connection has ended or was cut, with the reason.
  Error run();
  // The first reason counts. Callable at any time.
  void cut(Error reason);
  // Another connection to the same process took its place: takes nothing from the queue any more. The other side, if
  // it does not know the other connection yet, may go on for a while. `finish`: it knows, so this side ends first. What
  // is under way arrives either way.
  void retire(bool finish);
  // There is something in the queue.
  void notify() { work_.notify_all(); }

  Lane lane() const { return ours_.lane; }
  const Hello& peer() const { return theirs_.hello; }
  const PeerIdentity& identity() const { return theirs_.hello.identity; }
  bool is_dialled() const { return dialled_; }
  bool dialled_by_lower() const { return dialled_ == (ours_.hello.identity.id < theirs_.hello.identity.id); }
  const io::Address& address() const { return wire_.peer(); }
  Instant heard() const { return wire_.heard(); }

 private:
  void write_all();
  Status write_batch(io::Wait& wait);
  void put_own_frames(Bytes& batch, Instant now);
  void put_frame(Bytes& batch, FrameType type, ByteView payload);
  Status put_message(io::Wait& wait, Bytes& batch, const Message& message);
  Status flush(io::Wait& wait, Bytes& batch);

  Error read_all(io::Wait& wait);
  // The other side has ended: a link that was retired finishes what it is writing.
  void let_writer_finish(io::Wait& wait);
  Status take(const frame::Frame& frame);
  Status take_own(const frame::Frame& frame);

  const io::World& world_;
  const PeerOptions& options_;
  LinkOwner& owner_;
  Wire& wire_;
  SendQueue& queue_;
  LaneCounters& counters_;
  HelloFrame ours_;  // as told last
  HelloFrame theirs_;
  std::optional<frame::Frame> first_;
  const bool dialled_;
  const Instant begun_;

  io::CancelSource cut_;
  std::optional<Error> reason_;
  io::Signal work_;
  bool writer_done_ = false;
  io::Signal writer_ended_;

  Bytes batch_;                           // of the writer: its memory is used again
  Instant ping_at_;                       // when the next is due
  std::optional<std::int64_t> pong_due_;  // what the last ping of the other side said
  std::optional<Refusal> farewell_;       // to be sent as the last frame
  std::optional<Instant> retired_until_;  // retired; cut at the latest then
  bool finishing_ = false;                // the writer ends after what it is writing
};

}  // namespace verity::peer
