#include "sim/explorer/state_set.h"

#include <utility>

namespace verity::explorer {

StateSet::StateSet() : slots_(1024) {}

bool StateSet::place(const Fingerprint& state) {
  std::size_t at = state[0] & (slots_.size() - 1);
  while (slots_[at] != Fingerprint{}) {
    if (slots_[at] == state) return false;
    at = (at + 1) & (slots_.size() - 1);
  }
  slots_[at] = state;
  return true;
}

bool StateSet::insert(const Fingerprint& state) {
  if (!place(state)) return false;
  ++count_;
  if (count_ * 8 > slots_.size() * 5) {
    std::vector<Fingerprint> old(slots_.size() * 2);
    std::swap(old, slots_);
    for (const Fingerprint& known : old) {
      if (known != Fingerprint{}) place(known);
    }
  }
  return true;
}

}  // namespace verity::explorer
