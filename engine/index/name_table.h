// Numbers names in order of their appearance, from 0, and keeps them.
#pragma once

#include "engine/index/id_table.h"

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

namespace verity::index {

class NameTable {
 public:
  static constexpr std::size_t name_bytes_max = 1024;

  // `hash_seed` is drawn at random per process, so that nobody can prepare names that collide; nothing that
  // can be seen depends on it.
  explicit NameTable(std::uint64_t hash_seed) : hash_seed_(hash_seed) {}

  std::optional<std::uint32_t> find(std::string_view name) const;
  // Requires that it is not there, and name_bytes_max at most.
  std::uint32_t add(std::string_view name);
  // Valid as long as the table.
  std::string_view name(std::uint32_t id) const;
  std::uint32_t count() const { return static_cast<std::uint32_t>(names_.size()); }

  std::size_t heap_bytes() const;

 private:
  std::uint64_t hash_of(std::string_view name) const;

  const std::uint64_t hash_seed_;
  IdTable ids_;
  std::deque<const char*> names_;  // each: length (2 bytes), then the name; in blocks_
  std::vector<std::unique_ptr<char[]>> blocks_;
  std::size_t block_bytes_ = 0;  // of the last block
  std::size_t block_used_ = 0;
  std::size_t blocks_bytes_ = 0;  // of all
};

}  // namespace verity::index
