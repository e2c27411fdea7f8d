// Frames over one socket: numbering both ways, counting, deadlines. One fiber reads and one writes.
#pragma once

#include "io/fiber/wait.h"
#include "io/network.h"
#include "net/frame/frame.h"
#include "net/peer/hello.h"
#include "net/peer/peers.h"

#include <memory>
#include <optional>

namespace verity::peer {

enum class FrameType : std::uint16_t { hello = 1, welcome, refused, ping, pong };

class Wire {
 public:
  // `counters` outlives the wire. Until greeted() only frames of the handshake's size are taken.
  Wire(std::unique_ptr<io::Socket> socket, LaneCounters& counters, Instant now);

  // The next frame, waiting for it as long as `wait` allows, `silence` at most between two bytes; nothing when the
  // other side has closed between two frames.
  Result<std::optional<frame::Frame>> read(io::Wait& wait, Duration silence);
  // All of `bytes`, made of frames by head(); a part of it within each `patience`.
  Status write(io::Wait& wait, ByteView bytes, Duration patience);
  // One frame of the handshake or the link.
  Status write(io::Wait& wait, Lane lane, FrameType type, ByteView payload);

  // The head of the next frame to be written.
  frame::Head next_head(Lane lane, std::uint16_t type);

  // The handshake is done: numbers go on as the two sides agreed, and frames may be large.
  void greeted(std::uint64_t read_from, std::uint64_t write_from, ByteCount payload_bytes_max);
  // Sends no more: the other side reads the end after what was written.
  Status finish(io::Wait& wait) { return socket_->shutdown_write(wait); }
  // Sends no more and waits for the other side to close, so that it reads what was written last.
  void linger(io::Wait& wait);

  const io::Address& peer() const { return socket_->peer(); }
  Instant heard() const { return heard_; }
  void count_on(LaneCounters& counters) { counters_ = &counters; }

 private:
  const std::unique_ptr<io::Socket> socket_;
  LaneCounters* counters_;
  frame::Decoder decoder_;
  std::uint64_t sequence_ = 0;  // of the next frame to be written
  Instant heard_;
};

}  // namespace verity::peer
