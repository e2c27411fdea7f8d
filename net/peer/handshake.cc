#include "net/peer/handshake.h"

namespace verity::peer {

namespace {

constexpr Duration no_limit = 24h;  // the deadline of the wait is the shorter one

Error describe_failure(Error error, std::string_view waiting_for) {
  if (error.code != ErrorCode::timed_out) return error;
  return {ErrorCode::timed_out, "timeout: no " + std::string(waiting_for) + " came in time"};
}

// A frame of the handshake, whoever sent it.
Result<frame::Frame> expect_frame(io::Wait& wait, Wire& wire, std::string_view waiting_for) {
  auto frame = wire.read(wait, no_limit);
  if (!frame) return std::unexpected(describe_failure(std::move(frame).error(), waiting_for));
  if (!*frame)
    return fail(ErrorCode::closed, "the other side hung up before its " + std::string(waiting_for));
  return **frame;
}

FrameType type_of(const frame::Frame& frame) {
  return static_cast<FrameType>(frame.head.type);
}

Error unexpected_frame(const frame::Frame& frame, std::string_view waiting_for) {
  return {ErrorCode::corrupt, "frame type " + std::to_string(frame.head.type) + " on lane " +
                                  std::to_string(frame.head.lane) + " instead of the " +
                                  std::string(waiting_for)};
}

HandshakeOutcome refuse(io::Wait& wait, Wire& wire, Lane lane, Refusal refusal,
                        std::optional<HelloFrame> theirs) {
  if (wire.write(wait, lane, FrameType::refused, encode_refusal(refusal))) wire.linger(wait);
  return RefusedByUs{std::move(refusal), std::move(theirs)};
}

HandshakeOutcome read_refusal(const frame::Frame& frame) {
  auto refusal = decode_refusal(frame.payload);
  if (!refusal) return std::move(refusal).error();
  return RefusedByThem{std::move(*refusal)};
}

HandshakeOutcome malformed(io::Wait& wait, Wire& wire, const HelloFrame& ours, std::string sentence) {
  return refuse(wait, wire, ours.lane, {RefusalCode::malformed, ours.hello.identity.id, std::move(sentence)},
                std::nullopt);
}

}  // namespace

HandshakeOutcome greet_as_dialler(io::Wait& wait, Wire& wire, HelloFrame ours, ByteCount payload_bytes_max,
                                  const Judge& judge) {
  if (auto sent = wire.write(wait, ours.lane, FrameType::hello, encode_hello(ours)); !sent)
    return describe_failure(std::move(sent).error(), "room for a hello");
  constexpr std::string_view waiting_for = "answer to our hello";
  auto frame = expect_frame(wait, wire, waiting_for);
  if (!frame) return std::move(frame).error();
  if (type_of(*frame) == FrameType::refused) return read_refusal(*frame);
  if (type_of(*frame) != FrameType::welcome) return unexpected_frame(*frame, waiting_for);

  auto theirs = decode_hello(frame->payload);
  if (!theirs) return malformed(wait, wire, ours, theirs.error().message);
  if (theirs->lane != ours.lane || frame->head.lane != static_cast<std::uint8_t>(ours.lane))
    return malformed(wait, wire, ours, "a welcome names another lane than the hello");
  wire.greeted(ours.number_from, theirs->number_from, payload_bytes_max);
  if (auto refusal = judge(*theirs))
    return refuse(wait, wire, ours.lane, std::move(*refusal), std::move(*theirs));
  return Greeting{std::move(ours), std::move(*theirs), std::nullopt};
}

HandshakeOutcome greet_as_listener(io::Wait& wait, Wire& wire, HelloFrame ours, ByteCount payload_bytes_max,
                                   const Judge& judge) {
  auto frame = expect_frame(wait, wire, "hello");
  if (!frame) return std::move(frame).error();
  if (type_of(*frame) != FrameType::hello) return unexpected_frame(*frame, "hello");
  auto theirs = decode_hello(frame->payload);
  if (!theirs) return malformed(wait, wire, ours, theirs.error().message);
  ours.lane = theirs->lane;
  if (frame->head.lane != static_cast<std::uint8_t>(ours.lane))
    return malformed(wait, wire, ours, "a hello names another lane than its frame");
  if (auto refusal = judge(*theirs))
    return refuse(wait, wire, ours.lane, std::move(*refusal), std::move(*theirs));

  if (auto sent = wire.write(wait, ours.lane, FrameType::welcome, encode_hello(ours)); !sent)
    return describe_failure(std::move(sent).error(), "room for a welcome");
  wire.greeted(ours.number_from, theirs->number_from, payload_bytes_max);
  auto first = expect_frame(wait, wire, "frame after our welcome");
  if (!first) return std::move(first).error();
  if (type_of(*first) == FrameType::refused) return read_refusal(*first);
  // Things may have changed while we waited. A second connection is no reason to refuse any more: the dialler uses
  // this one until it has seen the other.
  if (auto refusal = judge(*theirs); refusal && refusal->code != RefusalCode::duplicate)
    return refuse(wait, wire, ours.lane, std::move(*refusal), std::move(*theirs));
  return Greeting{std::move(ours), std::move(*theirs), *first};
}

}  // namespace verity::peer
