// How other threads reach a loop: they post letters, whoever drives the loop drains them between turns.
// The only part of io/fiber that several threads may touch.
//
//   worker thread ── post ──► [ letter | letter ] ── drain ──► loop's thread
//                      └─ wake: the driver may be asleep
#pragma once

#include <functional>
#include <mutex>
#include <vector>

namespace verity::io {

class Mailbox {
 public:
  using Letter = std::move_only_function<void()>;

  // `wake` gets the driver out of its sleep. It is called on the posting thread, without the lock, whenever
  // the mailbox stops being empty, by several threads at once. Null: the driver looks often enough by itself.
  explicit Mailbox(std::move_only_function<void()> wake = nullptr) : wake_(std::move(wake)) {}
  Mailbox(const Mailbox&) = delete;
  Mailbox& operator=(const Mailbox&) = delete;

  // From any thread. What the poster wrote before is visible to the letter.
  void post(Letter letter);

  // On the loop's thread, outside its fibers: opens what has arrived, in order of arrival, and returns
  // whether there was anything. A letter does not wait; what it posts itself is opened at the next drain.
  bool drain();

 private:
  std::move_only_function<void()> wake_;
  std::mutex mutex_;
  std::vector<Letter> letters_;
  std::vector<Letter> opened_;  // of the loop's thread; kept for its capacity
};

}  // namespace verity::io
