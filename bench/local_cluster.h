// verity-server processes on this machine's loopback interface, for as long as the object lives.
#pragma once

#include "io/base/ids.h"
#include "io/base/result.h"
#include "io/network.h"

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

namespace verity::bench {

class LocalCluster {
 public:
  // `binary`: verity-server. Each node keeps its data and its log below `directory`. Ports are free ones.
  static Result<LocalCluster> start(const std::string& binary, const std::string& directory,
                                    std::uint64_t nodes);
  LocalCluster(LocalCluster&&) = default;
  LocalCluster& operator=(LocalCluster&&) = delete;
  // Ends the processes and waits for them.
  ~LocalCluster();

  const std::vector<io::Address>& addresses() const { return addresses_; }
  // Without warning; then it can be started again.
  void kill(NodeId node);
  Status restart(NodeId node);

 private:
  LocalCluster(std::string binary, std::string directory);
  Status start_node(std::size_t index);

  std::string binary_;
  std::string directory_;
  std::vector<io::Address> addresses_;
  std::vector<std::uint16_t> cluster_ports_;
  std::vector<pid_t> processes_;  // 0: not running
};

}  // namespace verity::bench
