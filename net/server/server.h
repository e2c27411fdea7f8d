// Listens, accepts, recognises what is spoken and lets the node answer. One fiber per connection, on the loop
// of the world that was handed in.
//
//   auto server = Server::listen(wait, world, options, starting);   // health, status and metrics are answered
//   server->serve(node);                                            // everything is
//   ...
//   ignore(server->stop(wait), ...);   // answers what is under way; the node is stopped after that
#pragma once

#include "io/base/result.h"
#include "io/fiber/sync.h"
#include "io/network.h"
#include "net/server/connection.h"
#include "net/server/context.h"
#include "net/server/options.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

namespace verity::io {
struct World;
}
namespace verity::node {
class Node;
}

namespace verity::server {

class Server {
 public:
  // busy: an address is taken; the message names its holder where the system tells. `world` outlives the server.
  // `starting` is asked for the state of the node until there is one.
  static Result<std::unique_ptr<Server>> listen(io::Wait& wait, const io::World& world, ServerOptions options,
                                                std::function<node::NodeStatus()> starting);
  // Once. `node` outlives the server.
  void serve(node::Node& node);
  // Both, for a node that is there.
  static Result<std::unique_ptr<Server>> start(io::Wait& wait, const io::World& world, node::Node& node,
                                               ServerOptions options);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // With the ports that were really bound.
  const io::Address& address() const { return client_address_; }
  const std::optional<io::Address>& metrics_address() const { return metrics_address_; }

  // Accepts nothing more, closes idle connections, ends subscriptions, answers what is under way for at most
  // `stop_patience`, then cuts. Idempotent; must have returned before destruction, also after a crash of the
  // world.
  void stop(io::Wait& wait);

  const ServerCounters& counters() const { return context_.counters; }

 private:
  Server(const io::World& world, ServerOptions options, Instant now);
  void accept_from(std::unique_ptr<io::Listener> listener, ListenerKind kind);
  void take(std::unique_ptr<io::Socket> socket, ListenerKind kind, std::uint64_t& open,
            std::uint32_t open_max);

  Context context_;
  io::Address client_address_;
  std::optional<io::Address> metrics_address_;
  io::WaitGroup fibers_;  // accepting ones and one per connection
  std::uint64_t metrics_connections_ = 0;
  std::uint32_t refusing_ = 0;  // connections being told that they are too many
};

}  // namespace verity::server
