// A simulated machine with its disk, on which the production node and its HTTP server are started, stopped,
// killed and started again, as an operator's service manager would.
#pragma once

#include "engine/node/options.h"
#include "engine/node/verify_directory.h"
#include "io/base/ids.h"
#include "io/base/result.h"
#include "net/peer/peers.h"
#include "net/server/options.h"
#include "sim/disk.h"
#include "sim/process.h"
#include "sim/world.h"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace verity::node {
class Node;
}

namespace verity::sim {

// How one run of the process came to its end.
enum class Ending : std::uint8_t {
  none,     // it has not
  refused,  // the node did not start; NodeHost::error() says why
  failed,   // the node could not go on
  stopped,  // as asked
  crashed,
};

struct NodeSetup {
  node::NodeOptions node;
  server::ServerOptions server;
  peer::PeerOptions peers;
  bool has_links = false;  // else it is alone for ever
  ClockOptions clock;
  DiskOptions disk;
};

class NodeHost {
 public:
  NodeHost(World& world, NodeSetup setup);
  // The process has ended.
  ~NodeHost();

  void start();
  // As SIGTERM: answers what is under way, then ends.
  void ask_to_stop();
  void crash(CrashKind kind, std::string_view why);

  bool is_running() const { return process_ != nullptr && !process_->is_finished(); }
  // The server answers, whatever it answers.
  bool is_serving() const { return serving_; }
  bool is_ready() const;
  // Destroys a process that has come to its end and says how.
  Ending take_ending();
  const Error& error() const { return *error_; }

  // Of a node that does not run: what a tool finds that reads its data directory. Lets the world run.
  Result<node::DirectoryReport> verify_directory();

  // Likewise, its log: at each position the hash of the entry, and the data of its first event, if it has any.
  struct HeldEntry {
    std::string hash;
    std::string data;
  };
  std::vector<HeldEntry> read_log();

  Disk& disk() { return disk_; }
  const Disk& disk() const { return disk_; }
  NodeSetup& setup() { return setup_; }
  const NodeSetup& setup() const { return setup_; }
  Process* process() { return process_.get(); }
  const Process* process() const { return process_.get(); }
  node::Node* node() const { return node_; }  // while it runs
  io::Address address() const { return setup_.server.client_address; }
  std::uint64_t boots() const { return boot_; }

  // Called on the node's fiber when it has recovered, before it serves: position and hash of its head; no
  // hash while its index is still being derived.
  std::function<void(std::uint64_t position, const std::string& hash)> on_recovered;
  // As Process::on_log.
  std::function<void(std::string_view message)> on_log;

 private:
  void run(io::Wait& wait);

  World& world_;
  NodeSetup setup_;
  Disk disk_;
  std::unique_ptr<Process> process_;
  node::Node* node_ = nullptr;
  std::uint64_t boot_ = 0;
  bool serving_ = false;
  Ending ending_ = Ending::none;
  std::optional<Error> error_;
};

std::string_view describe(Ending ending);

}  // namespace verity::sim
