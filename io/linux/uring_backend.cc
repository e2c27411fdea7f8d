#include "io/linux/uring_backend.h"

#include "io/base/assert.h"
#include "io/linux/blocking_calls.h"
#include "io/linux/durable_way.h"
#include "io/linux/errors.h"
#include "io/linux/fd.h"
#include "io/linux/thread_pool.h"

#include <liburing.h>
#include <sys/eventfd.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>

namespace verity::io {
namespace {

constexpr unsigned submission_count = 512;
constexpr unsigned completion_count = 4096;
constexpr Duration sleep_max = 1h;

// What a completion finds: on the stack of the fiber that waits for it.
struct Operation {
  Waiter waiter;
  std::int32_t result = 0;
  bool is_finished = false;
};

class UringBackend final : public Backend {
 public:
  explicit UringBackend(ThreadPool& disk_pool) : disk_pool_(disk_pool) {}
  ~UringBackend() override {
    if (has_ring_) io_uring_queue_exit(&ring_);
  }

  Status start() {
    // Newest first: one thread submits, and completions are worked off when it asks for them rather than
    // by interrupting it.
    int failed = -EINVAL;
    for (const unsigned flags :
         {IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN, IORING_SETUP_COOP_TASKRUN, 0u}) {
      io_uring_params params{};
      params.flags = flags | IORING_SETUP_CQSIZE;
      params.cq_entries = completion_count;
      failed = io_uring_queue_init_params(submission_count, &ring_, &params);
      if (failed != -EINVAL) break;
    }
    if (failed < 0) return fail_errno(-failed, "io_uring_setup");
    has_ring_ = true;
    constexpr unsigned needed = IORING_FEAT_EXT_ARG | IORING_FEAT_NODROP | IORING_FEAT_FAST_POLL;
    if ((ring_.features & needed) != needed)
      return fail(ErrorCode::unsupported, "this kernel's io_uring is too old");
    wake_fd_ = Fd(::eventfd(0, EFD_CLOEXEC));
    if (!wake_fd_) return fail_errno(errno, "eventfd");
    listen_for_wake();
    return {};
  }

  std::int64_t read(Wait& wait, int fd, ByteCount offset, MutableByteView out) override {
    Operation operation;
    io_uring_prep_read(submission(&operation), fd, out.data(), length(out.size()), offset);
    return finish(wait, operation);
  }

  std::int64_t write(Wait& wait, int fd, ByteCount offset, ByteView data, Durability durability) override {
    if (durability == Durability::cached) return write_by_ring(wait, fd, offset, data, 0);
    const DurableWay way = durable_way_.choose();
    const auto begin = std::chrono::steady_clock::now();
    const std::int64_t result =
        way == DurableWay::ring
            ? write_by_ring(wait, fd, offset, data, RWF_DSYNC)
            : disk_pool_.run(wait, [=] { return write_now(fd, offset, data, Durability::durable); });
    durable_way_.record(way, std::chrono::steady_clock::now() - begin);
    return result;
  }

  std::int64_t sync(Wait& wait, int fd, bool data_only) override {
    Operation operation;
    io_uring_prep_fsync(submission(&operation), fd, data_only ? IORING_FSYNC_DATASYNC : 0);
    return finish(wait, operation);
  }

  // Not SOCK_NONBLOCK: with it the kernel would answer EAGAIN instead of waiting for us.
  int socket_flags() const override { return SOCK_CLOEXEC; }
  void attach(SocketHandle&) override {}
  void detach(SocketHandle&) override {}

  Outcome accept(Wait& wait, SocketHandle& socket, sockaddr_storage& peer) override {
    Operation operation;
    socklen_t size = sizeof peer;
    io_uring_prep_accept(submission(&operation), socket.fd, reinterpret_cast<sockaddr*>(&peer), &size,
                         SOCK_CLOEXEC);
    return finish_or_give_up(wait, operation);
  }

  Outcome connect(Wait& wait, SocketHandle& socket, const sockaddr* address, socklen_t size) override {
    Operation operation;
    io_uring_prep_connect(submission(&operation), socket.fd, address, size);
    return finish_or_give_up(wait, operation);
  }

  Outcome receive(Wait& wait, SocketHandle& socket, MutableByteView out) override {
    Operation operation;
    io_uring_prep_recv(submission(&operation), socket.fd, out.data(), length(out.size()), 0);
    return finish_or_give_up(wait, operation);
  }

  // Nearly always there is room, and then asking directly spares a trip through the loop.
  Outcome send(Wait& wait, SocketHandle& socket, ByteView data) override {
    const ssize_t sent = ::send(socket.fd, data.data(), data.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent >= 0) return {sent};
    if (errno != EAGAIN && errno != EINTR) return {-errno};
    Operation operation;
    io_uring_prep_send(submission(&operation), socket.fd, data.data(), length(data.size()), MSG_NOSIGNAL);
    return finish_or_give_up(wait, operation);
  }

  void turn(Duration timeout) override {
    timeout = std::clamp(timeout, Duration(0), sleep_max);
    io_uring_cqe* first = nullptr;
    if (timeout == Duration(0)) {
      io_uring_submit_and_get_events(&ring_);
    } else {
      __kernel_timespec at_most{};
      at_most.tv_sec = timeout / 1s;
      at_most.tv_nsec = (timeout % Duration(1s)).count();
      // Errors here are ETIME, EINTR and a full completion queue: each is cured by going on.
      io_uring_submit_and_wait_timeout(&ring_, &first, 1, &at_most, nullptr);
    }
    reap();
    if (was_woken_) listen_for_wake();
  }

  void wake() override {
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = ::write(wake_fd_.get(), &one, sizeof one);
  }

 private:
  static unsigned length(std::size_t size) {
    return static_cast<unsigned>(std::min(size, transfer_bytes_max));
  }

  io_uring_sqe* submission(Operation* operation) {
    io_uring_sqe* sqe = io_uring_get_sqe(&ring_);
    while (sqe == nullptr) {  // the queue is full: hand it over, and make room for the answers
      io_uring_submit_and_get_events(&ring_);
      reap();
      sqe = io_uring_get_sqe(&ring_);
    }
    io_uring_sqe_set_data(sqe, operation);  // the prep functions leave it alone
    return sqe;
  }

  std::int64_t write_by_ring(Wait& wait, int fd, ByteCount offset, ByteView data, int flags) {
    Operation operation;
    io_uring_sqe* const sqe = submission(&operation);
    io_uring_prep_write(sqe, fd, data.data(), length(data.size()), offset);
    sqe->rw_flags = flags;
    return finish(wait, operation);
  }

  // Disk operations are never taken back.
  std::int64_t finish(Wait& wait, Operation& operation) {
    operation.waiter.park_until_woken(wait);
    return operation.result;
  }

  Outcome finish_or_give_up(Wait& wait, Operation& operation) {
    const Wake wake = operation.waiter.park(wait);
    if (wake == Wake::ready) return {operation.result};
    if (!operation.is_finished) {
      io_uring_sqe* const sqe = submission(nullptr);
      io_uring_prep_cancel(sqe, &operation, 0);
      operation.waiter.park_until_woken(wait);
    }
    // It may have finished first; then its bytes or its connection must not be lost.
    if (operation.result == -ECANCELED || operation.result == -EINTR) return {0, wake};
    return {operation.result};
  }

  // Makes ready whoever's operation has finished.
  void reap() {
    unsigned head = 0;
    unsigned count = 0;
    io_uring_cqe* completion = nullptr;
    io_uring_for_each_cqe(&ring_, head, completion) {
      ++count;
      auto* const operation = static_cast<Operation*>(io_uring_cqe_get_data(completion));
      if (operation == nullptr) continue;  // the answer to a cancellation
      if (operation == &wake_operation_) {
        was_woken_ = true;
        continue;
      }
      operation->result = completion->res;
      operation->is_finished = true;
      operation->waiter.wake();
    }
    io_uring_cq_advance(&ring_, count);
  }

  void listen_for_wake() {
    was_woken_ = false;
    io_uring_prep_read(submission(&wake_operation_), wake_fd_.get(), &wake_count_, sizeof wake_count_, 0);
  }

  ThreadPool& disk_pool_;
  DurableWayChooser durable_way_;
  io_uring ring_{};
  bool has_ring_ = false;
  Fd wake_fd_;
  Operation wake_operation_;
  std::uint64_t wake_count_ = 0;
  bool was_woken_ = false;
};

}  // namespace

Result<std::unique_ptr<Backend>> make_uring_backend(ThreadPool& disk_pool) {
  auto backend = std::make_unique<UringBackend>(disk_pool);
  VERITY_TRY(backend->start());
  return backend;
}

}  // namespace verity::io
