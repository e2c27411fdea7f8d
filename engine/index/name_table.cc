#include "engine/index/name_table.h"

#include "io/base/assert.h"

#include <xxhash.h>

#include <algorithm>
#include <cstring>

namespace verity::index {
namespace {

// Small tenants have a small first block; many names make large ones.
constexpr std::size_t block_bytes_min = 2048;
constexpr std::size_t block_bytes_max = std::size_t{256} * 1024;

}  // namespace

std::uint64_t NameTable::hash_of(std::string_view name) const {
  return XXH3_64bits_withSeed(name.data(), name.size(), hash_seed_);
}

std::optional<std::uint32_t> NameTable::find(std::string_view name) const {
  return ids_.find(hash_of(name), [&](std::uint32_t id) { return this->name(id) == name; });
}

std::uint32_t NameTable::add(std::string_view name) {
  VERITY_ASSERT(name.size() <= name_bytes_max);
  const auto length = static_cast<std::uint16_t>(name.size());
  const auto needed = sizeof(length) + name.size();
  if (block_bytes_ - block_used_ < needed) {
    block_bytes_ = std::clamp(block_bytes_ * 2, block_bytes_min, block_bytes_max);
    blocks_.push_back(std::make_unique_for_overwrite<char[]>(block_bytes_));
    blocks_bytes_ += block_bytes_;
    block_used_ = 0;
  }
  char* at = blocks_.back().get() + block_used_;
  std::memcpy(at, &length, sizeof(length));
  std::memcpy(at + sizeof(length), name.data(), name.size());
  block_used_ += needed;
  const auto id = count();
  names_.push_back(at);
  ids_.insert(hash_of(name), id);
  return id;
}

std::string_view NameTable::name(std::uint32_t id) const {
  const char* at = names_[id];
  std::uint16_t length = 0;
  std::memcpy(&length, at, sizeof(length));
  return {at + sizeof(length), length};
}

std::size_t NameTable::heap_bytes() const {
  return blocks_bytes_ + names_.size() * sizeof(char*) + ids_.heap_bytes();
}

}  // namespace verity::index
