#include "engine/consensus/send_window.h"

namespace verity::consensus {

void SendWindow::sent(const Batch& batch) {
  batches_.push_back(batch);
  bytes_ += batch.bytes;
  if (batch.is_bulk) ++bulk_batches_;
}

void SendWindow::acknowledged(Position position) {
  while (!batches_.empty() && batches_.front().last <= position) {
    forget(batches_.front());
    batches_.pop_front();
  }
}

void SendWindow::lost_after(Position position) {
  while (!batches_.empty() && batches_.back().last > position) {
    forget(batches_.back());
    batches_.pop_back();
  }
}

void SendWindow::forget(const Batch& batch) {
  bytes_ -= batch.bytes;
  if (batch.is_bulk) --bulk_batches_;
}

}  // namespace verity::consensus
