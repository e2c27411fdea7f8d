#include "tools/server/serve.h"

#include "engine/node/node.h"
#include "io/directory.h"
#include "io/fiber/wait.h"
#include "io/linux/runtime.h"
#include "io/world.h"
#include "net/cluster/transport.h"
#include "net/server/server.h"
#include "tools/server/json_logger.h"

#include <unistd.h>
#include <csignal>
#include <cstdio>
#include <memory>

namespace verity::tools {
namespace {

constexpr std::string_view target = "verity_server";
constexpr Duration busy_patience = 500ms;
constexpr Duration busy_retry_interval = 20ms;
// Another node takes the lead within milliseconds, or cannot.
constexpr Duration leave_patience = 10s;
constexpr int exit_fine = 0;
constexpr int exit_failure = 1;

io::BackendChoice backend_choice(const ServerConfig& config) {
  switch (config.io_backend) {
    case IoBackend::automatic:
      return io::BackendChoice::automatic;
    case IoBackend::io_uring:
      return io::BackendChoice::io_uring;
    case IoBackend::fallback:
      return io::BackendChoice::fallback;
  }
  return io::BackendChoice::automatic;
}

class Service {
 public:
  Service(const ServerConfig& config, io::Runtime& runtime, io::Logger& logger)
      : config_(config),
        runtime_(runtime),
        logger_(logger),
        world_{runtime.loop(), runtime.clock(), runtime.random(), runtime.network(), logger} {}

  // On the loop, outside its fibers.
  void end(int signal) {
    signal_ = signal;
    (is_started_ ? serving_ : starting_).cancel();
  }

  int run(io::Wait& wait, const std::vector<std::string>& notes) {
    announce(notes);
    io::Wait start_wait = wait.under(starting_);
    Status outcome = start(start_wait);
    is_started_ = true;
    if (!outcome && signal_ == 0) {
      report("Could not start", outcome.error());
    } else if (!outcome) {
      logger_.log(io::LogLevel::info, target, "Stopped before it had started", {{"signal", signal_name()}});
      outcome = {};
    } else if (outcome = serve_until_ended(wait); !outcome) {
      report("The node cannot go on; the next start recovers what is durable", outcome.error());
    } else {
      logger_.log(io::LogLevel::info, target, "Stopping: answering what is under way",
                  {{"signal", signal_name()}});
      io::Wait patient = wait.within(leave_patience);
      node_->leave(patient);
    }
    const Status stopped = stop(wait);
    // After a failure there is nothing to end cleanly.
    if (!stopped && outcome) report("Did not stop cleanly", stopped.error());
    if (!stopped || !outcome) return exit_failure;
    logger_.log(io::LogLevel::info, target, "Stopped");
    return exit_fine;
  }

 private:
  // Fine after a signal; else why the node cannot go on.
  Status serve_until_ended(io::Wait& wait) {
    if (signal_ != 0) return {};
    io::Wait serving_wait = wait.under(serving_);
    const Status failed = node_->wait_until_failed(serving_wait);
    return signal_ != 0 ? Status() : failed;
  }

  void report(std::string_view what, const Error& error) {
    logger_.log(io::LogLevel::error, target, std::string(what) + ": " + error.message,
                {{"code", std::string(describe(error.code))}});
  }

  void announce(const std::vector<std::string>& notes) {
    logger_.log(
        io::LogLevel::info, target, "Starting",
        {{"version", std::string(VERITY_VERSION)},
         {"process", static_cast<std::uint64_t>(::getpid())},
         {"node_id", config_.node.node_id.value},
         {"cluster_peers", peers_text()},
         {"data_dir", config_.data_dir},
         {"io_backend", runtime_.backend_name()},
         {"sync_mode", std::string(config_.node.sync_mode == node::SyncMode::fsync ? "fsync" : "async")},
         {"read_only", config_.node.read_only}});
    for (const std::string& note : notes) logger_.log(io::LogLevel::warn, target, note);
    for (const std::string& key : keys_acting_later(config_)) {
      logger_.log(io::LogLevel::warn, target, key + " is accepted but has no effect in this version",
                  {{"key", key}});
    }
    if (config_.node.sync_mode == node::SyncMode::async) {
      logger_.log(io::LogLevel::warn, target,
                  std::string("sync_mode is async: writes are acknowledged before they are durable; a crash "
                              "or power cut ") +
                      (is_in_cluster() ? "of a majority of the nodes " : "") +
                      "may lose the last acknowledged writes",
                  {{"sync_mode", std::string("async")}});
    }
    if (runtime_.backend_name() != "io_uring") {
      logger_.log(io::LogLevel::warn, target,
                  "io_uring is not used; files and sockets go through a slower way",
                  {{"io_backend", runtime_.backend_name()}});
    }
    const bool exposed = !config_.bind_address.is_loopback() || !config_.metrics_address.is_loopback() ||
                         (is_in_cluster() && !config_.cluster_address.is_loopback());
    if (exposed) {
      logger_.log(
          io::LogLevel::warn, target,
          "Listening on more than loopback without TLS: whoever reaches these addresses can read and write "
          "everything",
          {{"bind_address", config_.bind_address.describe()},
           {"metrics_address", config_.metrics_address.describe()},
           {"cluster_address", is_in_cluster() ? config_.cluster_address.describe() : std::string("none")}});
    }
  }

  // What is only read needs nobody.
  bool is_in_cluster() const { return !config_.cluster_peers.empty() && !config_.node.read_only; }

  std::string peers_text() const {
    std::string text;
    for (const io::Address& peer : config_.cluster_peers) text += (text.empty() ? "" : ",") + peer.describe();
    return text.empty() ? "none" : text;
  }

  // Of a node that is not there yet.
  node::NodeStatus starting_status() const {
    node::NodeStatus status;
    status.node_id = config_.node.node_id;
    status.state = "starting";
    status.sync_mode = config_.node.sync_mode;
    status.cluster_name = config_.node.cluster_name;
    status.index_ready = false;
    status.releases = config_.node.releases;
    std::string missing;
    NodeId highest = config_.node.node_id;
    if (transport_) {
      for (node::PeerStatus& peer : transport_->peers()) {
        highest = std::max(highest, peer.id);
        if (!peer.connected) missing += (missing.empty() ? "" : ", ") + peer.address;
        status.peers.push_back({.id = peer.id,
                                .address = std::move(peer.address),
                                .state = peer.connected ? "connected" : "unreachable",
                                .connected = peer.connected,
                                .last_seen = peer.last_seen,
                                .round_trip = peer.round_trip,
                                .acknowledged = std::nullopt,
                                .problem = std::move(peer.problem)});
      }
      status.messages_dropped = transport_->messages_dropped();
    }
    status.reason = !waits_for_.empty() ? waits_for_
                    : missing.empty()   ? "founding the cluster, or recovering the data directory"
                                        : "waiting for a connection with " + missing;
    const std::string size = std::to_string(config_.cluster_peers.size() + 1);
    if (waits_for_.empty() && is_in_cluster() && highest.value > config_.cluster_peers.size() + 1) {
      status.reason += "; a new cluster of " + size + " is founded by the nodes 1 to " + size +
                       ", and node " + highest.describe() +
                       " is here, which can only be let into one that exists";
    }
    return status;
  }

  std::unique_ptr<node::PeerTransport> make_transport() const {
    // A node alone listens there only once others are to come in.
    const bool may_listen =
        is_in_cluster() || config_.cluster_address.is_loopback() || config_.allow_insecure;
    if (config_.node.read_only || !may_listen) return nullptr;
    peer::PeerOptions options;
    options.listen_address = config_.cluster_address;
    options.others = config_.cluster_peers;
    if (config_.advertise_address) options.advertised_host = config_.advertise_address->host;
    return std::make_unique<cluster::Transport>(world_, std::move(options));
  }

  Status start(io::Wait& wait) {
    auto data = runtime_.open_directory(wait, config_.data_dir, true);
    if (!data) return std::unexpected(std::move(data).error().within("opening the data directory"));
    data_ = *std::move(data);

    transport_ = make_transport();
    VERITY_TRY(listen(wait));
    node::NodeOptions node_options = config_.node;
    // Of an address that means all interfaces the others could make nothing.
    const io::Address& told = config_.advertise_address ? *config_.advertise_address : server_->address();
    if (!told.is_every_address()) node_options.client_address = told.describe();
    node_options.on_waiting = [this](const std::string& why) { waits_for_ = why; };
    node_options.lock_holder = "verity-server, process " + std::to_string(::getpid());
    const Instant recovery_began = wait.now();
    VERITY_TRY_ASSIGN(node_,
                      node::Node::start(wait, world_, *data_, std::move(node_options), transport_.get()));
    report_recovery(wait.now() - recovery_began);
    server_->serve(*node_);
    const auto& metrics_address = server_->metrics_address();
    logger_.log(io::LogLevel::info, target, "Ready",
                {{"bind_address", server_->address().describe()},
                 {"metrics_address", metrics_address ? metrics_address->describe() : std::string("none")}});
    return {};
  }

  // Who asks how the start goes is answered from here on.
  Status listen(io::Wait& wait) {
    server::ServerOptions options;
    options.client_address = config_.bind_address;
    options.metrics_address = config_.metrics_address;
    options.version = VERITY_VERSION;
    options.io_backend = runtime_.backend_name();
    options.batch_bytes_max = config_.node.limits.batch_bytes_max;
    // Room for several of the largest requests at a time, whatever the limit was set to.
    options.memory_bytes_max = std::max(options.memory_bytes_max, 8 * options.body_bytes_max());
    // The kernel takes a moment to close what a killed process listened on.
    const Instant give_up = wait.now() + busy_patience;
    while (true) {
      auto listening = server::Server::listen(wait, world_, options, [this] { return starting_status(); });
      if (listening) {
        server_ = std::move(*listening);
        break;
      }
      if (listening.error().code != ErrorCode::busy || wait.now() >= give_up)
        return std::unexpected(std::move(listening).error());
      VERITY_TRY(wait.sleep(busy_retry_interval));
    }
    const auto& metrics_address = server_->metrics_address();
    logger_.log(
        io::LogLevel::info, target, "Listening; requests are served when the node has started",
        {{"bind_address", server_->address().describe()},
         {"metrics_address", metrics_address ? metrics_address->describe() : std::string("none")},
         {"cluster_address", is_in_cluster() ? config_.cluster_address.describe() : std::string("none")}});
    return {};
  }

  void report_recovery(Duration took) {
    const node::NodeStatus status = node_->status();
    logger_.log(status.damage.empty() ? io::LogLevel::info : io::LogLevel::error, target,
                status.damage.empty() ? "Recovered"
                : status.state == "read_only"
                    ? "Recovered with damage: the node is read-only"
                    : "Recovered with damage: the other nodes are asked for what is lost",
                {{"state", status.state},
                 {"commit_index", status.commit_index.value},
                 {"applied_index", status.applied_index.value},
                 {"tenants", status.tenants},
                 {"took_ms", static_cast<std::uint64_t>(took / 1ms)}});
    for (const std::string& line : status.damage) logger_.log(io::LogLevel::error, target, "Damage: " + line);
  }

  // Whatever was started, in reverse.
  Status stop(io::Wait& wait) {
    if (server_) server_->stop(wait);
    Status stopped;
    if (node_) stopped = node_->stop(wait);
    server_.reset();
    node_.reset();
    if (transport_) transport_->stop(wait);
    transport_.reset();
    data_.reset();
    return stopped;
  }

  std::string signal_name() const {
    switch (signal_) {
      case SIGTERM:
        return "SIGTERM";
      case SIGINT:
        return "SIGINT";
      default:
        return std::to_string(signal_);
    }
  }

  const ServerConfig& config_;
  io::Runtime& runtime_;
  io::Logger& logger_;
  const io::World world_;

  int signal_ = 0;
  io::CancelSource starting_;
  bool is_started_ = false;  // or failed to
  std::string waits_for_;    // the start
  io::CancelSource serving_;

  std::unique_ptr<io::Directory> data_;
  std::unique_ptr<node::PeerTransport> transport_;
  std::unique_ptr<node::Node> node_;
  std::unique_ptr<server::Server> server_;
};

}  // namespace

int serve(const ServerConfig& config, const std::vector<std::string>& notes) {
  // A peer that hangs up, and a file that may not grow, are errors of their writes, not the end of the process.
  ::signal(SIGPIPE, SIG_IGN);
  ::signal(SIGXFSZ, SIG_IGN);
  auto runtime = io::Runtime::create({.backend = backend_choice(config)});
  if (!runtime) {
    std::fprintf(stderr, "verity-server: %s\n", runtime.error().message.c_str());
    return exit_failure;
  }
  JsonLogger logger(STDERR_FILENO, (*runtime)->clock(), config.log_level);
  Service service(config, **runtime, logger);
  constexpr int signals[] = {SIGTERM, SIGINT};
  (*runtime)->on_signals(signals, [&](int signal) { service.end(signal); });
  int code = exit_failure;
  (*runtime)->run([&](io::Wait& wait) { code = service.run(wait, notes); });
  return code;
}

}  // namespace verity::tools
