// Threads for what the kernel offers only as calls that block: names in directories, name resolution, and in
// the fallback backend all of a file.
//
//   fiber ── job ──► queue ──► thread ── letter ──► mailbox ──► fiber
#pragma once

#include "io/fiber/wait.h"

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

namespace verity::io {

class Mailbox;

class ThreadPool {
 public:
  // Threads start when there is work for them. They take no signals.
  ThreadPool(Mailbox& mailbox, std::size_t thread_count_max);
  // Finishes what was submitted.
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  // Runs `work` on a thread and returns what it returned. Finishes whatever the Wait says, so `work` may use
  // the caller's memory.
  template <class Work>
  auto run(Wait& wait, Work work) -> std::invoke_result_t<Work&> {
    std::optional<std::invoke_result_t<Work&>> outcome;
    Waiter waiter;
    submit([&] { outcome.emplace(work()); }, [&] { waiter.wake(); });
    waiter.park_until_woken(wait);
    return std::move(*outcome);
  }

  // The same, but gives up with timed_out or cancelled when the Wait says so; the thread still runs to its
  // end. `work` therefore owns what it uses. It returns a Result.
  template <class Work>
  auto run_detachable(Wait& wait, Work work) -> std::invoke_result_t<Work&> {
    struct Shared {
      std::optional<std::invoke_result_t<Work&>> outcome;
      Waiter* waiter = nullptr;  // of the loop's thread
    };
    const auto shared = std::make_shared<Shared>();
    Waiter waiter;
    shared->waiter = &waiter;
    submit([shared, work = std::move(work)]() mutable { shared->outcome.emplace(work()); },
           [shared] {
             if (shared->waiter != nullptr) shared->waiter->wake();
           });
    const Wake wake = waiter.park(wait);
    shared->waiter = nullptr;
    if (wake != Wake::ready) return std::unexpected(to_status(wake, "a blocking call").error());
    return std::move(*shared->outcome);
  }

 private:
  struct Job {
    std::move_only_function<void()> work;  // on a thread
    std::move_only_function<void()> done;  // on the loop's thread
  };

  void submit(std::move_only_function<void()> work, std::move_only_function<void()> done);
  void start_thread();
  void serve();
  void carry_out(Job job);

  Mailbox& mailbox_;
  const std::size_t thread_count_max_;
  std::vector<std::thread> threads_;  // of the loop's thread

  std::mutex mutex_;
  std::condition_variable has_work_;
  std::deque<Job> jobs_;      // guarded by mutex_
  std::size_t idle_ = 0;      // guarded by mutex_
  bool is_stopping_ = false;  // guarded by mutex_
};

}  // namespace verity::io
