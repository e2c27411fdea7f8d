// The states that were seen, by their fingerprints: an open hash table of 16 bytes each, nothing else. Two states with the
// same 128 bits are taken for one; with 2^30 states the odds of that are below 2^-68.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace verity::explorer {

using Fingerprint = std::array<std::uint64_t, 2>;

class StateSet {
 public:
  StateSet();

  // False: it was there.
  bool insert(const Fingerprint& state);
  std::size_t size() const { return count_; }
  // In the table's order, which depends on what was inserted alone.
  template <class Visit>
  void each(Visit visit) const {
    for (const Fingerprint& state : slots_) {
      if (state != Fingerprint{}) visit(state);
    }
  }

 private:
  bool place(const Fingerprint& state);

  std::vector<Fingerprint> slots_;  // zeros: free; a power of two of them, at most 5/8 in use
  std::size_t count_ = 0;
};

}  // namespace verity::explorer
