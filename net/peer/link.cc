#include "net/peer/link.h"

#include "io/base/assert.h"
#include "io/clock.h"
#include "io/fiber/loop.h"

#include <utility>

namespace verity::peer {

namespace {

constexpr std::size_t batch_bytes = 64 * KiB;
// From here on a part is written from where it lies instead of being copied into the batch.
constexpr std::size_t direct_bytes = 16 * KiB;

}  // namespace

bool SendQueue::push(Message message, const LaneLimits& limits) {
  const ByteCount size = message.payload.size_bytes();
  if (!messages_.empty() &&
      (messages_.size() >= limits.queue_frames_max || bytes_ + size > limits.queue_bytes_max)) {
    return false;
  }
  bytes_ += size;
  messages_.push_back(std::move(message));
  return true;
}

std::optional<Message> SendQueue::pop() {
  if (messages_.empty()) return std::nullopt;
  Message message = std::move(messages_.front());
  messages_.pop_front();
  bytes_ -= message.payload.size_bytes();
  return message;
}

std::size_t SendQueue::clear() {
  const std::size_t count = messages_.size();
  messages_.clear();
  bytes_ = 0;
  return count;
}

Link::Link(const io::World& world, const PeerOptions& options, LinkOwner& owner, Wire& wire, SendQueue& queue,
           LaneCounters& counters, Greeting greeting, bool dialled)
    : world_(world),
      options_(options),
      owner_(owner),
      wire_(wire),
      queue_(queue),
      counters_(counters),
      ours_(std::move(greeting.ours)),
      theirs_(std::move(greeting.theirs)),
      first_(greeting.first),
      dialled_(dialled),
      begun_(world.clock.monotonic()),
      ping_at_(begun_) {}

void Link::cut(Error reason) {
  if (!reason_) reason_ = std::move(reason);
  cut_.cancel();
}

void Link::retire(bool finish) {
  if (!retired_until_) retired_until_ = world_.clock.monotonic() + options_.silence_timeout;
  finishing_ = finishing_ || finish;
  notify();
}

Error Link::run() {
  world_.loop.spawn("peer writer", [this] { write_all(); });
  io::Wait wait(world_.loop, &cut_);
  cut(read_all(wait));
  io::Wait unconditional(world_.loop);
  while (!writer_done_) ignore(writer_ended_.wait(unconditional), "without deadline it cannot fail");
  return *reason_;
}

// ---- reading

Error Link::read_all(io::Wait& wait) {
  if (first_) {
    if (auto taken = take(*std::exchange(first_, std::nullopt)); !taken) return std::move(taken).error();
  }
  while (true) {
    auto frame = wire_.read(wait, options_.silence_timeout);
    if (!frame) return std::move(frame).error();
    if (!*frame) {
      let_writer_finish(wait);
      return {ErrorCode::closed, "the other side closed the connection"};
    }
    if (wait.is_cancelled() || (retired_until_ && wait.now() >= *retired_until_))
      return {ErrorCode::cancelled, "another connection took its place"};
    if (farewell_) continue;
    if (auto taken = take(**frame); !taken) return std::move(taken).error();
  }
}

void Link::let_writer_finish(io::Wait& wait) {
  if (!retired_until_) return;
  retire(true);
  io::Wait patient = wait.until(*retired_until_);
  while (!writer_done_) {
    if (!writer_ended_.wait(patient)) return;
  }
}

Status Link::take(const frame::Frame& frame) {
  if (frame.head.lane != static_cast<std::uint8_t>(lane())) {
    return fail(ErrorCode::corrupt, "a frame for lane " + std::to_string(frame.head.lane) + " on the " +
                                        std::string(describe(lane())) + " lane");
  }
  if (frame.head.type < message_type_min) return take_own(frame);
  ++counters_.messages_in;
  owner_.on_message(*this, frame.head.type, frame.payload);
  return {};
}

Status Link::take_own(const frame::Frame& frame) {
  switch (static_cast<FrameType>(frame.head.type)) {
    case FrameType::ping:
    case FrameType::pong: {
      const auto time = ByteReader(frame.payload).get<std::int64_t>();
      if (!time) return fail(ErrorCode::corrupt, "a keep-alive without its time");
      if (frame.head.type == static_cast<std::uint16_t>(FrameType::ping)) {
        pong_due_ = *time;  // of several only the last is answered
        notify();
      } else if (const Instant now = world_.clock.monotonic(); *time >= begun_.ns && *time <= now.ns) {
        owner_.on_round_trip(*this, now - Instant{*time});
      }
      return {};
    }
    case FrameType::hello: {
      VERITY_TRY_ASSIGN(HelloFrame theirs, decode_hello(frame.payload));
      theirs.number_from = theirs_.number_from;
      farewell_ = owner_.on_new_hello(*this, theirs);
      if (!farewell_) theirs_ = std::move(theirs);
      notify();
      return {};
    }
    case FrameType::refused: {
      VERITY_TRY_ASSIGN(const Refusal refusal, decode_refusal(frame.payload));
      owner_.on_refused(*this, refusal);
      return fail(ErrorCode::refused, "refused by the other side: " + printable(refusal.sentence));
    }
    case FrameType::welcome:
      break;
  }
  return fail(ErrorCode::corrupt, "frame type " + std::to_string(frame.head.type) + " does not belong here");
}

// ---- writing

void Link::write_all() {
  io::Wait wait(world_.loop, &cut_);
  while (!wait.is_cancelled() && !finishing_) {
    if (auto written = write_batch(wait); !written) cut(std::move(written).error());
  }
  if (finishing_) ignore(wire_.finish(wait), "then the reader learns what is wrong with the connection");
  writer_done_ = true;
  writer_ended_.notify_all();
}

// Writes what there is, or waits until there is something.
Status Link::write_batch(io::Wait& wait) {
  Bytes& batch = batch_;
  batch.clear();
  put_own_frames(batch, wait.now());
  if (farewell_) {
    put_frame(batch, FrameType::refused, encode_refusal(*farewell_));
    VERITY_TRY(flush(wait, batch));
    return fail(ErrorCode::refused, "refused: " + farewell_->sentence);
  }
  std::uint64_t message_count = 0;
  while (batch.size() < batch_bytes && !retired_until_) {
    const std::optional<Message> message = queue_.pop();
    if (!message) break;
    VERITY_TRY(put_message(wait, batch, *message));
    ++message_count;
  }
  if (!batch.empty()) VERITY_TRY(flush(wait, batch));
  counters_.messages_out += message_count;
  const bool has_more = queue_.size() > 0 && !retired_until_;
  if (message_count > 0 || has_more || pong_due_ || farewell_ || finishing_) return {};
  io::Wait until_ping = wait.until(ping_at_);
  ignore(work_.wait(until_ping), "cut is looked at by the caller, and a deadline means a ping");
  return {};
}

void Link::put_own_frames(Bytes& batch, Instant now) {
  if (pong_due_) {
    const std::int64_t time = *std::exchange(pong_due_, std::nullopt);
    put_frame(batch, FrameType::pong, std::as_bytes(std::span(&time, 1)));
  }
  if (now < ping_at_) return;
  ping_at_ = now + options_.keep_alive_interval;
  if (Hello hello = owner_.our_hello(); hello != ours_.hello) {
    ours_.hello = std::move(hello);
    put_frame(batch, FrameType::hello, encode_hello(ours_));
  }
  put_frame(batch, FrameType::ping, std::as_bytes(std::span(&now.ns, 1)));
}

void Link::put_frame(Bytes& batch, FrameType type, ByteView payload) {
  frame::append_frame(batch, wire_.next_head(lane(), static_cast<std::uint16_t>(type)), payload);
}

Status Link::put_message(io::Wait& wait, Bytes& batch, const Message& message) {
  std::vector<ByteView> parts;
  parts.reserve(message.payload.parts.size() + 1);
  parts.push_back(message.payload.head);
  for (const SharedBytes& part : message.payload.parts) parts.push_back(part.bytes);
  put_bytes(batch, frame::encode_header(wire_.next_head(lane(), message.type), parts));
  for (const ByteView part : parts) {
    if (part.size() < direct_bytes) {
      put_bytes(batch, part);
    } else {
      VERITY_TRY(flush(wait, batch));
      VERITY_TRY(wire_.write(wait, part, options_.silence_timeout));
    }
  }
  return {};
}

Status Link::flush(io::Wait& wait, Bytes& batch) {
  VERITY_TRY(wire_.write(wait, batch, options_.silence_timeout));
  batch.clear();
  return {};
}

}  // namespace verity::peer
