#include "engine/log/uncommitted_tail.h"

namespace verity::log {

std::vector<PlacedEntry> UncommittedTail::take(const ScannedFlush& flush) {
  drop_from(flush.header.first_position);  // replaced
  for (std::size_t i = 0; i < flush.entries.size(); ++i) {
    entries_.push_back({flush.entries[i], flush.starts[i]});
  }
  return flush.header.kind == FlushKind::seal ? take_all() : take_up_to(flush.header.committed);
}

void UncommittedTail::drop_from(Position position) {
  while (!entries_.empty() && entries_.back().entry->position() >= position) entries_.pop_back();
}

std::vector<PlacedEntry> UncommittedTail::take_all() {
  return take_up_to(Position{UINT64_MAX});
}

std::vector<PlacedEntry> UncommittedTail::take_up_to(Position position) {
  std::vector<PlacedEntry> taken;
  while (!entries_.empty() && entries_.front().entry->position() <= position) {
    taken.push_back(std::move(entries_.front()));
    entries_.pop_front();
  }
  return taken;
}

}  // namespace verity::log
