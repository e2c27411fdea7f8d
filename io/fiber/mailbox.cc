#include "io/fiber/mailbox.h"

namespace verity::io {

void Mailbox::post(Letter letter) {
  bool was_empty = false;
  {
    const std::lock_guard lock(mutex_);
    was_empty = letters_.empty();
    letters_.push_back(std::move(letter));
  }
  if (was_empty && wake_) wake_();
}

bool Mailbox::drain() {
  {
    const std::lock_guard lock(mutex_);
    opened_.swap(letters_);
  }
  if (opened_.empty()) return false;
  for (Letter& letter : opened_) letter();
  opened_.clear();
  return true;
}

}  // namespace verity::io
