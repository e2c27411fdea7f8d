// Finds small numbers by the hash of what they stand for. Open addressing with linear probing; what a number
// stands for lives with the caller, who also says when two are equal. Never iterated, so that no order can
// leak.
//
//   auto id = table.find(hash, [&](std::uint32_t id) { return names[id] == name; });
#pragma once

#include "io/base/assert.h"

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

namespace verity::index {

class IdTable {
 public:
  template <class IsEqual>
  std::optional<std::uint32_t> find(std::uint64_t hash, IsEqual&& is_equal) const {
    if (slots_.empty()) return std::nullopt;
    for (std::size_t at = home(tag_of(hash)); slots_[at].is_used(); at = after(at)) {
      if (slots_[at].tag == tag_of(hash) && is_equal(slots_[at].id())) return slots_[at].id();
    }
    return std::nullopt;
  }

  // Requires that no equal one is there.
  void insert(std::uint64_t hash, std::uint32_t id) {
    VERITY_ASSERT(id < UINT32_MAX);
    if ((count_ + 1) * 4 > slots_.size() * 3) grow();
    place({.tag = tag_of(hash), .id_plus_one = id + 1});
    ++count_;
  }

  // Requires that it is there.
  void erase(std::uint64_t hash, std::uint32_t id) {
    std::size_t at = home(tag_of(hash));
    while (!(slots_[at].is_used() && slots_[at].id() == id)) {
      VERITY_ASSERT(slots_[at].is_used());
      at = after(at);
    }
    // Closes the gap, so that no search ends early.
    for (std::size_t next = after(at); slots_[next].is_used(); next = after(next)) {
      const auto from_home = (next - home(slots_[next].tag)) & (slots_.size() - 1);
      const auto from_gap = (next - at) & (slots_.size() - 1);
      if (from_home < from_gap) continue;
      slots_[at] = slots_[next];
      at = next;
    }
    slots_[at] = {};
    --count_;
  }

  std::size_t heap_bytes() const { return slots_.capacity() * sizeof(Slot); }

 private:
  struct Slot {
    std::uint32_t tag = 0;
    std::uint32_t id_plus_one = 0;  // 0: nothing here

    bool is_used() const { return id_plus_one > 0; }
    std::uint32_t id() const { return id_plus_one - 1; }
  };

  static std::uint32_t tag_of(std::uint64_t hash) { return static_cast<std::uint32_t>(hash); }
  std::size_t home(std::uint32_t tag) const { return tag & (slots_.size() - 1); }
  std::size_t after(std::size_t at) const { return (at + 1) & (slots_.size() - 1); }

  void place(Slot slot) {
    std::size_t at = home(slot.tag);
    while (slots_[at].is_used()) at = after(at);
    slots_[at] = slot;
  }

  void grow() {
    auto old = std::exchange(slots_, std::vector<Slot>(slots_.empty() ? 8 : slots_.size() * 2));
    for (const auto& slot : old) {
      if (slot.is_used()) place(slot);
    }
  }

  // Invariant: a power of two, at most three quarters used.
  std::vector<Slot> slots_;
  std::size_t count_ = 0;
};

}  // namespace verity::index
