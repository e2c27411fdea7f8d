// The simulated network: listeners and connections between the hosts of one world.
//
//   Socket ──write──► [ in flight ──latency──► delivered ] ──read──► Socket        one pipe per direction
//                       bounded: a full pipe makes its writer wait
//
// Bytes keep their order within a pipe; nothing else is certain: reads and writes are short, connections are
// reset at any byte, connects are refused. A host that crashes resets its connections, at once or much later. A link
// that is cut carries nothing from one host to another; what was sent meanwhile arrives when it is mended.
#pragma once

#include "io/base/prng.h"
#include "io/network.h"

#include <compare>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace verity::sim {

class Process;
class World;

struct NetworkOptions {
  Duration latency = 120us;            // mean, one way
  std::uint64_t short_io_of_100 = 20;  // reads and writes that move less than they could
  std::size_t pipe_bytes = 64 * 1024;  // in flight and delivered
  ByteCount bytes_per_second = 0;      // that one direction of a connection carries; 0: any
  std::size_t backlog = 128;
  // Per million.
  std::uint64_t reset_ppm = 0;   // per write: the connection is reset in the middle of its bytes
  std::uint64_t refuse_ppm = 0;  // per connect
  std::uint64_t stall_ppm = 0;   // per write: its bytes are late by up to stall_max
  Duration stall_max = 2s;
};

// One direction between two hosts.
struct NetworkLink {
  std::string from;
  std::string to;
  auto operator<=>(const NetworkLink&) const = default;
};

namespace detail {
struct Connection;
struct ListenerState;
}  // namespace detail

// What all hosts share.
class NetworkCore {
 public:
  explicit NetworkCore(World& world);
  ~NetworkCore();

  NetworkOptions& options() { return options_; }
  std::size_t open_sockets() const { return open_sockets_; }
  std::size_t open_sockets(const std::string& host) const;

  void cut(const NetworkLink& link);
  const std::set<NetworkLink>& cut_links() const { return cut_; }
  // All links, or one; outside of all fibers.
  void mend();
  void mend(const NetworkLink& link);
  // What this host sends and gets takes so many times as long; 1: as usual.
  void slow_down(const std::string& host, std::uint64_t times);

 private:
  friend class SimNetwork;
  friend class SimListener;
  friend class SimSocket;
  friend struct detail::Connection;

  Duration latency(const std::string& from, const std::string& to);
  Duration latency(const detail::Connection& connection);
  Duration transmission(std::size_t bytes) const;
  // Now, or when the link is mended.
  void arrive(const detail::Connection& connection, int from_side, std::move_only_function<void()> what);
  // The other side is gone: `side` learns of it.
  void reset_later(std::shared_ptr<detail::Connection> connection, int side, Duration delay);
  bool are_cut(const std::string& one, const std::string& other) const {
    return cut_.contains({one, other}) || cut_.contains({other, one});
  }

  World& world_;
  Prng prng_;
  NetworkOptions options_;
  std::map<io::Address, std::shared_ptr<detail::ListenerState>> listeners_;
  std::uint16_t next_port_ = 49152;
  std::uint64_t connection_sequence_ = 0;
  std::size_t open_sockets_ = 0;
  std::map<std::string, std::size_t> sockets_of_;  // by host
  std::set<NetworkLink> cut_;
  std::map<std::string, std::uint64_t> slowness_;  // by host
  struct Held {
    NetworkLink by;
    std::move_only_function<void()> what;
  };
  std::vector<Held> held_;  // in the order in which it would have arrived
};

// The network as one process sees it. "127.0.0.1", "localhost", "::1" and "0.0.0.0" are its own host.
class SimNetwork final : public io::Network {
 public:
  explicit SimNetwork(Process& process) : process_(process) {}

  Result<std::unique_ptr<io::Listener>> listen(io::Wait& wait, const io::Address& address) override;
  Result<std::unique_ptr<io::Socket>> connect(io::Wait& wait, const io::Address& address) override;

 private:
  Process& process_;
};

}  // namespace verity::sim
