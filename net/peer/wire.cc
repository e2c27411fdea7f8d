#include "net/peer/wire.h"

#include <array>

namespace verity::peer {

namespace {

constexpr ByteCount handshake_payload_bytes_max = 4 * KiB;

std::string seconds(Duration duration) {
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(duration).count();
  return ms % 1000 == 0 ? std::to_string(ms / 1000) + " s" : std::to_string(ms) + " ms";
}

}  // namespace

Wire::Wire(std::unique_ptr<io::Socket> socket, LaneCounters& counters, Instant now)
    : socket_(std::move(socket)), counters_(&counters), decoder_(handshake_payload_bytes_max), heard_(now) {}

Result<std::optional<frame::Frame>> Wire::read(io::Wait& wait, Duration silence) {
  while (true) {
    VERITY_TRY_ASSIGN(const std::optional<frame::Frame> frame, decoder_.next());
    if (frame) return frame;
    io::Wait patient = wait.until(heard_ + silence);
    const auto count = socket_->read(patient, decoder_.room());
    if (!count) {
      if (count.error().code != ErrorCode::timed_out) return std::unexpected(count.error());
      return fail(ErrorCode::timed_out, "timeout: nothing heard for " + seconds(patient.now() - heard_));
    }
    if (*count == 0) {
      VERITY_TRY(decoder_.check_end());
      return std::optional<frame::Frame>();
    }
    heard_ = patient.now();
    counters_->bytes_in += *count;
    decoder_.added(*count);
  }
}

Status Wire::write(io::Wait& wait, ByteView bytes, Duration patience) {
  while (!bytes.empty()) {
    io::Wait patient = wait.within(patience);
    const auto count = socket_->write(patient, bytes);
    if (!count) {
      if (count.error().code != ErrorCode::timed_out) return std::unexpected(count.error());
      return fail(ErrorCode::timed_out, "timeout: nothing could be sent for " + seconds(patience));
    }
    counters_->bytes_out += *count;
    bytes = bytes.subspan(*count);
  }
  return {};
}

Status Wire::write(io::Wait& wait, Lane lane, FrameType type, ByteView payload) {
  Bytes bytes;
  frame::append_frame(bytes, next_head(lane, static_cast<std::uint16_t>(type)), payload);
  return write(wait, bytes, 24h);  // the deadline of `wait` is the shorter one
}

frame::Head Wire::next_head(Lane lane, std::uint16_t type) {
  return {static_cast<std::uint8_t>(lane), type, sequence_++};
}

void Wire::greeted(std::uint64_t read_from, std::uint64_t write_from, ByteCount payload_bytes_max) {
  decoder_.expect_sequence(read_from);
  decoder_.set_payload_bytes_max(payload_bytes_max);
  sequence_ = write_from;
}

void Wire::linger(io::Wait& wait) {
  if (!socket_->shutdown_write(wait)) return;
  std::array<std::byte, 1024> ignored;
  while (true) {
    const auto count = socket_->read(wait, ignored);
    if (!count || *count == 0) return;
  }
}

}  // namespace verity::peer
