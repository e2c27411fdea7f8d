#include "io/linux/runtime.h"

#include "io/base/assert.h"
#include "io/fiber/wait.h"
#include "io/linux/backend.h"
#include "io/linux/directory.h"
#include "io/linux/epoll_backend.h"
#include "io/linux/errors.h"
#include "io/linux/network.h"
#include "io/linux/thread_pool.h"
#include "io/linux/uring_backend.h"

#include <atomic>
#include <csignal>

namespace verity::io {
namespace {

// Fibers that run before the kernel is asked again what has happened, so that a few that are always ready do
// not keep the others' answers waiting.
constexpr std::uint64_t fibers_per_turn = 256;

// A signal handler has only globals to work with.
std::atomic<Backend*> signalled_backend = nullptr;
std::atomic<int> received_signal = 0;
sigset_t handled_signals;

void reset_handlers() {
  for (int signal = 1; signal < NSIG; ++signal) {
    if (sigismember(&handled_signals, signal) == 1) ::signal(signal, SIG_DFL);
  }
}

void handle_signal(int signal) {
  const int errno_before = errno;
  reset_handlers();
  received_signal.store(signal);
  if (Backend* const backend = signalled_backend.load()) backend->wake();
  errno = errno_before;
}

}  // namespace

Result<std::unique_ptr<Runtime>> Runtime::create(RuntimeOptions options) {
  std::unique_ptr<Runtime> runtime(new Runtime(options));
  VERITY_TRY(runtime->start(options.backend));
  return runtime;
}

Runtime::Runtime(RuntimeOptions options)
    : mailbox_([this] { backend_->wake(); }),
      loop_(clock_, nullptr, options.stack_bytes),
      name_pool_(std::make_unique<ThreadPool>(mailbox_, options.thread_count_max)),
      disk_pool_(std::make_unique<ThreadPool>(mailbox_, options.thread_count_max)) {}

Runtime::~Runtime() {
  if (received_) {
    reset_handlers();
    signalled_backend.store(nullptr);
  }
  // Their threads post to the mailbox and wake the backend.
  name_pool_.reset();
  disk_pool_.reset();
}

Status Runtime::start(BackendChoice choice) {
  std::string why = "chosen";
  if (choice != BackendChoice::fallback) {
    auto uring = make_uring_backend(*disk_pool_);
    if (uring) {
      backend_ = std::move(*uring);
      backend_name_ = "io_uring";
    } else if (choice == BackendChoice::io_uring) {
      return std::unexpected(std::move(uring).error());
    } else {
      why = "io_uring refused: " + uring.error().message;
    }
  }
  if (!backend_) {
    VERITY_TRY_ASSIGN(backend_, make_epoll_backend(*disk_pool_));
    backend_name_ = "thread pool and epoll (" + why + ")";
  }
  network_ = std::make_unique<LinuxNetwork>(Services{*backend_, *name_pool_});
  return {};
}

void Runtime::run(std::move_only_function<void(Wait&)> body) {
  loop_.spawn("main", [this, &body] {
    Wait wait(loop_);
    body(wait);
  });
  while (true) {
    clock_.refresh();
    mailbox_.drain();
    deliver_signals();
    loop_.fire_timers();
    loop_.run_ready(fibers_per_turn);
    if (loop_.fiber_count() == 0) return;
    Duration timeout(0);
    if (!loop_.has_ready()) {
      clock_.refresh();
      timeout = loop_.next_deadline() - clock_.monotonic();
    }
    backend_->turn(timeout);
  }
}

Network& Runtime::network() {
  return *network_;
}

Result<std::unique_ptr<Directory>> Runtime::open_directory(Wait& wait, std::string_view path, bool create) {
  return open_directory_at(wait, Services{*backend_, *name_pool_}, std::string(path), create);
}

void Runtime::on_signals(std::span<const int> signals, std::move_only_function<void(int signal)> received) {
  VERITY_ASSERT_NOTE(signalled_backend.load() == nullptr, "another runtime has the signals");
  received_ = std::move(received);
  received_signal.store(0);
  sigemptyset(&handled_signals);
  for (const int signal : signals) sigaddset(&handled_signals, signal);
  signalled_backend.store(backend_.get());
  struct sigaction action {};
  action.sa_handler = handle_signal;
  action.sa_mask = handled_signals;  // one at a time
  action.sa_flags = SA_RESTART;
  for (const int signal : signals) {
    const int failed = ::sigaction(signal, &action, nullptr);
    VERITY_ASSERT_NOTE(failed == 0, "a signal that cannot be handled");
  }
}

void Runtime::deliver_signals() {
  if (!received_ || received_signal.load(std::memory_order_relaxed) == 0) return;
  received_(received_signal.exchange(0));
}

}  // namespace verity::io
