#include "net/peer/peers.h"

#include "io/base/assert.h"
#include "io/base/prng.h"
#include "io/clock.h"
#include "io/fiber/loop.h"
#include "io/fiber/sync.h"
#include "io/logger.h"
#include "io/random.h"
#include "io/world.h"
#include "net/peer/admission.h"
#include "net/peer/handshake.h"
#include "net/peer/link.h"
#include "net/peer/repeat_filter.h"
#include "net/peer/wire.h"

#include <algorithm>
#include <list>

namespace verity::peer {

namespace {

constexpr std::string_view log_target = "verity_peer";
constexpr std::size_t node_id_end = 8;
constexpr Duration accept_retry_delay = 100ms;
// A connection that lasted so long was no accident: the next one is tried soon.
constexpr Duration stable_time = 1s;

constexpr std::size_t index_of(Lane lane) {
  return static_cast<std::size_t>(lane);
}

// What we have with one node on one lane.
struct Channel {
  SendQueue queue;
  Link* link = nullptr;  // the connection in use
  io::Signal changed;    // link became null or not null
};

struct Node {
  std::array<Channel, lane_count> channels;
  Timestamp last_seen;
  std::optional<Duration> round_trip_time;
  std::string address;  // as it says itself
};

// One address that is dialled, by a fiber for each lane.
struct Place {
  io::Address address;
  std::optional<NodeId> id{};
  std::string last_problem{};
  io::CancelSource ended{};  // by stop() or stop_dialling()
  std::size_t fibers = 0;

  bool has_ended() const { return ended.is_cancelled(); }
};

class Backoff {
 public:
  Backoff(const PeerOptions& options, Prng prng)
      : options_(options), prng_(prng), next_(options.reconnect_delay_min) {}

  // Between a half and all of a delay that doubles.
  Duration next() {
    const Duration delay = next_;
    next_ = std::min(next_ * 2, options_.reconnect_delay_max);
    return delay / 2 + Duration(static_cast<std::int64_t>(
                           prng_.below(static_cast<std::uint64_t>(delay.count() / 2) + 1)));
  }
  void reset() { next_ = options_.reconnect_delay_min; }

 private:
  const PeerOptions& options_;
  Prng prng_;
  Duration next_;
};

class PeersImpl final : public Peers, private LinkOwner {
 public:
  PeersImpl(const io::World& world, PeerOptions options, std::function<Hello()> hello, PeerEvents& events)
      : world_(world),
        options_(std::move(options)),
        hello_(std::move(hello)),
        events_(events),
        filter_(options_.repeat_log_interval) {
    VERITY_ASSERT(options_.payload_bytes_max <= frame::payload_bytes_limit);
    for (const io::Address& address : options_.others) places_.emplace_back().address = address;
  }
  ~PeersImpl() override { VERITY_ASSERT_NOTE(fibers_.count() == 0, "stop() comes before destruction"); }

  Status start(io::Wait& wait) override;
  void stop(io::Wait& wait) override;
  bool send(NodeId to, Lane lane, std::uint16_t type, Payload payload) override;
  bool is_connected(NodeId to, Lane lane) const override {
    return to.value < node_id_end && nodes_[to.value].channels[index_of(lane)].link != nullptr;
  }
  void also_dial(const io::Address& address) override;
  void stop_dialling(const io::Address& address) override;
  const io::Address& address() const override { return address_; }
  std::vector<PeerRow> peers() const override;
  const PeerMetrics& metrics() const override { return metrics_; }

 private:
  // One connection from its handshake to its end.
  struct Attempt {
    std::string who;         // for messages: the address that was dialled, or the host it came from
    Place* place = nullptr;  // null: accepted
  };

  void spawn(std::string_view name, std::move_only_function<void()> body) {
    fibers_.add();
    world_.loop.spawn(name, [this, body = std::move(body)]() mutable {
      body();
      body = nullptr;
      fibers_.done();
    });
  }

  // ---- fibers
  void accept_for_ever(io::Listener& listener);
  void take(std::unique_ptr<io::Socket> socket);
  void begin_dialling(Place& place);
  // Unless a fiber still uses it.
  void forget_ended(const Place& place);
  void dial_for_ever(Place& place, Lane lane);
  // Whether a connection came about and lasted.
  Result<bool> dial(io::Wait& wait, Place& place, Lane lane);
  // True if the connection was a stable one.
  bool finish(const Attempt& attempt, Wire& wire, HandshakeOutcome outcome);
  bool run_link(const Attempt& attempt, Wire& wire, Greeting greeting);

  // ---- who is there
  HelloFrame new_hello(Lane lane) const;
  std::optional<Refusal> judge_hello(const Hello& ours, const HelloFrame& theirs, bool dialled,
                                     const Link* own) const;
  void open(Link& link);
  void close(Link& link, const Error& reason);
  LaneCounters& counters(Lane lane) { return metrics_.lanes[index_of(lane)]; }
  Channel& channel(const Link& link) {
    return nodes_[link.identity().id.value].channels[index_of(link.lane())];
  }
  Timestamp time_of(Instant instant) const {
    return {world_.clock.realtime().ns - (world_.clock.monotonic() - instant).count()};
  }
  bool is_stopping() const { return stopping_.is_cancelled(); }

  // ---- LinkOwner
  Hello our_hello() const override { return hello_(); }
  void on_message(Link& link, std::uint16_t type, ByteView payload) override;
  void on_round_trip(Link& link, Duration time) override;
  std::optional<Refusal> on_new_hello(Link& link, const HelloFrame& theirs) override;
  void on_refused(Link& link, const Refusal& refusal) override {
    note_refused_by(link.address().describe(), refusal);
  }

  // ---- what the operator sees
  void report(io::LogLevel level, const std::string& kind, std::string_view message,
              std::initializer_list<io::LogField> fields);
  void note_refused(const std::string& who, const Refusal& refusal, const std::optional<NodeId>& whom);
  void note_refused_by(const std::string& who, const Refusal& refusal);
  void note_failure(const Attempt& attempt, const Error& error);
  void note_problem(NodeId id, const std::string& problem);

  const io::World& world_;
  const PeerOptions options_;
  const std::function<Hello()> hello_;
  PeerEvents& events_;
  io::Address address_;
  std::unique_ptr<io::Listener> listener_;
  std::list<Place> places_;              // fibers hold references
  std::array<Node, node_id_end> nodes_;  // by node id
  std::vector<Link*> links_;             // all that run, in order of their beginning
  std::uint32_t handshakes_ = 0;         // accepted and not yet greeted
  PeerMetrics metrics_;
  RepeatFilter filter_;
  io::CancelSource stopping_;
  io::WaitGroup fibers_;
};

// Where the other side says that it listens; on the host it comes from, if it names none.
std::string label_of(const Link& link) {
  const Result<io::Address> told = io::Address::parse(link.peer().address);
  if (!told || !told->is_every_address()) return printable(link.peer().address);
  return io::Address{link.address().host, told->port}.describe();
}

// ---- start and stop

Status PeersImpl::start(io::Wait& wait) {
  VERITY_TRY_ASSIGN(listener_, world_.network.listen(wait, options_.listen_address));
  address_ = listener_->address();
  spawn("peer accept", [this] { accept_for_ever(*listener_); });
  for (Place& place : places_) begin_dialling(place);
  return {};
}

void PeersImpl::begin_dialling(Place& place) {
  for (const Lane lane : {Lane::control, Lane::bulk}) {
    ++place.fibers;
    spawn("peer dial", [this, &place, lane] {
      dial_for_ever(place, lane);
      --place.fibers;
      forget_ended(place);
    });
  }
}

void PeersImpl::forget_ended(const Place& place) {
  if (!place.has_ended() || place.fibers > 0) return;
  places_.remove_if([&](const Place& other) { return &other == &place; });
}

void PeersImpl::also_dial(const io::Address& address) {
  const auto is_known = [&](const Place& place) { return place.address == address && !place.has_ended(); };
  if (is_stopping() || std::any_of(places_.begin(), places_.end(), is_known)) return;
  places_.emplace_back().address = address;
  if (listener_ != nullptr) begin_dialling(places_.back());
}

void PeersImpl::stop_dialling(const io::Address& address) {
  const auto is_it = [&](const Place& place) { return place.address == address && !place.has_ended(); };
  const auto place = std::find_if(places_.begin(), places_.end(), is_it);
  if (place == places_.end()) return;
  place->ended.cancel();
  forget_ended(*place);
}

void PeersImpl::stop(io::Wait&) {
  stopping_.cancel();
  for (Place& place : places_) place.ended.cancel();
  for (Link* const link : links_) link->cut({ErrorCode::cancelled, "this node is stopping"});
  // Whatever happens to the caller, nobody may be left behind.
  io::Wait unconditional(world_.loop);
  ignore(fibers_.wait(unconditional), "without deadline and cancellation it cannot fail");
  listener_.reset();
}

// ---- fibers

void PeersImpl::accept_for_ever(io::Listener& listener) {
  io::Wait wait(world_.loop, &stopping_);
  while (!wait.is_cancelled()) {
    auto socket = listener.accept(wait);
    if (socket) {
      take(std::move(*socket));
      continue;
    }
    if (wait.is_cancelled() || socket.error().code == ErrorCode::crashed) return;
    report(io::LogLevel::warn, "accept", "Could not accept a connection from a peer",
           {{"error", socket.error().describe()}});
    if (!wait.sleep(accept_retry_delay)) return;
  }
}

void PeersImpl::take(std::unique_ptr<io::Socket> socket) {
  if (handshakes_ == options_.handshakes_max) {
    ++metrics_.turned_away;
    report(io::LogLevel::warn, "turned away",
           "Refused a connection: too many on the cluster port have not said who they are",
           {{"peer", socket->peer().describe()}, {"limit", std::uint64_t{options_.handshakes_max}}});
    return;
  }
  ++handshakes_;
  spawn("peer connection", [this, socket = std::move(socket)]() mutable {
    const Attempt attempt{socket->peer().host, nullptr};
    Wire wire(std::move(socket), counters(Lane::control), world_.clock.monotonic());
    io::Wait wait = io::Wait(world_.loop, &stopping_).within(options_.handshake_timeout);
    const HelloFrame ours = new_hello(Lane::control);
    auto outcome = greet_as_listener(
        wait, wire, ours, options_.payload_bytes_max,
        [&](const HelloFrame& theirs) { return judge_hello(ours.hello, theirs, false, nullptr); });
    --handshakes_;
    finish(attempt, wire, std::move(outcome));
  });
}

void PeersImpl::dial_for_ever(Place& place, Lane lane) {
  io::Wait wait(world_.loop, &place.ended);
  Backoff backoff(options_, Prng(world_.random.next()));
  while (!wait.is_cancelled()) {
    if (place.id && is_connected(*place.id, lane)) {
      if (!nodes_[place.id->value].channels[index_of(lane)].changed.wait(wait)) return;
    } else {
      const auto lasted = dial(wait, place, lane);
      if (!lasted && lasted.error().code == ErrorCode::crashed) return;
      if (lasted && *lasted) backoff.reset();
    }
    if (!wait.sleep(backoff.next())) return;
  }
}

Result<bool> PeersImpl::dial(io::Wait& wait, Place& place, Lane lane) {
  const Attempt attempt{place.address.describe(), &place};
  io::Wait patient = wait.within(options_.connect_timeout);
  auto socket = world_.network.connect(patient, place.address);
  if (!socket) {
    Error error = std::move(socket).error();
    if (wait.is_cancelled() || error.code == ErrorCode::crashed) return std::unexpected(std::move(error));
    if (error.code == ErrorCode::timed_out) error.message = "timeout: no answer to the attempt to connect";
    ++metrics_.connect_failures;
    note_failure(attempt, error);
    return std::unexpected(std::move(error));
  }
  Wire wire(std::move(*socket), counters(lane), world_.clock.monotonic());
  io::Wait greeting_wait = wait.within(options_.handshake_timeout);
  const HelloFrame ours = new_hello(lane);
  auto outcome = greet_as_dialler(
      greeting_wait, wire, ours, options_.payload_bytes_max,
      [&](const HelloFrame& theirs) { return judge_hello(ours.hello, theirs, true, nullptr); });
  return finish(attempt, wire, std::move(outcome));
}

bool PeersImpl::finish(const Attempt& attempt, Wire& wire, HandshakeOutcome outcome) {
  if (is_stopping() || (attempt.place != nullptr && attempt.place->has_ended())) return false;
  if (auto* const greeting = std::get_if<Greeting>(&outcome)) {
    if (attempt.place != nullptr) attempt.place->id = greeting->theirs.hello.identity.id;
    return run_link(attempt, wire, std::move(*greeting));
  }
  if (const auto* const refused = std::get_if<RefusedByUs>(&outcome)) {
    std::optional<NodeId> whom;
    if (refused->theirs) whom = refused->theirs->hello.identity.id;
    if (refused->theirs && is_only_asking(refused->theirs->hello)) return false;
    // Both ends of a connection to ourselves are ours: the dialler reports it.
    if (refused->refusal.code != RefusalCode::self) note_refused(attempt.who, refused->refusal, whom);
    if (attempt.place != nullptr) {
      attempt.place->last_problem = "refused: " + refused->refusal.sentence;
      if (refused->refusal.code == RefusalCode::duplicate) attempt.place->id = whom;
    }
  } else if (const auto* const by_them = std::get_if<RefusedByThem>(&outcome)) {
    note_refused_by(attempt.who, by_them->refusal);
    if (attempt.place != nullptr) {
      if (by_them->refusal.code == RefusalCode::duplicate) {
        attempt.place->id = by_them->refusal.by;
      } else {
        attempt.place->last_problem = "refused by the other side: " + printable(by_them->refusal.sentence);
      }
    }
  } else if (const Error& error = std::get<Error>(outcome); error.code != ErrorCode::crashed) {
    ++metrics_.handshake_failures;
    note_failure(attempt, error);
  }
  return false;
}

bool PeersImpl::run_link(const Attempt& attempt, Wire& wire, Greeting greeting) {
  const Lane lane = greeting.ours.lane;
  const Instant begun = world_.clock.monotonic();
  wire.count_on(counters(lane));
  Channel& here = nodes_[greeting.theirs.hello.identity.id.value].channels[index_of(lane)];
  Link link(world_, options_, *this, wire, here.queue, counters(lane), std::move(greeting),
            attempt.place != nullptr);
  links_.push_back(&link);
  open(link);
  const Error reason = link.run();
  std::erase(links_, &link);
  close(link, reason);
  return world_.clock.monotonic() - begun >= stable_time;
}

// ---- who is there

HelloFrame PeersImpl::new_hello(Lane lane) const {
  return {hello_(), lane, world_.random.next()};
}

// `own`: the link that is being judged again, which is no conflict with itself.
std::optional<Refusal> PeersImpl::judge_hello(const Hello& ours, const HelloFrame& theirs, bool dialled,
                                              const Link* own) const {
  if (is_stopping()) return Refusal{RefusalCode::stopping, ours.identity.id, "this node is stopping"};
  std::vector<PeerIdentity> connected;
  for (const Node& node : nodes_) {
    for (const Channel& channel : node.channels) {
      if (channel.link != nullptr) connected.push_back(channel.link->identity());
    }
  }
  if (auto refusal = judge(ours, theirs.hello, connected)) return refusal;
  if (options_.remembered) {
    for (const PeerIdentity& known : options_.remembered()) {
      if (auto refusal = judge_boot(theirs.hello, known, ours.identity.id)) return refusal;
    }
  }
  const PeerIdentity& they = theirs.hello.identity;
  const Link* const current = nodes_[they.id.value].channels[index_of(theirs.lane)].link;
  if (current == nullptr || current == own || current->identity() != they) return std::nullopt;
  if (replaces(dialled == (ours.identity.id < they.id), current->dialled_by_lower())) return std::nullopt;
  return Refusal{RefusalCode::duplicate, ours.identity.id,
                 "there is a connection on the " + std::string(describe(theirs.lane)) + " lane already"};
}

// The link passed judge_hello() in this very turn. When it meets another connection to the same process, the dialler is
// the first to know of both and keeps the old one readable; the listener, the second, ends it.
void PeersImpl::open(Link& link) {
  Node& node = nodes_[link.identity().id.value];
  Channel& here = channel(link);
  bool is_known = false;
  for (Channel& each : node.channels) {
    if (each.link == nullptr) continue;
    if (each.link->identity() != link.identity()) {
      Link* const old = each.link;
      const Error reason{ErrorCode::closed, link.identity().describe() + " took its place"};
      close(*old, reason);
      old->cut(reason);
    } else if (&each == &here) {
      if (!replaces(link.dialled_by_lower(), here.link->dialled_by_lower())) return link.retire(false);
      here.link->retire(!link.is_dialled());
      is_known = true;
    }
  }
  ++counters(link.lane()).connections;
  here.link = &link;
  link.notify();
  node.address = label_of(link);
  if (is_known) return;
  here.changed.notify_all();
  report(io::LogLevel::info, "open " + link.identity().id.describe() + std::string(describe(link.lane())),
         "Connection to a peer established",
         {{"peer_id", link.identity().id.value},
          {"lane", std::string(describe(link.lane()))},
          {"peer", link.address().describe()},
          {"boot", link.identity().boot_number}});
  events_.on_connected(link.peer(), link.lane());
}

// Idempotent: nothing if another link has taken its place.
void PeersImpl::close(Link& link, const Error& reason) {
  Node& node = nodes_[link.identity().id.value];
  node.last_seen = std::max(node.last_seen, time_of(link.heard()));
  const bool is_bad = reason.code == ErrorCode::corrupt || reason.code == ErrorCode::unsupported ||
                      reason.code == ErrorCode::limit_exceeded;
  if (is_bad) ++metrics_.bad_frames;
  Channel& here = channel(link);
  if (here.link != &link) return;
  here.link = nullptr;
  here.changed.notify_all();
  LaneCounters& counted = counters(link.lane());
  counted.dropped += here.queue.clear();
  ++counted.connections_lost;
  if (link.lane() == Lane::control) node.round_trip_time.reset();
  if (is_stopping() || reason.code == ErrorCode::crashed) return;
  note_problem(link.identity().id, reason.describe());
  report(io::LogLevel::warn,
         "close " + link.identity().id.describe() + std::string(describe(link.lane())) +
             std::string(describe(reason.code)),
         "Connection to a peer lost",
         {{"peer_id", link.identity().id.value},
          {"lane", std::string(describe(link.lane()))},
          {"peer", link.address().describe()},
          {"reason", reason.describe()}});
  events_.on_disconnected(link.identity(), link.lane(), reason.message);
}

// ---- messages

bool PeersImpl::send(NodeId to, Lane lane, std::uint16_t type, Payload payload) {
  VERITY_ASSERT(type >= message_type_min);
  VERITY_ASSERT_NOTE(payload.size_bytes() <= options_.payload_bytes_max,
                     "a message larger than payload_bytes_max");
  VERITY_ASSERT(to.value > 0 && to.value < node_id_end);
  Channel& channel = nodes_[to.value].channels[index_of(lane)];
  const LaneLimits& limits = lane == Lane::control ? options_.control : options_.bulk;
  if (channel.link == nullptr || !channel.queue.push({type, std::move(payload)}, limits)) {
    ++counters(lane).dropped;
    return false;
  }
  channel.link->notify();
  return true;
}

void PeersImpl::on_message(Link& link, std::uint16_t type, ByteView payload) {
  if (is_stopping()) return;
  events_.on_message(link.identity(), link.lane(), type, payload);
}

void PeersImpl::on_round_trip(Link& link, Duration time) {
  if (link.lane() == Lane::control) nodes_[link.identity().id.value].round_trip_time = time;
}

std::optional<Refusal> PeersImpl::on_new_hello(Link& link, const HelloFrame& theirs) {
  const Hello ours = hello_();
  std::optional<Refusal> refusal;
  if (theirs.hello.identity != link.identity()) {
    refusal =
        Refusal{RefusalCode::identity_changed, ours.identity.id,
                link.identity().describe() + " now says that it is " + theirs.hello.identity.describe()};
  } else {
    refusal = judge_hello(ours, theirs, false, &link);
  }
  if (refusal) {
    note_refused(link.address().describe(), *refusal, link.identity().id);
  } else if (!is_stopping()) {
    events_.on_connected(theirs.hello, link.lane());
  }
  return refusal;
}

// ---- what the operator sees

void PeersImpl::report(io::LogLevel level, const std::string& kind, std::string_view message,
                       std::initializer_list<io::LogField> fields) {
  const auto left_out = filter_.pass(kind, world_.clock.monotonic());
  if (!left_out) return;
  if (*left_out == 0) {
    world_.logger.log(level, log_target, message, fields);
    return;
  }
  world_.logger.log(level, log_target,
                    std::string(message) + " (and " + std::to_string(*left_out) + " times before)", fields);
}

void PeersImpl::note_refused(const std::string& who, const Refusal& refusal,
                             const std::optional<NodeId>& whom) {
  ++metrics_.refused[static_cast<std::size_t>(refusal.code)];
  events_.on_refused(whom.value_or(NodeId{}), refusal, true);
  if (refusal.code == RefusalCode::duplicate || refusal.code == RefusalCode::stopping) return;
  if (whom && whom->value < node_id_end) note_problem(*whom, "refused: " + refusal.sentence);
  report(io::LogLevel::warn, "refused " + who + std::string(describe(refusal.code)),
         "Refused a connection with a peer",
         {{"peer", who}, {"code", std::string(describe(refusal.code))}, {"reason", refusal.sentence}});
}

void PeersImpl::note_refused_by(const std::string& who, const Refusal& refusal) {
  const auto code = static_cast<std::size_t>(refusal.code);
  ++metrics_.refused_by[code < refusal_code_count ? code : 0];
  events_.on_refused(refusal.by, refusal, false);
  if (refusal.code == RefusalCode::duplicate || refusal.code == RefusalCode::stopping) return;
  report(io::LogLevel::warn, "refused by " + who + std::string(describe(refusal.code)),
         "Connection refused by a peer",
         {{"peer", who},
          {"code", std::string(describe(refusal.code))},
          {"reason", printable(refusal.sentence)}});
}

void PeersImpl::note_failure(const Attempt& attempt, const Error& error) {
  const bool is_bad = error.code == ErrorCode::corrupt || error.code == ErrorCode::unsupported ||
                      error.code == ErrorCode::limit_exceeded;
  if (is_bad) ++metrics_.bad_frames;
  if (attempt.place != nullptr) attempt.place->last_problem = error.describe();
  report(io::LogLevel::warn, "failed " + attempt.who + std::string(describe(error.code)),
         attempt.place != nullptr ? "Connection to a peer failed" : "Connection on the cluster port failed",
         {{"peer", attempt.who}, {"error", error.describe()}});
}

void PeersImpl::note_problem(NodeId id, const std::string& problem) {
  for (Place& place : places_) {
    if (place.id == id) place.last_problem = problem;
  }
}

std::vector<PeerRow> PeersImpl::peers() const {
  std::vector<PeerRow> rows;
  std::array<bool, node_id_end> shown{};
  const auto fill = [&](PeerRow& row, NodeId id) {
    const Node& node = nodes_[id.value];
    row.id = id;
    row.last_seen = node.last_seen;
    row.round_trip_time = node.round_trip_time;
    row.connected = is_connected(id, Lane::control);
    for (const Channel& channel : node.channels) {
      if (channel.link != nullptr) row.last_seen = std::max(row.last_seen, time_of(channel.link->heard()));
    }
    shown[id.value] = true;
  };
  for (const Place& place : places_) {
    if (place.has_ended()) continue;
    PeerRow& row = rows.emplace_back();
    row.address = place.address.describe();
    row.last_problem = place.last_problem;
    if (place.id && place.id->value < node_id_end) fill(row, *place.id);
  }
  for (std::uint64_t id = 1; id < node_id_end; ++id) {
    if (shown[id] || !(is_connected({id}, Lane::control) || is_connected({id}, Lane::bulk))) continue;
    PeerRow& row = rows.emplace_back();
    row.address = nodes_[id].address;
    fill(row, {id});
  }
  return rows;
}

}  // namespace

ByteCount Payload::size_bytes() const {
  ByteCount size = head.size();
  for (const SharedBytes& part : parts) size += part.bytes.size();
  return size;
}

std::unique_ptr<Peers> make_peers(const io::World& world, PeerOptions options, std::function<Hello()> hello,
                                  PeerEvents& events) {
  return std::make_unique<PeersImpl>(world, std::move(options), std::move(hello), events);
}

}  // namespace verity::peer
