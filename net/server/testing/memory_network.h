// A network inside one process for tests of net/: pipes with a small capacity, on one loop, in the order
// things happen. Faults are the simulator's business; this one only lets a peer vanish.
#pragma once

#include "io/base/bytes.h"
#include "io/fiber/sync.h"
#include "io/network.h"

#include <algorithm>
#include <deque>
#include <map>
#include <memory>
#include <string>

namespace verity::server::testing {

// One direction of a connection.
struct Pipe {
  std::deque<std::byte> bytes;
  std::size_t capacity = 64 * 1024;
  bool is_write_closed = false;
  bool is_read_closed = false;
  io::Signal changed;
};

class MemorySocket final : public io::Socket {
 public:
  MemorySocket(std::shared_ptr<Pipe> in, std::shared_ptr<Pipe> out, io::Address peer)
      : in_(std::move(in)), out_(std::move(out)), peer_(std::move(peer)) {}
  ~MemorySocket() override {
    in_->is_read_closed = true;
    out_->is_write_closed = true;
    in_->changed.notify_all();
    out_->changed.notify_all();
  }

  Result<std::size_t> read(io::Wait& wait, MutableByteView out) override {
    VERITY_TRY(wait.check());
    while (in_->bytes.empty() && !in_->is_write_closed) VERITY_TRY(in_->changed.wait(wait));
    const std::size_t count = std::min(out.size(), in_->bytes.size());
    std::copy_n(in_->bytes.begin(), count, out.begin());
    in_->bytes.erase(in_->bytes.begin(), in_->bytes.begin() + static_cast<std::ptrdiff_t>(count));
    in_->changed.notify_all();
    return count;
  }

  Result<std::size_t> write(io::Wait& wait, ByteView data) override {
    VERITY_TRY(wait.check());
    while (out_->bytes.size() >= out_->capacity && !out_->is_read_closed)
      VERITY_TRY(out_->changed.wait(wait));
    if (out_->is_read_closed) return fail(ErrorCode::closed, "the peer is gone");
    const std::size_t count = std::min(data.size(), out_->capacity - out_->bytes.size());
    out_->bytes.insert(out_->bytes.end(), data.begin(), data.begin() + static_cast<std::ptrdiff_t>(count));
    out_->changed.notify_all();
    return count;
  }

  Status shutdown_write(io::Wait&) override {
    out_->is_write_closed = true;
    out_->changed.notify_all();
    return {};
  }
  const io::Address& peer() const override { return peer_; }

 private:
  const std::shared_ptr<Pipe> in_;
  const std::shared_ptr<Pipe> out_;
  const io::Address peer_;
};

class MemoryNetwork final : public io::Network {
 public:
  Result<std::unique_ptr<io::Listener>> listen(io::Wait&, const io::Address& address) override {
    if (backlogs_.contains(address.port)) return fail(ErrorCode::busy, address.describe() + " is taken");
    auto backlog = std::make_shared<Backlog>();
    backlogs_[address.port] = backlog;
    return std::make_unique<MemoryListener>(*this, address, std::move(backlog));
  }

  Result<std::unique_ptr<io::Socket>> connect(io::Wait&, const io::Address& address) override {
    const auto found = backlogs_.find(address.port);
    if (found == backlogs_.end()) return fail(ErrorCode::refused, "nobody listens on " + address.describe());
    auto there = std::make_shared<Pipe>();
    auto back = std::make_shared<Pipe>();
    found->second->sockets.push_back(std::make_unique<MemorySocket>(there, back, io::Address{"client", 1}));
    found->second->changed.notify_all();
    return std::make_unique<MemorySocket>(back, there, address);
  }

 private:
  struct Backlog {
    std::deque<std::unique_ptr<io::Socket>> sockets;
    io::Signal changed;
  };

  class MemoryListener final : public io::Listener {
   public:
    MemoryListener(MemoryNetwork& network, io::Address address, std::shared_ptr<Backlog> backlog)
        : network_(network), address_(std::move(address)), backlog_(std::move(backlog)) {}
    ~MemoryListener() override { network_.backlogs_.erase(address_.port); }

    Result<std::unique_ptr<io::Socket>> accept(io::Wait& wait) override {
      VERITY_TRY(wait.check());
      while (backlog_->sockets.empty()) VERITY_TRY(backlog_->changed.wait(wait));
      auto socket = std::move(backlog_->sockets.front());
      backlog_->sockets.pop_front();
      return socket;
    }
    const io::Address& address() const override { return address_; }

   private:
    MemoryNetwork& network_;
    const io::Address address_;
    const std::shared_ptr<Backlog> backlog_;
  };

  std::map<std::uint16_t, std::shared_ptr<Backlog>> backlogs_;
};

}  // namespace verity::server::testing
