#include "io/linux/network.h"

#include "io/linux/backend.h"
#include "io/linux/errors.h"
#include "io/linux/port_holder.h"
#include "io/linux/thread_pool.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <arpa/inet.h>

#include <cerrno>
#include <cstring>
#include <vector>

namespace verity::io {
namespace {

constexpr int backlog = 1024;
constexpr std::uint32_t calls_between_pauses = 32;

struct Endpoint {
  sockaddr_storage storage{};
  socklen_t size = 0;

  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

Address to_address(const sockaddr_storage& from) {
  char text[INET6_ADDRSTRLEN] = "";
  if (from.ss_family == AF_INET6) {
    sockaddr_in6 v6{};
    std::memcpy(&v6, &from, sizeof v6);
    ::inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof text);
    return {text, ntohs(v6.sin6_port)};
  }
  sockaddr_in v4{};
  std::memcpy(&v4, &from, sizeof v4);
  ::inet_ntop(AF_INET, &v4.sin_addr, text, sizeof text);
  return {text, ntohs(v4.sin_port)};
}

// What getaddrinfo() makes of it. `flags` AI_NUMERICHOST: without asking anybody.
Result<std::vector<Endpoint>> look_up(const Address& address, int flags) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = flags | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int failed =
      ::getaddrinfo(address.host.c_str(), std::to_string(address.port).c_str(), &hints, &found);
  if (failed != 0) {
    return fail(failed == EAI_NONAME ? ErrorCode::not_found : ErrorCode::io_error,
                "resolving the name " + address.host + ": " + ::gai_strerror(failed));
  }
  std::vector<Endpoint> endpoints;
  for (const addrinfo* each = found; each != nullptr; each = each->ai_next) {
    Endpoint& endpoint = endpoints.emplace_back();
    endpoint.size = each->ai_addrlen;
    std::memcpy(&endpoint.storage, each->ai_addr, each->ai_addrlen);
  }
  ::freeaddrinfo(found);
  return endpoints;
}

// Numbers at once; names on a thread, which may go on after the caller gave up.
Result<std::vector<Endpoint>> resolve(Wait& wait, ThreadPool& pool, const Address& address, int flags) {
  if (auto numeric = look_up(address, AI_NUMERICHOST)) return numeric;
  return pool.run_detachable(wait, [address, flags] { return look_up(address, flags); });
}

// Other fibers get a turn even when the connection always has something to do.
Status pause_now_and_then(Wait& wait, std::uint32_t& call_count) {
  if (++call_count % calls_between_pauses == 0) return wait.yield();
  return wait.check();
}

// A descriptor and what the backend knows of it.
class Attached {
 public:
  Attached(Backend& backend, Fd fd) : backend_(backend), fd_(std::move(fd)) {
    handle_.fd = fd_.get();
    backend_.attach(handle_);
  }
  ~Attached() { backend_.detach(handle_); }
  Attached(const Attached&) = delete;
  Attached& operator=(const Attached&) = delete;

  Backend& backend() { return backend_; }
  SocketHandle& handle() { return handle_; }
  int fd() const { return fd_.get(); }

 private:
  Backend& backend_;
  Fd fd_;
  SocketHandle handle_;
};

class LinuxSocket final : public Socket {
 public:
  LinuxSocket(std::unique_ptr<Attached> attached, Address peer)
      : attached_(std::move(attached)), peer_(std::move(peer)) {
    const int on = 1;
    // It can only fail on a connection that has ended already, which the next call will tell.
    [[maybe_unused]] const int failed =
        ::setsockopt(attached_->fd(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }

  Result<std::size_t> read(Wait& wait, MutableByteView out) override {
    if (out.empty()) return 0;
    return transfer(wait, "reading from", [&] { return backend().receive(wait, attached_->handle(), out); });
  }

  Result<std::size_t> write(Wait& wait, ByteView data) override {
    if (data.empty()) return 0;
    return transfer(wait, "writing to", [&] { return backend().send(wait, attached_->handle(), data); });
  }

  Status shutdown_write(Wait& wait) override {
    VERITY_TRY(wait.check());
    if (::shutdown(attached_->fd(), SHUT_WR) != 0)
      return fail_errno(errno, "finishing to " + peer_.describe());
    return {};
  }

  const Address& peer() const override { return peer_; }

 private:
  Backend& backend() { return attached_->backend(); }

  template <class Call>
  Result<std::size_t> transfer(Wait& wait, const char* doing, Call call) {
    VERITY_TRY(pause_now_and_then(wait, call_count_));
    while (true) {
      const Outcome outcome = call();
      if (outcome.wake != Wake::ready)
        return std::unexpected(to_status(outcome.wake, "a connection").error());
      if (outcome.value >= 0) return static_cast<std::size_t>(outcome.value);
      if (outcome.value == -EINTR || outcome.value == -EAGAIN) continue;
      return fail_errno(static_cast<int>(-outcome.value), doing + (" " + peer_.describe()));
    }
  }

  const std::unique_ptr<Attached> attached_;
  const Address peer_;
  std::uint32_t call_count_ = 0;
};

class LinuxListener final : public Listener {
 public:
  LinuxListener(std::unique_ptr<Attached> attached, Address address)
      : attached_(std::move(attached)), address_(std::move(address)) {}

  Result<std::unique_ptr<Socket>> accept(Wait& wait) override {
    VERITY_TRY(pause_now_and_then(wait, call_count_));
    while (true) {
      sockaddr_storage peer{};
      const Outcome outcome = attached_->backend().accept(wait, attached_->handle(), peer);
      if (outcome.wake != Wake::ready)
        return std::unexpected(to_status(outcome.wake, "a connection").error());
      if (outcome.value >= 0) {
        Fd fd(static_cast<int>(outcome.value));
        auto attached = std::make_unique<Attached>(attached_->backend(), std::move(fd));
        return std::make_unique<LinuxSocket>(std::move(attached), to_address(peer));
      }
      // Whoever connected may have left again; that is no news of the listener.
      const bool is_passing = outcome.value == -EINTR || outcome.value == -EAGAIN ||
                              outcome.value == -ECONNABORTED || outcome.value == -EPROTO;
      if (!is_passing)
        return fail_errno(static_cast<int>(-outcome.value), "accepting on " + address_.describe());
    }
  }

  const Address& address() const override { return address_; }

 private:
  const std::unique_ptr<Attached> attached_;
  const Address address_;
  std::uint32_t call_count_ = 0;
};

}  // namespace

Result<std::unique_ptr<Listener>> LinuxNetwork::listen(Wait& wait, const Address& address) {
  VERITY_TRY(wait.check());
  const std::string doing = "listening on " + address.describe();
  auto endpoints = resolve(wait, services_.pool, address, AI_PASSIVE);
  if (!endpoints) return std::unexpected(std::move(endpoints).error().within(doing));
  const Endpoint& endpoint = endpoints->front();

  Fd fd(::socket(endpoint.storage.ss_family, SOCK_STREAM | services_.backend.socket_flags(), 0));
  if (!fd) return fail_errno(errno, doing);
  const int on = 1;
  if (::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0) return fail_errno(errno, doing);
  if (::bind(fd.get(), endpoint.get(), endpoint.size) != 0 || ::listen(fd.get(), backlog) != 0) {
    if (errno != EADDRINUSE) return fail_errno(errno, doing);
    const std::string holder = services_.pool.run(wait, [&] { return describe_port_holder(address.port); });
    return fail(ErrorCode::busy, doing + ": the port is taken by " + holder);
  }
  sockaddr_storage bound{};
  socklen_t size = sizeof bound;
  if (::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&bound), &size) != 0)
    return fail_errno(errno, doing);
  Address really = address;
  really.port = to_address(bound).port;
  auto attached = std::make_unique<Attached>(services_.backend, std::move(fd));
  return std::make_unique<LinuxListener>(std::move(attached), std::move(really));
}

Result<std::unique_ptr<Socket>> LinuxNetwork::connect(Wait& wait, const Address& address) {
  VERITY_TRY(wait.check());
  const std::string doing = "connecting to " + address.describe();
  auto endpoints = resolve(wait, services_.pool, address, AI_ADDRCONFIG);
  if (!endpoints) return std::unexpected(std::move(endpoints).error().within(doing));
  int last_failure = 0;
  for (const Endpoint& endpoint : *endpoints) {
    Fd fd(::socket(endpoint.storage.ss_family, SOCK_STREAM | services_.backend.socket_flags(), 0));
    if (!fd) {
      last_failure = errno;
      continue;
    }
    auto attached = std::make_unique<Attached>(services_.backend, std::move(fd));
    const Outcome outcome =
        services_.backend.connect(wait, attached->handle(), endpoint.get(), endpoint.size);
    if (outcome.wake != Wake::ready) return std::unexpected(to_status(outcome.wake, doing.c_str()).error());
    if (outcome.value == 0) return std::make_unique<LinuxSocket>(std::move(attached), address);
    last_failure = static_cast<int>(-outcome.value);
  }
  return fail_errno(last_failure, doing);
}

}  // namespace verity::io
