// Strong integers: a position cannot be passed where a revision is meant.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <functional>
#include <string>

namespace verity {

template <class Tag>
struct StrongInt {
  std::uint64_t value = 0;

  auto operator<=>(const StrongInt&) const = default;
  StrongInt next() const { return {value + 1}; }
  std::string describe() const { return std::to_string(value); }
};

// The number of an entry in the cluster's log: from 1, without gaps; 0 is "before the first".
using Position = StrongInt<struct PositionTag>;
// The number of an event in its stream (or of a subject's event in its subject): from 0.
using Revision = StrongInt<struct RevisionTag>;
// A view of the replication protocol. 0 until the first view change.
using View = StrongInt<struct ViewTag>;
// A tenant, numbered from 1 in order of creation; never reused. 0 is the cluster itself.
using TenantId = StrongInt<struct TenantTag>;
// A node of the cluster: 1..7.
using NodeId = StrongInt<struct NodeTag>;

// 128 bits drawn at random: cluster ids, epochs, incarnations.
struct Id128 {
  std::array<std::uint8_t, 16> bytes{};

  auto operator<=>(const Id128&) const = default;
  bool is_zero() const { return *this == Id128{}; }
  // 32 lower-case hexadecimal digits.
  std::string describe() const;
};

}  // namespace verity

template <class Tag>
struct std::hash<verity::StrongInt<Tag>> {
  std::size_t operator()(verity::StrongInt<Tag> id) const noexcept {
    return std::hash<std::uint64_t>()(id.value);
  }
};
