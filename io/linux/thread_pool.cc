#include "io/linux/thread_pool.h"

#include "io/fiber/mailbox.h"

#include <csignal>
#include <system_error>

namespace verity::io {
namespace {

// A thread inherits the mask of who starts it: with everything blocked, signals go to the loop's thread.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t all;
    sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalsBlocked() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

 private:
  sigset_t before_;
};

}  // namespace

ThreadPool::ThreadPool(Mailbox& mailbox, std::size_t thread_count_max)
    : mailbox_(mailbox), thread_count_max_(thread_count_max) {}

ThreadPool::~ThreadPool() {
  {
    const std::lock_guard lock(mutex_);
    is_stopping_ = true;
  }
  has_work_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void ThreadPool::submit(std::move_only_function<void()> work, std::move_only_function<void()> done) {
  bool needs_thread = false;
  {
    const std::lock_guard lock(mutex_);
    jobs_.push_back({std::move(work), std::move(done)});
    needs_thread = jobs_.size() > idle_;
  }
  if (needs_thread && threads_.size() < thread_count_max_) start_thread();
  has_work_.notify_one();
}

// A machine without threads to spare still makes progress: by those there are, or on the loop's own.
void ThreadPool::start_thread() {
  try {
    const SignalsBlocked blocked;
    threads_.emplace_back([this] { serve(); });
  } catch (const std::system_error&) {
    if (!threads_.empty()) return;
    Job job;
    {
      const std::lock_guard lock(mutex_);
      job = std::move(jobs_.front());
      jobs_.pop_front();
    }
    carry_out(std::move(job));
  }
}

void ThreadPool::serve() {
  while (true) {
    Job job;
    {
      std::unique_lock lock(mutex_);
      ++idle_;
      has_work_.wait(lock, [&] { return is_stopping_ || !jobs_.empty(); });
      --idle_;
      if (jobs_.empty()) return;
      job = std::move(jobs_.front());
      jobs_.pop_front();
    }
    carry_out(std::move(job));
  }
}

void ThreadPool::carry_out(Job job) {
  job.work();
  job.work = nullptr;
  mailbox_.post(std::move(job.done));
}

}  // namespace verity::io
