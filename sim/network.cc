#include "sim/network.h"

#include "io/base/assert.h"
#include "io/fiber/sync.h"
#include "sim/process.h"
#include "sim/trace.h"
#include "sim/world.h"

#include <algorithm>

namespace verity::sim {

namespace detail {

// One direction of a connection.
struct Pipe {
  Bytes bytes;  // delivered, from `taken` on still to be read
  std::size_t taken = 0;
  std::size_t in_flight = 0;
  Instant sent{};          // the last byte, where links carry only so much
  Instant last_arrival{};  // bytes and the end of stream arrive in the order they were sent
  bool fin_sent = false;
  bool fin_delivered = false;
  io::WaitList readers;
  io::WaitList writers;

  ByteView delivered() const { return ByteView(bytes).subspan(taken); }
  void take(std::size_t count) {
    taken += count;
    if (taken < bytes.size()) return;
    bytes.clear();
    taken = 0;
  }
};

struct Connection {
  explicit Connection(std::uint64_t id_in) : id(id_in) {}
  const std::uint64_t id;
  Pipe pipes[2];        // pipes[i] carries what side i sends
  bool reset[2] = {};   // side i has learned of a reset
  bool gone[2] = {};    // side i has closed or crashed
  bool broken = false;  // a reset is on its way: nothing more is carried
  io::Address address[2];
  std::uint64_t process[2] = {};

  // Side `side` learns that the connection is no more.
  void deliver_reset(int side, bool discard) {
    if (reset[side] || gone[side]) return;
    reset[side] = true;
    if (discard) pipes[1 - side].take(pipes[1 - side].delivered().size());
    wake(side);
  }
  void wake(int side) {
    pipes[1 - side].readers.wake_all();
    pipes[side].writers.wake_all();
  }
};

struct ListenerState {
  io::Address address;
  std::uint64_t process = 0;
  std::deque<std::pair<std::shared_ptr<Connection>, int>> backlog;
  bool closed = false;
  io::WaitList acceptors;
};

}  // namespace detail

namespace {

using detail::Connection;
using detail::ListenerState;

std::unexpected<Error> crashed(std::string_view doing) {
  return fail(ErrorCode::crashed, std::string(doing) + ": this process has crashed");
}

bool is_own_host(const std::string& host) {
  return host == "localhost" || host == "::1" || host == "::" || host == "0.0.0.0" ||
         host.starts_with("127.");
}

}  // namespace

NetworkCore::NetworkCore(World& world) : world_(world), prng_(world.prng("network")) {}
NetworkCore::~NetworkCore() = default;

Duration NetworkCore::transmission(std::size_t bytes) const {
  if (options_.bytes_per_second == 0) return Duration::zero();
  return Duration(static_cast<std::int64_t>(bytes * 1'000'000'000 / options_.bytes_per_second));
}

Duration NetworkCore::latency(const std::string& from, const std::string& to) {
  Duration latency = options_.latency / 4 + prng_.exponential(options_.latency * 3 / 4);
  for (const std::string& host : {from, to}) {
    const auto slow = slowness_.find(host);
    if (slow != slowness_.end()) latency *= static_cast<std::int64_t>(slow->second);
  }
  return latency;
}

Duration NetworkCore::latency(const detail::Connection& connection) {
  return latency(connection.address[0].host, connection.address[1].host);
}

std::size_t NetworkCore::open_sockets(const std::string& host) const {
  const auto found = sockets_of_.find(host);
  return found == sockets_of_.end() ? 0 : found->second;
}

void NetworkCore::slow_down(const std::string& host, std::uint64_t times) {
  std::uint64_t& slowness = slowness_.try_emplace(host, 1).first->second;
  if (std::exchange(slowness, times) == times) return;
  world_.trace().line(
      world_.now(), "world",
      times == 1 ? "the links of " + host + " are as fast as before"
                 : "FAULT  the links of " + host + " are " + std::to_string(times) + " times as slow");
}

void NetworkCore::cut(const NetworkLink& link) {
  world_.trace().line(world_.now(), "world", "FAULT  nothing reaches " + link.to + " from " + link.from);
  cut_.insert(link);
}

void NetworkCore::mend() {
  if (!cut_.empty()) world_.trace().line(world_.now(), "world", "all links are mended");
  cut_.clear();
  for (Held& held : std::exchange(held_, {})) held.what();
}

void NetworkCore::mend(const NetworkLink& link) {
  if (cut_.erase(link) == 0) return;
  world_.trace().line(world_.now(), "world", link.from + " reaches " + link.to + " again");
  std::vector<Held> arriving;
  for (Held& held : std::exchange(held_, {})) (held.by == link ? arriving : held_).push_back(std::move(held));
  for (Held& held : arriving) held.what();
}

void NetworkCore::arrive(const detail::Connection& connection, int from_side,
                         std::move_only_function<void()> what) {
  const NetworkLink link{connection.address[from_side].host, connection.address[1 - from_side].host};
  if (!cut_.contains(link)) return what();
  held_.push_back({link, std::move(what)});
}

void NetworkCore::reset_later(std::shared_ptr<detail::Connection> connection, int side, Duration delay) {
  world_.after(delay, [this, connection = std::move(connection), side] {
    arrive(*connection, 1 - side, [connection, side] { connection->deliver_reset(side, true); });
  });
}

class SimSocket final : public io::Socket {
 public:
  SimSocket(Process& process, std::shared_ptr<Connection> connection, int side)
      : process_(process), core_(process.world().network()), connection_(std::move(connection)), side_(side) {
    ++core_.open_sockets_;
    ++core_.sockets_of_[process_.host()];
    crash_action_ = process_.on_crash([this] { leave(true); });
  }

  ~SimSocket() override {
    process_.forget_on_crash(crash_action_);
    leave(false);
    --core_.open_sockets_;
    --core_.sockets_of_[process_.host()];
  }

  Result<std::size_t> read(io::Wait& wait, MutableByteView out) override {
    detail::Pipe& pipe = connection_->pipes[1 - side_];
    if (!process_.begin_call()) return crashed("reading from a socket");
    if (core_.prng_.chance(1, 16)) VERITY_TRY(wait.yield());
    while (true) {
      if (process_.is_crashed()) return crashed("reading from a socket");
      if (!pipe.delivered().empty()) break;
      if (connection_->reset[side_])
        return fail(ErrorCode::closed, "reading from " + peer().describe() + ": connection reset by peer");
      if (pipe.fin_delivered || out.empty()) return std::size_t{0};
      io::Waiter waiter;
      pipe.readers.add(waiter);
      VERITY_TRY(io::to_status(waiter.park(wait), "bytes from a socket"));
    }
    std::size_t count = std::min(out.size(), pipe.delivered().size());
    if (count > 1 && core_.prng_.chance(core_.options_.short_io_of_100, 100))
      count = core_.prng_.between(1, count);
    std::copy_n(pipe.delivered().begin(), count, out.begin());
    pipe.take(count);
    pipe.writers.wake_all();
    trace("recv   ", count, as_text(out.first(count)));
    return count;
  }

  Result<std::size_t> write(io::Wait& wait, ByteView data) override {
    detail::Pipe& pipe = connection_->pipes[side_];
    if (!process_.begin_call()) return crashed("writing to a socket");
    if (core_.prng_.chance(1, 16)) VERITY_TRY(wait.yield());
    std::size_t room = 0;
    while (true) {
      if (process_.is_crashed()) return crashed("writing to a socket");
      if (connection_->reset[side_])
        return fail(ErrorCode::closed, "writing to " + peer().describe() + ": connection reset by peer");
      if (pipe.fin_sent)
        return fail(ErrorCode::closed,
                    "writing to " + peer().describe() + ": this side has finished sending");
      const std::size_t used = pipe.in_flight + pipe.delivered().size();
      room = core_.options_.pipe_bytes - std::min(core_.options_.pipe_bytes, used);
      // As TCP does: a writer that had to wait goes on when there is room worth a segment.
      if (room >= std::min(data.size(), core_.options_.pipe_bytes / 2)) break;
      io::Waiter waiter;
      pipe.writers.add(waiter);
      VERITY_TRY(io::to_status(waiter.park(wait), "room in a socket"));
    }
    std::size_t count = std::min(room, data.size());
    if (count > 1 && core_.prng_.chance(core_.options_.short_io_of_100, 100))
      count = core_.prng_.between(1, count);
    const bool reset = core_.prng_.chance_ppm(core_.options_.reset_ppm);
    // Of a write that meets a reset only the first bytes arrive.
    const std::size_t sent = reset ? core_.prng_.below(count + 1) : count;
    send(data.first(sent));
    if (reset) break_connection();
    return count;
  }

  Status shutdown_write(io::Wait&) override {
    if (!process_.begin_call()) return crashed("finishing a socket");
    if (connection_->reset[side_])
      return fail(ErrorCode::closed, "finishing " + peer().describe() + ": connection reset by peer");
    send_fin();
    return {};
  }

  const io::Address& peer() const override { return connection_->address[1 - side_]; }

 private:
  void send(ByteView data) {
    if (data.empty() || connection_->broken) return;
    detail::Pipe& pipe = connection_->pipes[side_];
    pipe.in_flight += data.size();
    Duration delay = core_.latency(*connection_);
    if (core_.prng_.chance_ppm(core_.options_.stall_ppm)) {
      delay += Duration(static_cast<std::int64_t>(
          core_.prng_.below(static_cast<std::uint64_t>(core_.options_.stall_max.count()))));
    }
    pipe.sent = std::max(pipe.sent, core_.world_.now()) + core_.transmission(data.size());
    pipe.last_arrival = std::max(pipe.last_arrival, pipe.sent + delay);
    trace("send   ", data.size(), as_text(data));
    const auto arrive = [connection = connection_, side = side_, core = &core_,
                         bytes = Bytes(data.begin(), data.end())] {
      detail::Pipe& arriving = connection->pipes[side];
      arriving.in_flight -= bytes.size();
      if (connection->reset[1 - side]) return;
      if (connection->gone[1 - side]) {
        // Nobody is there: the answer is a reset.
        core->reset_later(connection, side, core->latency(*connection));
        return;
      }
      put_bytes(arriving.bytes, bytes);
      arriving.readers.wake_all();
    };
    core_.world_.at(pipe.last_arrival, [core = &core_, connection = connection_, side = side_, arrive] {
      core->arrive(*connection, side, arrive);
    });
  }

  void send_fin() {
    detail::Pipe& pipe = connection_->pipes[side_];
    if (pipe.fin_sent || connection_->broken) return;
    pipe.fin_sent = true;
    pipe.last_arrival = std::max(pipe.last_arrival, core_.world_.now() + core_.latency(*connection_));
    core_.world_.at(pipe.last_arrival, [core = &core_, connection = connection_, side = side_] {
      core->arrive(*connection, side, [connection, side] {
        connection->pipes[side].fin_delivered = true;
        connection->pipes[side].readers.wake_all();
      });
    });
  }

  // Both sides learn of it, after what is on its way.
  void break_connection() {
    process_.trace("FAULT  reset of connection " + std::to_string(connection_->id));
    if (connection_->broken) return;
    connection_->broken = true;
    const bool discard = core_.prng_.chance(1, 2);
    for (const int side : {0, 1}) {
      const Instant when = std::max(connection_->pipes[1 - side].last_arrival,
                                    core_.world_.now() + core_.latency(*connection_));
      core_.world_.at(
          when, [connection = connection_, side, discard] { connection->deliver_reset(side, discard); });
    }
  }

  void leave(bool crash) {
    if (connection_->gone[side_]) return;
    const bool unread = !connection_->pipes[1 - side_].delivered().empty();
    const bool was_reset = connection_->reset[side_];
    if (crash) {
      // The kernel may say so at once, or the machine is off and says so only when it is asked again.
      Duration delay = core_.latency(*connection_);
      if (core_.prng_.chance(1, 4))
        delay += Duration(static_cast<std::int64_t>(core_.prng_.below(5'000'000'000)));
      core_.reset_later(connection_, 1 - side_, delay);
    } else if (!was_reset && unread) {
      core_.reset_later(connection_, 1 - side_, core_.latency(*connection_));
    } else if (!was_reset) {
      send_fin();
    }
    connection_->wake(side_);
    connection_->gone[side_] = true;
  }

  void trace(std::string_view what, std::size_t count, std::string_view bytes) {
    process_.trace(std::string(what) + "c" + std::to_string(connection_->id) + " " + std::to_string(count) +
                   " " + fingerprint(bytes));
  }

  Process& process_;
  NetworkCore& core_;
  const std::shared_ptr<Connection> connection_;
  const int side_;
  std::uint64_t crash_action_ = 0;
};

class SimListener final : public io::Listener {
 public:
  SimListener(Process& process, std::shared_ptr<ListenerState> state)
      : process_(process), core_(process.world().network()), state_(std::move(state)) {
    crash_action_ = process_.on_crash([this] { close(); });
  }
  ~SimListener() override {
    process_.forget_on_crash(crash_action_);
    close();
  }

  Result<std::unique_ptr<io::Socket>> accept(io::Wait& wait) override {
    if (!process_.begin_call()) return crashed("accepting");
    while (state_->backlog.empty()) {
      if (process_.is_crashed()) return crashed("accepting");
      io::Waiter waiter;
      state_->acceptors.add(waiter);
      VERITY_TRY(io::to_status(waiter.park(wait), "a connection"));
    }
    if (process_.is_crashed()) return crashed("accepting");
    auto [connection, side] = std::move(state_->backlog.front());
    state_->backlog.pop_front();
    process_.trace("accept c" + std::to_string(connection->id));
    return std::make_unique<SimSocket>(process_, std::move(connection), side);
  }

  const io::Address& address() const override { return state_->address; }

 private:
  void close() {
    if (state_->closed) return;
    state_->closed = true;
    core_.listeners_.erase(state_->address);
    for (auto& [connection, side] : state_->backlog) {
      connection->gone[side] = true;
      core_.reset_later(connection, 1 - side, core_.latency(*connection));
    }
    state_->backlog.clear();
    state_->acceptors.wake_all();
  }

  Process& process_;
  NetworkCore& core_;
  const std::shared_ptr<ListenerState> state_;
  std::uint64_t crash_action_ = 0;
};

Result<std::unique_ptr<io::Listener>> SimNetwork::listen(io::Wait& wait, const io::Address& address) {
  if (!process_.begin_call()) return crashed("listening");
  VERITY_TRY(wait.check());
  NetworkCore& core = process_.world().network();
  auto state = std::make_shared<ListenerState>();
  state->address = {is_own_host(address.host) ? process_.host() : address.host, address.port};
  state->process = process_.id();
  if (state->address.host != process_.host()) {
    return fail(ErrorCode::invalid_argument,
                "listening on " + address.describe() + ": not an address of " + process_.host());
  }
  if (address.port == 0) {
    do {
      state->address.port = core.next_port_++;
      if (core.next_port_ == 0) core.next_port_ = 49152;
    } while (core.listeners_.contains(state->address));
  }
  const auto [found, added] = core.listeners_.emplace(state->address, state);
  if (!added) {
    const Process* const holder = process_.world().find(found->second->process);
    return fail(ErrorCode::busy, "listening on " + address.describe() + ": the port is held by " +
                                     (holder == nullptr ? "somebody" : holder->name()));
  }
  process_.trace("listen " + state->address.describe());
  return std::make_unique<SimListener>(process_, std::move(state));
}

Result<std::unique_ptr<io::Socket>> SimNetwork::connect(io::Wait& wait, const io::Address& address) {
  if (!process_.begin_call()) return crashed("connecting");
  NetworkCore& core = process_.world().network();
  const io::Address target{is_own_host(address.host) ? process_.host() : address.host, address.port};
  VERITY_TRY(wait.sleep(core.latency(process_.host(), target.host)));
  if (process_.is_crashed()) return crashed("connecting");
  while (core.are_cut(process_.host(), target.host)) {
    VERITY_TRY(wait.sleep(20ms));
    if (process_.is_crashed()) return crashed("connecting");
  }
  const auto found = core.listeners_.find(target);
  const bool refused = found == core.listeners_.end() ||
                       found->second->backlog.size() >= core.options_.backlog ||
                       core.prng_.chance_ppm(core.options_.refuse_ppm);
  if (refused) {
    process_.trace("refuse " + target.describe());
    return fail(ErrorCode::refused, "connecting to " + address.describe() + ": connection refused");
  }
  auto connection = std::make_shared<Connection>(++core.connection_sequence_);
  connection->address[0] = {process_.host(), core.next_port_++};
  if (core.next_port_ == 0) core.next_port_ = 49152;
  connection->address[1] = target;
  process_.trace("dial   c" + std::to_string(connection->id) + " " + target.describe());
  found->second->backlog.emplace_back(connection, 1);
  found->second->acceptors.wake_one();
  auto socket = std::make_unique<SimSocket>(process_, connection, 0);
  VERITY_TRY(wait.sleep(core.latency(process_.host(), target.host)));
  if (process_.is_crashed()) return crashed("connecting");
  return socket;
}

}  // namespace verity::sim
