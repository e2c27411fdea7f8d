#include "net/client/pending.h"

#include "engine/log/varint.h"
#include "engine/node/forwarding_codec.h"
#include "io/base/assert.h"
#include "net/frame/frame.h"

#include <algorithm>

namespace verity::client {

using native::Type;
using node::Refusal;
using node::RefusalCode;

namespace {

// Of tag and session.
constexpr ByteCount overhead_bytes_max = 64;

// Of this node, not of the request.
bool is_of_node(RefusalCode code) {
  return code == RefusalCode::read_only || code == RefusalCode::damaged || code == RefusalCode::io_error ||
         code == RefusalCode::out_of_space;
}

}  // namespace

bool is_for_now(RefusalCode code) {
  return code == RefusalCode::not_leader || code == RefusalCode::not_ready ||
         code == RefusalCode::overloaded || code == RefusalCode::cancelled;
}

std::deque<std::uint64_t>& Pending::queue_of(const Request& request) {
  if (request.is_append) return request.number != 0 ? numbered_ : appends_;
  return request.waits ? waits_ : reads_;
}

std::uint64_t Pending::add(Request request) {
  const std::uint64_t tag = ++last_tag_;
  bytes_ += request.fields.size();
  if (request.fields.size() + overhead_bytes_max > frame::payload_bytes_limit) {
    request.deadline = Instant{};
    request.last_refusal =
        Refusal{RefusalCode::limit_exceeded,
                "the request is larger than a frame of " + describe_bytes(frame::payload_bytes_limit)};
  } else {
    queue_of(request).push_back(tag);
  }
  deadlines_.emplace(request.deadline, tag);
  requests_.emplace(tag, std::move(request));
  return tag;
}

std::uint64_t Pending::add_append(const node::AppendRequest& request, Instant deadline, Done done) {
  VERITY_ASSERT(!request.session);
  return add(
      {.is_append = true, .fields = node::encode(request), .deadline = deadline, .done = std::move(done)});
}

std::uint64_t Pending::add_read(const native::Read& read, Instant deadline, Done done) {
  return add({.is_append = false,
              .waits = read.wait > Duration::zero(),
              .fields = native::encode(read),
              .deadline = deadline,
              .done = std::move(done)});
}

// ---- sending

void Pending::connected(const native::Welcome& welcome) {
  connected_ = true;
  requests_max_ = welcome.requests_max;
  bytes_max_ = welcome.bytes_max;
  numbers_max_ = welcome.numbers_kept;
}

void Pending::disconnected() {
  connected_ = false;
  opening_ = 0;
  for (auto* const queue : {&numbered_, &appends_, &reads_, &waits_}) queue->clear();
  delayed_.clear();
  for (auto& [tag, request] : requests_) {
    if (request.on_its_way) {
      leave(request);
      request.may_be_done = request.is_append;
    }
    queue_of(request).push_back(tag);
  }
}

bool Pending::may_begin() const {
  return on_its_way_ < requests_max_ && (on_its_way_ == 0 || bytes_on_its_way_ < bytes_max_);
}

// Reads that wait leave a quarter of the room to what is answered at once.
bool Pending::may_wait() const {
  return waits_on_their_way_ < std::max(requests_max_ - requests_max_ / 4, 1U);
}

// The next append that has a number, or may have one.
std::optional<std::uint64_t> Pending::take_append() {
  if (const auto tag = take(numbered_)) return tag;
  if (!session_) return std::nullopt;
  if (!open_numbers_.empty() && next_number_ - *open_numbers_.begin() >= numbers_max_) return std::nullopt;
  const auto tag = take(appends_);
  if (!tag) return std::nullopt;
  Request& request = requests_.at(*tag);
  request.session = *session_;
  request.number = next_number_++;
  open_numbers_.insert(request.number);
  return tag;
}

// The first that is still to be sent.
std::optional<std::uint64_t> Pending::take(std::deque<std::uint64_t>& queue) {
  while (!queue.empty()) {
    const std::uint64_t tag = queue.front();
    queue.pop_front();
    const auto at = requests_.find(tag);
    if (at != requests_.end() && !at->second.on_its_way && &queue_of(at->second) == &queue) return tag;
  }
  return std::nullopt;
}

Pending::Outgoing Pending::outgoing(std::uint64_t tag, Request& request) {
  request.on_its_way = true;
  ++on_its_way_;
  if (request.waits) ++waits_on_their_way_;
  bytes_on_its_way_ += request.fields.size();
  if (request.attempts++ > 0) ++retries_;
  Outgoing out{.type = request.is_append ? Type::append : Type::read, .payload = {}};
  out.payload.reserve(native::tag_bytes + request.fields.size() + 32);
  put(out.payload, tag);
  put_bytes(out.payload, request.fields);
  if (request.is_append)
    node::add_session(out.payload, {request.session, request.number, request.may_be_done});
  return out;
}

std::optional<Pending::Outgoing> Pending::next(Instant now) {
  if (!connected_) return std::nullopt;
  for (; !delayed_.empty() && delayed_.begin()->first <= now; delayed_.erase(delayed_.begin())) {
    const auto at = requests_.find(delayed_.begin()->second);
    if (at == requests_.end()) continue;
    queue_of(at->second).push_front(at->first);
  }
  if (!may_begin()) return std::nullopt;
  if (const auto tag = take_append()) return outgoing(*tag, requests_.at(*tag));
  if (!appends_.empty() && !session_ && opening_ == 0 && now >= open_at_) {
    opening_ = ++last_tag_;
    Outgoing out{.type = Type::open_session, .payload = {}};
    put(out.payload, opening_);
    return out;
  }
  auto tag = take(reads_);
  if (!tag && may_wait()) tag = take(waits_);
  if (!tag) return std::nullopt;
  return outgoing(*tag, requests_.at(*tag));
}

Instant Pending::expires_at() const {
  return deadlines_.empty() ? Instant::never() : deadlines_.begin()->first;
}

Instant Pending::sends_at() const {
  Instant at = Instant::never();
  if (!connected_ || !may_begin()) return at;
  if (!delayed_.empty()) at = std::min(at, delayed_.begin()->first);
  if (!appends_.empty() && !session_ && opening_ == 0) at = std::min(at, open_at_);
  return at;
}

// ---- answers

void Pending::leave(Request& request) {
  request.on_its_way = false;
  --on_its_way_;
  if (request.waits) --waits_on_their_way_;
  bytes_on_its_way_ -= request.fields.size();
}

void Pending::finish(Requests::iterator at, node::Outcome<Bytes> outcome) {
  Request& request = at->second;
  if (request.on_its_way) leave(request);
  if (session_ && request.session == *session_) open_numbers_.erase(request.number);
  bytes_ -= request.fields.size();
  deadlines_.erase({request.deadline, at->first});
  Done done = std::move(request.done);
  requests_.erase(at);
  done(std::move(outcome));
}

void Pending::finish_unknown(Requests::iterator at, std::string_view reason) {
  Request& request = at->second;
  const bool is_unknown = request.is_append && (request.may_be_done || request.on_its_way);
  if (!is_unknown && request.last_refusal)
    return finish(at, std::unexpected(std::move(*request.last_refusal)));
  Refusal refusal{is_unknown ? RefusalCode::outcome_unknown : RefusalCode::cancelled, std::string(reason)};
  refusal.detail += is_unknown ? "; it may have been carried out or not" : "; nothing was done";
  finish(at, std::unexpected(std::move(refusal)));
}

Duration Pending::backoff(std::uint32_t attempts) {
  Duration delay = options_.retry_delay_min;
  for (std::uint32_t i = 1; i < attempts && delay < options_.retry_delay_max; ++i) delay *= 2;
  delay = std::min(delay, options_.retry_delay_max);
  // Clients that were refused together do not come back together.
  return Duration(static_cast<std::int64_t>(prng_.between(static_cast<std::uint64_t>(delay.count()) / 2,
                                                          static_cast<std::uint64_t>(delay.count()))));
}

void Pending::try_again(Requests::iterator at, Instant now, Duration delay) {
  leave(at->second);
  delayed_.emplace(now + delay, at->first);
}

// What was done under it is not known any more; what was certainly not done goes under another one.
void Pending::lost_session(Requests::iterator at, Refusal refusal) {
  Request& request = at->second;
  if (session_ && *session_ == request.session) {
    session_.reset();
    open_numbers_.clear();
  }
  if (request.may_be_done) {
    refusal.code = RefusalCode::outcome_unknown;
    return finish(at, std::unexpected(std::move(refusal)));
  }
  leave(request);
  request.number = 0;
  appends_.push_front(at->first);
}

Pending::Advice Pending::refused(Requests::iterator at, Refusal refusal, Instant now) {
  Request& request = at->second;
  if (request.is_append && refusal.code == RefusalCode::session_unknown) {
    lost_session(at, std::move(refusal));
    return Advice::none;
  }
  if (request.is_append && refusal.code == RefusalCode::outcome_unknown) {
    request.may_be_done = true;
    try_again(at, now, backoff(request.attempts));
    return Advice::none;
  }
  if (is_for_now(refusal.code)) {
    request.last_refusal = std::move(refusal);
    try_again(at, now, backoff(request.attempts));
    return Advice::none;
  }
  if (is_of_node(refusal.code) && request.other_nodes++ < options_.other_nodes_max) {
    request.last_refusal = std::move(refusal);
    try_again(at, now, backoff(request.other_nodes));
    return Advice::move_on;
  }
  if (is_of_node(refusal.code) && request.may_be_done) {
    finish_unknown(at, refusal.detail);
  } else {
    finish(at, std::unexpected(std::move(refusal)));
  }
  return Advice::none;
}

Result<Pending::Advice> Pending::answered(Type type, ByteView payload, Instant now) {
  const auto tag = ByteReader(payload).get<std::uint64_t>();
  if (!tag) return fail(ErrorCode::corrupt, "an answer without its tag");
  const ByteView fields = payload.subspan(native::tag_bytes);
  if (opening_ != 0 && *tag == opening_) {
    opening_ = 0;
    const auto session = ByteReader(fields).get<Id128>();
    if (type == Type::session && session) {
      session_ = *session;
      next_number_ = 1;
      open_numbers_.clear();
      open_attempts_ = 0;
    } else {
      open_at_ = now + backoff(++open_attempts_);
    }
    return Advice::none;
  }
  const auto at = requests_.find(*tag);
  // One that was given up meanwhile.
  if (at == requests_.end() || !at->second.on_its_way) return Advice::none;
  if (type == Type::refusal) {
    VERITY_TRY_ASSIGN(Refusal refusal, node::decode_refusal(fields));
    return refused(at, std::move(refusal), now);
  }
  if (type != (at->second.is_append ? Type::receipt : Type::page))
    return fail(ErrorCode::corrupt, "an answer that does not fit its request");
  if (at->second.is_append) {
    VERITY_TRY_ASSIGN(const node::AppendReceipt receipt, node::decode_receipt(fields));
    saw(receipt.position);
  }
  finish(at, Bytes(fields.begin(), fields.end()));
  return Advice::none;
}

// ---- the end

void Pending::expire(Instant now) {
  while (!deadlines_.empty() && deadlines_.begin()->first <= now)
    finish_unknown(requests_.find(deadlines_.begin()->second), "no answer came in time");
}

void Pending::give_up(std::uint64_t tag, std::string_view reason) {
  if (const auto at = requests_.find(tag); at != requests_.end()) finish_unknown(at, reason);
}

void Pending::give_up_all(std::string_view reason) {
  while (!requests_.empty()) finish_unknown(requests_.begin(), reason);
}

}  // namespace verity::client
