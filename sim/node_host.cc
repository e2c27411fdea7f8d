#include "sim/node_host.h"

#include "engine/log/body.h"
#include "engine/log/verify.h"
#include "engine/node/node.h"
#include "io/base/assert.h"
#include "io/directory.h"
#include "net/cluster/transport.h"
#include "net/server/server.h"
#include "sim/network.h"

namespace verity::sim {

std::string_view describe(Ending ending) {
  switch (ending) {
    case Ending::none:
      return "running";
    case Ending::refused:
      return "refused";
    case Ending::failed:
      return "failed";
    case Ending::stopped:
      return "stopped";
    case Ending::crashed:
      return "crashed";
  }
  return "?";
}

NodeHost::NodeHost(World& world, NodeSetup setup)
    : world_(world),
      setup_(std::move(setup)),
      disk_(world, "disk" + setup_.node.node_id.describe(), setup_.disk) {}

NodeHost::~NodeHost() {
  VERITY_ASSERT(!is_running());
}

bool NodeHost::is_ready() const {
  return serving_ && node_ != nullptr && node_->is_ready();
}

void NodeHost::start() {
  VERITY_ASSERT(process_ == nullptr);
  ending_ = Ending::none;
  error_.reset();
  process_ = std::make_unique<Process>(
      world_,
      ProcessOptions{.host = setup_.server.client_address.host, .boot = ++boot_, .clock = setup_.clock});
  process_->on_log = on_log;
  process_->spawn("main", [this](io::Wait& wait) { run(wait); });
}

void NodeHost::ask_to_stop() {
  process_->ask_to_end();
}

void NodeHost::crash(CrashKind kind, std::string_view why) {
  process_->crash(why, kind);
}

void NodeHost::run(io::Wait& wait) {
  const auto refuse = [&](Error error) {
    process_->trace("refuse " + error.describe());
    error_ = std::move(error);
    ending_ = Ending::refused;
  };
  const std::unique_ptr<io::Directory> data = disk_.mount(*process_, "data");
  std::optional<cluster::Transport> transport;
  if (setup_.has_links) transport.emplace(process_->io_world(), setup_.peers);
  io::Wait until_the_end = wait.under(process_->end());
  // Founding a cluster may take for ever.
  auto node = node::Node::start(until_the_end, process_->io_world(), *data, setup_.node,
                                transport ? &*transport : nullptr);
  if (!node && until_the_end.is_cancelled()) {
    ending_ = Ending::stopped;
    return;
  }
  if (!node) return refuse(node.error());
  node_ = node->get();
  process_->trace("ready  node " + node_->status().state);
  // While its index is still being derived a node knows where its log ends, but not yet the head.
  const auto head = node_->head(wait);
  const node::NodeStatus status = node_->status();
  if (on_recovered && !process_->is_crashed() && (head || status.damage.empty())) {
    on_recovered(head ? head->position.value : status.commit_index.value, head ? head->hash.describe() : "");
  }
  auto server = server::Server::start(wait, process_->io_world(), *node_, setup_.server);
  if (!server) {
    refuse(server.error());
  } else {
    serving_ = true;
    const Status failed = node_->wait_until_failed(until_the_end);
    serving_ = false;
    ending_ = Ending::stopped;
    if (!failed) {
      process_->trace("failed " + failed.error().describe());
      error_ = failed.error();
      ending_ = Ending::failed;
    } else {
      io::Wait patient = wait.within(10s);
      node_->leave(patient);
    }
    (*server)->stop(wait);
    server->reset();
  }
  const Status stopped = node_->stop(wait);
  if (!stopped && ending_ == Ending::stopped) {
    process_->trace("failed " + stopped.error().describe());
    error_ = stopped.error();
    ending_ = Ending::failed;
  }
  node_ = nullptr;
}

Result<node::DirectoryReport> NodeHost::verify_directory() {
  VERITY_ASSERT(process_ == nullptr);
  std::optional<Result<node::DirectoryReport>> report;
  Process tool(world_, {.host = setup_.server.client_address.host + " verify", .boot = boot_});
  tool.spawn("verify", [&](io::Wait& wait) {
    const std::unique_ptr<io::Directory> data = disk_.mount(tool, "data");
    report = node::verify_directory(wait, *data, {});
  });
  const bool ended = world_.run_until([&] { return tool.is_finished(); });
  VERITY_ASSERT_NOTE(ended, "the verification of a directory does not end");
  return std::move(*report);
}

std::vector<NodeHost::HeldEntry> NodeHost::read_log() {
  VERITY_ASSERT(process_ == nullptr);
  std::vector<HeldEntry> held;
  log::VerifyOptions options;
  options.on_entry = [&](const log::EntryPtr& entry, std::uint64_t, std::uint32_t) -> Status {
    log::EventsBody body;
    const bool has_events =
        entry->header().kind == log::EntryKind::events && log::decode(entry->body(), body);
    held.push_back({entry->hash().describe(), has_events ? std::string(body.events.front().data) : ""});
    return {};
  };
  Process tool(world_, {.host = setup_.server.client_address.host + " log", .boot = boot_});
  tool.spawn("read", [&](io::Wait& wait) {
    const std::unique_ptr<io::Directory> data = disk_.mount(tool, "data");
    const auto directory = data->open_directory(wait, "log", false);
    if (directory) ignore(log::verify_log(wait, **directory, options), "what could be read counts");
  });
  const bool ended = world_.run_until([&] { return tool.is_finished(); });
  VERITY_ASSERT_NOTE(ended, "reading a log does not end");
  return held;
}

Ending NodeHost::take_ending() {
  VERITY_ASSERT(process_ != nullptr && process_->is_finished());
  const Ending ending = process_->is_crashed() ? Ending::crashed : ending_;
  process_->trace("end    " + std::string(describe(ending)));
  if (disk_.open_files() != 0)
    world_.fail(std::to_string(disk_.open_files()) + " files are open after the node has ended");
  process_.reset();
  return ending;
}

}  // namespace verity::sim
