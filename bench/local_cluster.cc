#include "bench/local_cluster.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstring>

extern char** environ;

namespace verity::bench {
namespace {

// Free when it was asked for; nobody else on this machine is expected to be quicker.
std::uint16_t free_port() {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* const any = reinterpret_cast<sockaddr*>(&address);
  const bool bound = ::bind(fd, any, size) == 0 && ::getsockname(fd, any, &size) == 0;
  ::close(fd);
  return bound ? ntohs(address.sin_port) : std::uint16_t{0};
}

}  // namespace

LocalCluster::LocalCluster(std::string binary, std::string directory)
    : binary_(std::move(binary)), directory_(std::move(directory)) {}

Result<LocalCluster> LocalCluster::start(const std::string& binary, const std::string& directory,
                                         std::uint64_t nodes) {
  LocalCluster cluster(binary, directory);
  for (std::uint64_t i = 0; i < nodes; ++i) {
    cluster.addresses_.push_back({"127.0.0.1", free_port()});
    cluster.cluster_ports_.push_back(free_port());
    cluster.processes_.push_back(0);
  }
  for (std::size_t i = 0; i < nodes; ++i) VERITY_TRY(cluster.start_node(i));
  return cluster;
}

Status LocalCluster::start_node(std::size_t index) {
  const auto cluster_address = [&](std::size_t i) {
    return "127.0.0.1:" + std::to_string(cluster_ports_[i]);
  };
  std::string peers;
  for (std::size_t i = 0; i < cluster_ports_.size(); ++i) {
    if (i != index) peers += (peers.empty() ? "" : ",") + cluster_address(i);
  }
  const std::string own = directory_ + "/node" + std::to_string(index + 1);
  std::vector<std::string> arguments{binary_,
                                     "--node-id",
                                     std::to_string(index + 1),
                                     "--bind",
                                     addresses_[index].describe(),
                                     "--data-dir",
                                     own,
                                     "--log-level",
                                     "warn"};
  if (!peers.empty()) arguments.insert(arguments.end(), {"--cluster-peers", peers});
  std::vector<std::string> settings{"VERITY_CLUSTER_ADDRESS=" + cluster_address(index),
                                    "VERITY_METRICS_ADDRESS=127.0.0.1:" + std::to_string(free_port())};
  std::vector<char*> argv;
  argv.reserve(arguments.size() + 1);
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  std::vector<char*> environment;
  for (char** one = environ; *one != nullptr; ++one) environment.push_back(*one);
  for (std::string& setting : settings) environment.push_back(setting.data());
  environment.push_back(nullptr);

  posix_spawn_file_actions_t files;
  ::posix_spawn_file_actions_init(&files);
  const std::string log = own + ".log";
  ::posix_spawn_file_actions_addopen(&files, 1, log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  ::posix_spawn_file_actions_adddup2(&files, 1, 2);
  const int error =
      ::posix_spawn(&processes_[index], binary_.c_str(), &files, nullptr, argv.data(), environment.data());
  ::posix_spawn_file_actions_destroy(&files);
  if (error == 0) return {};
  processes_[index] = 0;
  return fail(ErrorCode::io_error, binary_ + ": " + std::strerror(error));
}

void LocalCluster::kill(NodeId node) {
  pid_t& process = processes_.at(node.value - 1);
  if (process == 0) return;
  ::kill(process, SIGKILL);
  ::waitpid(process, nullptr, 0);
  process = 0;
}

Status LocalCluster::restart(NodeId node) {
  return start_node(node.value - 1);
}

LocalCluster::~LocalCluster() {
  for (const pid_t process : processes_) {
    if (process != 0) ::kill(process, SIGTERM);
  }
  for (const pid_t process : processes_) {
    if (process != 0) ::waitpid(process, nullptr, 0);
  }
}

}  // namespace verity::bench
