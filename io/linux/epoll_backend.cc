#include "io/linux/epoll_backend.h"

#include "io/base/assert.h"
#include "io/linux/blocking_calls.h"
#include "io/linux/errors.h"
#include "io/linux/fd.h"
#include "io/linux/thread_pool.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace verity::io {
namespace {

constexpr Duration sleep_max = 1h;

// Every socket is watched edge-triggered for as long as it lives. A call is tried first; only when the kernel
// says EAGAIN does the fiber wait for the next edge. An edge without a waiter may be dropped, because the
// next call tries first again.
class EpollBackend final : public Backend {
 public:
  explicit EpollBackend(ThreadPool& disk_pool) : disk_pool_(disk_pool) {}

  Status start() {
    epoll_fd_ = Fd(::epoll_create1(EPOLL_CLOEXEC));
    if (!epoll_fd_) return fail_errno(errno, "epoll_create1");
    wake_fd_ = Fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!wake_fd_) return fail_errno(errno, "eventfd");
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.ptr = nullptr;
    if (::epoll_ctl(epoll_fd_.get(), EPOLL_CTL_ADD, wake_fd_.get(), &event) != 0)
      return fail_errno(errno, "epoll_ctl");
    return {};
  }

  std::int64_t read(Wait& wait, int fd, ByteCount offset, MutableByteView out) override {
    return disk_pool_.run(wait, [=] { return read_now(fd, offset, out); });
  }

  std::int64_t write(Wait& wait, int fd, ByteCount offset, ByteView data, Durability durability) override {
    return disk_pool_.run(wait, [=] { return write_now(fd, offset, data, durability); });
  }

  std::int64_t sync(Wait& wait, int fd, bool data_only) override {
    return disk_pool_.run(wait, [=] { return sync_now(fd, data_only); });
  }

  int socket_flags() const override { return SOCK_CLOEXEC | SOCK_NONBLOCK; }

  void attach(SocketHandle& socket) override {
    epoll_event event{};
    event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
    event.data.ptr = &socket;
    const int failed = ::epoll_ctl(epoll_fd_.get(), EPOLL_CTL_ADD, socket.fd, &event);
    VERITY_ASSERT_NOTE(failed == 0, "a socket could not be watched");
  }

  void detach(SocketHandle& socket) override {
    VERITY_ASSERT_NOTE(socket.readers.empty() && socket.writers.empty(),
                       "a socket was closed under its fibers");
    const int failed = ::epoll_ctl(epoll_fd_.get(), EPOLL_CTL_DEL, socket.fd, nullptr);
    VERITY_ASSERT(failed == 0);
  }

  Outcome accept(Wait& wait, SocketHandle& socket, sockaddr_storage& peer) override {
    return try_and_wait(wait, socket.readers, [&] {
      socklen_t size = sizeof peer;
      return ::accept4(socket.fd, reinterpret_cast<sockaddr*>(&peer), &size, socket_flags());
    });
  }

  Outcome connect(Wait& wait, SocketHandle& socket, const sockaddr* address, socklen_t size) override {
    if (::connect(socket.fd, address, size) == 0) return {};
    if (errno != EINPROGRESS) return {-errno};
    Waiter waiter;
    socket.writers.add(waiter);
    if (const Wake wake = waiter.park(wait); wake != Wake::ready) return {0, wake};
    int number = 0;
    socklen_t number_size = sizeof number;
    if (::getsockopt(socket.fd, SOL_SOCKET, SO_ERROR, &number, &number_size) != 0) return {-errno};
    return {-number};
  }

  Outcome receive(Wait& wait, SocketHandle& socket, MutableByteView out) override {
    return try_and_wait(wait, socket.readers, [&] { return ::recv(socket.fd, out.data(), out.size(), 0); });
  }

  Outcome send(Wait& wait, SocketHandle& socket, ByteView data) override {
    return try_and_wait(wait, socket.writers,
                        [&] { return ::send(socket.fd, data.data(), data.size(), MSG_NOSIGNAL); });
  }

  void turn(Duration timeout) override {
    timeout = std::clamp(timeout, Duration(0), sleep_max);
    std::array<epoll_event, 256> events;
    const int count = sleep(events, timeout);
    for (int i = 0; i < count; ++i) {
      const epoll_event& event = events[static_cast<std::size_t>(i)];
      if (event.data.ptr == nullptr) {
        std::uint64_t wakes = 0;
        [[maybe_unused]] const ssize_t size = ::read(wake_fd_.get(), &wakes, sizeof wakes);
        continue;
      }
      auto* const socket = static_cast<SocketHandle*>(event.data.ptr);
      constexpr std::uint32_t ended = EPOLLERR | EPOLLHUP;
      if ((event.events & (EPOLLIN | EPOLLRDHUP | ended)) != 0) socket->readers.wake_all();
      if ((event.events & (EPOLLOUT | ended)) != 0) socket->writers.wake_all();
    }
  }

  void wake() override {
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = ::write(wake_fd_.get(), &one, sizeof one);
  }

 private:
  int sleep(std::span<epoll_event> events, Duration timeout) {
    const int count_max = static_cast<int>(events.size());
    if (has_pwait2_) {
      const timespec at_most{timeout / 1s, (timeout % Duration(1s)).count()};
      const int count = ::epoll_pwait2(epoll_fd_.get(), events.data(), count_max, &at_most, nullptr);
      if (count >= 0 || errno == EINTR) return count;
      has_pwait2_ = false;  // an old kernel, or a filter that does not know the call
    }
    // Whole milliseconds, rounded up: a timer may be late, but the loop does not spin until it is due.
    const auto ms = std::chrono::ceil<std::chrono::milliseconds>(timeout).count();
    return ::epoll_wait(epoll_fd_.get(), events.data(), count_max, static_cast<int>(ms));
  }

  template <class Call>
  Outcome try_and_wait(Wait& wait, WaitList& waiters, Call call) {
    while (true) {
      const std::int64_t result = uninterrupted(call);
      if (result != -EAGAIN) return {result};
      Waiter waiter;
      waiters.add(waiter);
      if (const Wake wake = waiter.park(wait); wake != Wake::ready) return {0, wake};
    }
  }

  ThreadPool& disk_pool_;
  Fd epoll_fd_;
  Fd wake_fd_;
  bool has_pwait2_ = true;
};

}  // namespace

Result<std::unique_ptr<Backend>> make_epoll_backend(ThreadPool& disk_pool) {
  auto backend = std::make_unique<EpollBackend>(disk_pool);
  VERITY_TRY(backend->start());
  return backend;
}

}  // namespace verity::io
