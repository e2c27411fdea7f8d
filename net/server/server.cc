#include "net/server/server.h"

#include "io/fiber/loop.h"
#include "io/logger.h"

namespace verity::server {

namespace {

constexpr Duration accept_retry_delay = 100ms;
constexpr std::uint32_t refusing_max = 64;

}  // namespace

Server::Server(const io::World& world, ServerOptions options, Instant now)
    : context_(world, std::move(options), now) {}

Server::~Server() {
  VERITY_ASSERT_NOTE(fibers_.count() == 0, "stop() comes before destruction");
}

Result<std::unique_ptr<Server>> Server::start(io::Wait& wait, const io::World& world, node::Node& node,
                                              ServerOptions options) {
  // Nobody is served before this call has returned, so nobody is told of a node that is starting.
  VERITY_TRY_ASSIGN(auto server, listen(wait, world, std::move(options), [] { return node::NodeStatus(); }));
  server->serve(node);
  return server;
}

void Server::serve(node::Node& node) {
  VERITY_ASSERT(context_.started == nullptr);
  context_.started = &node;
}

Result<std::unique_ptr<Server>> Server::listen(io::Wait& wait, const io::World& world, ServerOptions options,
                                               std::function<node::NodeStatus()> starting) {
  const std::optional<io::Address> metrics_address = options.metrics_address;
  VERITY_TRY_ASSIGN(auto clients, world.network.listen(wait, options.client_address));
  std::unique_ptr<io::Listener> metrics;
  if (metrics_address) {
    VERITY_TRY_ASSIGN(metrics, world.network.listen(wait, *metrics_address));
  }
  std::unique_ptr<Server> server(new Server(world, std::move(options), wait.now()));
  server->context_.starting = std::move(starting);
  server->client_address_ = clients->address();
  server->fibers_.add();
  world.loop.spawn("accept clients", [server = server.get(), listener = std::move(clients)]() mutable {
    server->accept_from(std::move(listener), ListenerKind::client);
  });
  if (metrics) {
    server->metrics_address_ = metrics->address();
    server->fibers_.add();
    world.loop.spawn("accept metrics", [server = server.get(), listener = std::move(metrics)]() mutable {
      server->accept_from(std::move(listener), ListenerKind::metrics);
    });
  }
  return server;
}

void Server::accept_from(std::unique_ptr<io::Listener> listener, ListenerKind kind) {
  const bool is_client = kind == ListenerKind::client;
  std::uint64_t& open = is_client ? context_.counters.connections : metrics_connections_;
  const std::uint32_t open_max =
      is_client ? context_.options.connections_max : context_.options.metrics_connections_max;
  io::Wait wait(context_.world.loop, &context_.stopping);
  while (!wait.is_cancelled()) {
    auto socket = listener->accept(wait);
    if (socket) {
      take(std::move(*socket), kind, open, open_max);
      continue;
    }
    const ErrorCode code = socket.error().code;
    if (wait.is_cancelled() || code == ErrorCode::crashed) break;
    // Too many descriptors, or a connection that broke before it was taken: the next one may do.
    context_.world.logger.log(io::LogLevel::warn, "verity_http", "Could not accept a connection",
                              {{"error", socket.error().describe()}});
    if (!wait.sleep(accept_retry_delay)) break;
  }
  listener.reset();
  fibers_.done();
}

void Server::take(std::unique_ptr<io::Socket> socket, ListenerKind kind, std::uint64_t& open,
                  std::uint32_t open_max) {
  if (open < open_max) {
    ++open;
    fibers_.add();
    context_.world.loop.spawn("connection", [this, &open, kind, socket = std::move(socket)]() mutable {
      serve_connection(context_, std::move(socket), kind);
      --open;
      fibers_.done();
    });
    return;
  }
  ++context_.counters.connections_refused;
  if (refusing_ == refusing_max) return;  // a flood: closed without a word
  ++refusing_;
  fibers_.add();
  context_.world.loop.spawn("refused connection", [this, socket = std::move(socket)]() mutable {
    refuse_connection(context_, std::move(socket));
    --refusing_;
    fibers_.done();
  });
}

void Server::stop(io::Wait& wait) {
  context_.stopping.cancel();
  io::Wait patient = wait.within(context_.options.stop_patience);
  if (fibers_.wait(patient)) return;
  context_.aborting.cancel();
  // Whatever happens to the caller, nobody may be left behind.
  io::Wait unconditional(context_.world.loop);
  ignore(fibers_.wait(unconditional), "without deadline and cancellation it cannot fail");
}

}  // namespace verity::server
