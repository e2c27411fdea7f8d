// TCP of the machine. Every connection has TCP_NODELAY: what is written leaves at once.
#pragma once

#include "io/linux/file.h"
#include "io/network.h"

namespace verity::io {

class LinuxNetwork final : public Network {
 public:
  explicit LinuxNetwork(Services services) : services_(services) {}

  Result<std::unique_ptr<Listener>> listen(Wait& wait, const Address& address) override;
  // Tries every address a name stands for, in the resolver's order, and reports the last failure.
  Result<std::unique_ptr<Socket>> connect(Wait& wait, const Address& address) override;

 private:
  const Services services_;
};

}  // namespace verity::io
