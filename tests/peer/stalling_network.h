// A network whose directions can be stalled: what was sent stays under way until the direction opens again, as
// when packets are lost and sent again. Wrapped around the network of one process.
#pragma once

#include "io/fiber/sync.h"
#include "io/network.h"

#include <memory>
#include <set>
#include <string>
#include <utility>

namespace verity::peer::testing {

// Which directions between hosts are stalled. One for all processes; each has its loop, so waiting is polling.
struct Stalls {
  std::set<std::pair<std::string, std::string>> directions;  // from, to

  bool holds(const std::string& from, const std::string& to) const { return directions.contains({from, to}); }
};

class StallingNetwork final : public io::Network {
 public:
  StallingNetwork(io::Network& network, const Stalls& stalls, std::string host)
      : network_(network), stalls_(stalls), host_(std::move(host)) {}

  Result<std::unique_ptr<io::Listener>> listen(io::Wait& wait, const io::Address& address) override {
    VERITY_TRY_ASSIGN(auto listener, network_.listen(wait, address));
    return std::make_unique<StallingListener>(*this, std::move(listener));
  }

  Result<std::unique_ptr<io::Socket>> connect(io::Wait& wait, const io::Address& address) override {
    while (stalls_.holds(host_, address.host) || stalls_.holds(address.host, host_))
      VERITY_TRY(wait.sleep(1ms));
    VERITY_TRY_ASSIGN(auto socket, network_.connect(wait, address));
    return wrap(std::move(socket));
  }

 private:
  class StallingSocket final : public io::Socket {
   public:
    StallingSocket(const StallingNetwork& network, std::unique_ptr<io::Socket> socket)
        : network_(network), socket_(std::move(socket)) {}

    Result<std::size_t> read(io::Wait& wait, MutableByteView out) override {
      while (network_.stalls_.holds(peer().host, network_.host_)) VERITY_TRY(wait.sleep(1ms));
      // What comes while the direction is stalled is not handed out: look again before taking it.
      while (true) {
        io::Wait brief = wait.within(1ms);
        auto count = socket_->read(brief, out);
        if (count || count.error().code != ErrorCode::timed_out) return count;
        VERITY_TRY(wait.check());
        while (network_.stalls_.holds(peer().host, network_.host_)) VERITY_TRY(wait.sleep(1ms));
      }
    }
    Result<std::size_t> write(io::Wait& wait, ByteView data) override { return socket_->write(wait, data); }
    Status shutdown_write(io::Wait& wait) override { return socket_->shutdown_write(wait); }
    const io::Address& peer() const override { return socket_->peer(); }

   private:
    const StallingNetwork& network_;
    const std::unique_ptr<io::Socket> socket_;
  };

  class StallingListener final : public io::Listener {
   public:
    StallingListener(const StallingNetwork& network, std::unique_ptr<io::Listener> listener)
        : network_(network), listener_(std::move(listener)) {}
    Result<std::unique_ptr<io::Socket>> accept(io::Wait& wait) override {
      VERITY_TRY_ASSIGN(auto socket, listener_->accept(wait));
      return network_.wrap(std::move(socket));
    }
    const io::Address& address() const override { return listener_->address(); }

   private:
    const StallingNetwork& network_;
    const std::unique_ptr<io::Listener> listener_;
  };

  std::unique_ptr<io::Socket> wrap(std::unique_ptr<io::Socket> socket) const {
    return std::make_unique<StallingSocket>(*this, std::move(socket));
  }

  io::Network& network_;
  const Stalls& stalls_;
  const std::string host_;
};

}  // namespace verity::peer::testing
