#include "net/client/client.h"

#include "engine/node/forwarding_codec.h"
#include "io/base/assert.h"
#include "io/clock.h"
#include "io/fiber/loop.h"
#include "io/logger.h"
#include "io/random.h"

#include <algorithm>
#include <memory>

namespace verity::client {
namespace {

using native::Type;
using node::Refusal;
using node::RefusalCode;

constexpr std::size_t batch_bytes = 256 * KiB;
// Between two moves to what is said to be a better node.
constexpr Duration move_pause = 100ms;
constexpr Duration avoid_time = 1s;

node::Outcome<node::AppendReceipt> to_receipt(node::Outcome<Bytes> answer) {
  if (!answer) return std::unexpected(std::move(answer.error()));
  auto receipt = node::decode_receipt(*answer);
  VERITY_ASSERT_NOTE(receipt.has_value(), "it was decoded before");
  return *std::move(receipt);
}

node::Outcome<node::EventPage> to_page(node::Outcome<Bytes> answer) {
  if (!answer) return std::unexpected(std::move(answer.error()));
  const auto bytes = std::make_shared<const Bytes>(*std::move(answer));
  auto page = native::decode_page(*bytes);
  if (!page)
    return std::unexpected(Refusal{RefusalCode::damaged, "the node's answer: " + page.error().message});
  page->storage.push_back(bytes);
  return *std::move(page);
}

}  // namespace

Client::Client(const io::World& world, ClientOptions options)
    : world_(world),
      options_(std::move(options)),
      pending_(options_.pending, world.random.next()),
      places_(options_.nodes.size()),
      last_place_(world.random.next() % options_.nodes.size()) {
  VERITY_ASSERT(!options_.nodes.empty());
}

Client::~Client() {
  VERITY_ASSERT_NOTE(fibers_.count() == 0 && pending_.count() == 0, "stop() must have returned");
}

void Client::spawn(std::string_view name, void (Client::*body)(io::Wait&)) {
  fibers_.add();
  world_.loop.spawn(name, [this, body] {
    io::Wait wait(world_.loop, &cancel_);
    (this->*body)(wait);
    fibers_.done();
  });
}

void Client::start() {
  spawn("client", &Client::run);
  spawn("client timer", &Client::run_timer);
}

void Client::stop(io::Wait& wait) {
  stopping_ = true;
  cancel_.cancel();
  if (cut_ != nullptr) cut_->cancel();
  ignore(fibers_.wait(wait), "nobody cancels a stop");
  pending_.give_up_all("the client was stopped");
  room_.notify_all();
}

// ---- what applications call

bool Client::has_room() const {
  return pending_.count() < options_.requests_max && pending_.bytes() < options_.bytes_max;
}

Status Client::until_room(io::Wait& wait) {
  while (!has_room() && !stopping_) VERITY_TRY(room_.wait(wait));
  return {};
}

std::uint64_t Client::submit(const node::AppendRequest& request, Done done) {
  const Instant deadline = world_.clock.monotonic() + options_.request_timeout;
  const std::uint64_t tag = pending_.add_append(
      request, deadline, [this, done = std::move(done)](node::Outcome<Bytes> answer) mutable {
        done(to_receipt(std::move(answer)));
        room_.notify_all();
      });
  submitted(deadline);
  return tag;
}

void Client::submitted(Instant deadline) {
  work_.notify_all();
  if (pending_.expires_at() <= deadline) timer_work_.notify_all();
}

node::Outcome<node::AppendReceipt> Client::append(io::Wait& wait, const node::AppendRequest& request) {
  io::Waiter waiter;
  std::optional<node::Outcome<node::AppendReceipt>> outcome;
  if (!until_room(wait) || stopping_)
    return std::unexpected(Refusal{RefusalCode::cancelled, "given up before it was sent; nothing was done"});
  const std::uint64_t tag = submit(request, [&](node::Outcome<node::AppendReceipt> got) {
    outcome = std::move(got);
    waiter.wake();
  });
  if (waiter.park(wait) != io::Wake::ready) pending_.give_up(tag, "the wait was given up");
  return *std::move(outcome);
}

void Client::submit_read(const node::ReadRequest& request, Duration patience,
                         std::move_only_function<void(node::Outcome<node::EventPage>)> done) {
  native::Read read{request, patience};
  read.request.at_least = std::max(read.request.at_least, pending_.seen());
  const Instant deadline = world_.clock.monotonic() + options_.request_timeout + patience;
  pending_.add_read(read, deadline, [this, done = std::move(done)](node::Outcome<Bytes> answer) mutable {
    auto page = to_page(std::move(answer));
    // Neither does a later one go back, at whatever node.
    if (page) pending_.saw(page->head);
    done(std::move(page));
    room_.notify_all();
  });
  submitted(deadline);
}

node::Outcome<node::EventPage> Client::read(io::Wait& wait, const node::ReadRequest& request,
                                            Duration patience) {
  struct Answer {
    io::Waiter waiter;
    std::optional<node::Outcome<node::EventPage>> outcome;
  };
  // Shared: a read that is given up is answered all the same.
  const auto answer = std::make_shared<Answer>();
  submit_read(request, patience, [answer](node::Outcome<node::EventPage> got) {
    answer->outcome = std::move(got);
    answer->waiter.wake();
  });
  if (answer->waiter.park(wait) != io::Wake::ready || !answer->outcome)
    return std::unexpected(Refusal{RefusalCode::cancelled, "the wait was given up"});
  return *std::move(answer->outcome);
}

// ---- where to be

std::optional<std::size_t> Client::better_place(Instant now) const {
  if (leader_.node.value == 0 || leader_.node == node_) return std::nullopt;
  std::optional<std::size_t> unknown;
  for (std::size_t i = 0; i < places_.size(); ++i) {
    if (places_[i].avoid_until > now) continue;
    if (places_[i].node == leader_.node || options_.nodes[i].describe() == leader_.address) return i;
    if (places_[i].node.value == 0) unknown = i;
  }
  return unknown;
}

std::size_t Client::choose(Instant now) {
  if (const auto place = better_place(now)) return *place;
  for (std::size_t i = 1; i <= places_.size(); ++i) {
    const std::size_t place = (last_place_ + i) % places_.size();
    if (places_[place].avoid_until <= now) return place;
  }
  return (last_place_ + 1) % places_.size();
}

void Client::follow(const native::Leader& leader) {
  leader_ = leader;
  const Instant now = world_.clock.monotonic();
  if (!better_place(now) || now - moved_at_ < move_pause) return;
  moved_at_ = now;
  if (cut_ != nullptr) cut_->cancel();
}

// ---- the connection

void Client::run(io::Wait& wait) {
  while (!stopping_) {
    const std::size_t place = choose(wait.now());
    last_place_ = place;
    const Status served = serve(wait, place);
    node_ = NodeId{};
    socket_.reset();
    pending_.disconnected();
    if (stopping_) return;
    if (served) continue;  // there is a better place
    if (served.error().code == ErrorCode::crashed) return;
    places_[place].avoid_until = wait.now() + avoid_time;
    world_.logger.log(io::LogLevel::debug, "verity_client", "Connection lost",
                      {{"node", options_.nodes[place].describe()}, {"error", served.error().describe()}});
    const bool everywhere_failed =
        std::ranges::all_of(places_, [&](const Place& one) { return one.avoid_until > wait.now(); });
    if (everywhere_failed) ignore(wait.sleep(options_.reconnect_delay), "the loop looks");
  }
}

Status Client::write(io::Wait& wait, ByteView bytes) {
  while (!bytes.empty()) {
    io::Wait patient = wait.within(options_.silence_timeout);
    VERITY_TRY_ASSIGN(const std::size_t count, socket_->write(patient, bytes));
    bytes = bytes.subspan(count);
  }
  return {};
}

Result<std::optional<frame::Frame>> Client::read_frame(io::Wait& wait, frame::Decoder& decoder) {
  while (true) {
    VERITY_TRY_ASSIGN(const auto frame, decoder.next());
    if (frame) return frame;
    io::Wait patient = wait.within(options_.silence_timeout);
    VERITY_TRY_ASSIGN(const std::size_t count, socket_->read(patient, decoder.room()));
    if (count == 0) return std::optional<frame::Frame>();
    decoder.added(count);
  }
}

Result<native::Welcome> Client::greet(io::Wait& wait, frame::Decoder& decoder) {
  Bytes hello;
  frame::append_frame(hello, {.type = static_cast<std::uint16_t>(Type::hello), .sequence = sequence_++},
                      native::encode(native::Hello{.name = options_.name}));
  VERITY_TRY(write(wait, hello));
  VERITY_TRY_ASSIGN(const auto frame, read_frame(wait, decoder));
  if (!frame) return fail(ErrorCode::closed, "the node closed the connection");
  if (frame->head.type == static_cast<std::uint16_t>(Type::welcome))
    return native::decode_welcome(frame->payload);
  VERITY_TRY(take(*frame));
  return fail(ErrorCode::corrupt, "no welcome");
}

// Until the connection is lost (the error), or another place is better.
Status Client::serve(io::Wait& wait, std::size_t place) {
  io::CancelSource cut;
  sequence_ = 0;
  {
    io::Wait patient = wait.within(options_.connect_timeout);
    VERITY_TRY_ASSIGN(socket_, world_.network.connect(patient, options_.nodes[place]));
  }
  frame::Decoder decoder;
  VERITY_TRY_ASSIGN(const native::Welcome welcome, greet(wait, decoder));
  ++connections_;
  node_ = places_[place].node = welcome.node;
  places_[place].avoid_until = Instant{};
  pending_.connected(welcome);
  io::Wait connected(world_.loop, &cut);
  cut_ = &cut;
  ask_leader_at_ = wait.now() + options_.keep_alive_interval;
  writing_ = true;
  spawn("client writer", &Client::run_writer);
  follow(welcome.leader);
  Status served;
  while (!cut.is_cancelled()) {
    const auto frame = read_frame(connected, decoder);
    if (cut.is_cancelled()) break;
    if (frame && *frame) {
      served = take(**frame);
    } else {
      served = frame ? fail(ErrorCode::closed, "the node closed the connection")
                     : Status(std::unexpected(frame.error()));
    }
    if (!served) break;
    work_.notify_all();
  }
  cut.cancel();
  io::Wait unconditional(world_.loop);
  while (writing_) ignore(writer_ended_.wait(unconditional), "without deadline it cannot fail");
  cut_ = nullptr;
  return served;
}

Status Client::take(const frame::Frame& frame) {
  const auto type = static_cast<Type>(frame.head.type);
  const auto tag = ByteReader(frame.payload).get<std::uint64_t>();
  if (type == Type::refusal && tag == std::uint64_t{0}) {
    VERITY_TRY_ASSIGN(const Refusal refusal, node::decode_refusal(frame.payload.subspan(native::tag_bytes)));
    return fail(ErrorCode::refused, refusal.describe());
  }
  if (type == Type::leader && tag) {
    VERITY_TRY_ASSIGN(const native::Leader leader,
                      native::decode_leader(frame.payload.subspan(native::tag_bytes)));
    follow(leader);
    return {};
  }
  VERITY_TRY_ASSIGN(const Pending::Advice advice,
                    pending_.answered(type, frame.payload, world_.clock.monotonic()));
  if (advice == Pending::Advice::move_on && places_.size() > 1)
    return fail(ErrorCode::refused, "the node cannot do it");
  return {};
}

void Client::run_writer(io::Wait& /*of the client*/) {
  io::Wait wait(world_.loop, cut_);
  Bytes batch;
  while (!wait.is_cancelled()) {
    batch.clear();
    const Instant now = wait.now();
    if (now >= ask_leader_at_) {
      ask_leader_at_ = now + options_.keep_alive_interval;
      constexpr std::uint64_t no_request = UINT64_MAX;
      frame::append_frame(batch,
                          {.type = static_cast<std::uint16_t>(Type::who_leads), .sequence = sequence_++},
                          std::as_bytes(std::span(&no_request, 1)));
    }
    while (batch.size() < batch_bytes) {
      const auto out = pending_.next(now);
      if (!out) break;
      frame::append_frame(batch, {.type = static_cast<std::uint16_t>(out->type), .sequence = sequence_++},
                          out->payload);
    }
    if (batch.empty()) {
      io::Wait until = wait.until(std::min(ask_leader_at_, pending_.sends_at()));
      ignore(work_.wait(until), "the loop looks at what there is to do");
    } else if (!write(wait, batch)) {
      break;  // the reader learns what is wrong
    }
  }
  writing_ = false;
  writer_ended_.notify_all();
}

void Client::run_timer(io::Wait& wait) {
  while (!stopping_) {
    const Instant due = pending_.expires_at();
    io::Wait until = wait.until(due);
    if (due > wait.now()) ignore(timer_work_.wait(until), "it is time, or there is something to time");
    if (wait.is_cancelled()) return;
    pending_.expire(wait.now());
  }
}

}  // namespace verity::client
