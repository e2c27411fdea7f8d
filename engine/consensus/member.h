// Who takes part: a node id together with the incarnation of its data directory. A wiped disk is another member
// under the same id, so that nothing promised by the old one is expected of the new one.
#pragma once

#include "io/base/ids.h"

#include <array>
#include <compare>
#include <cstdint>
#include <span>
#include <string>

namespace verity::consensus {

inline constexpr std::uint64_t node_ids_max = 7;

struct Member {
  NodeId id;
  Id128 incarnation;

  auto operator<=>(const Member&) const = default;
  // "2:0a1b2c3d": the id, and the beginning of the incarnation.
  std::string describe() const;
};

// A few members, ordered by id. Two incarnations of one id may be in it while votes on a joint change are counted.
class MemberSet {
 public:
  MemberSet() = default;
  explicit MemberSet(std::span<const Member> members);

  std::size_t size() const { return count_; }
  bool empty() const { return count_ == 0; }
  bool contains(const Member& member) const;
  bool has_id(NodeId id) const { return find(id) != nullptr; }
  // The member of that id; null if there is none. Pointers live until the set changes.
  const Member* find(NodeId id) const;
  // False: it is full, and the member was not added. Adding one twice changes nothing.
  bool add(const Member& member);
  void remove(const Member& member);
  void clear() { count_ = 0; }
  // Ours that are not in the other one.
  MemberSet without(const MemberSet& other) const;
  // How many of ours are in the other one.
  std::size_t count_in(const MemberSet& other) const;
  // The fewest that any two of which have a member in common.
  std::size_t majority() const { return count_ / 2 + 1; }

  const Member* begin() const { return members_.data(); }
  const Member* end() const { return members_.data() + count_; }

  bool operator==(const MemberSet& other) const;
  // "{1:0a1b2c3d 2:4e5f6071}"
  std::string describe() const;

 private:
  std::array<Member, 2 * node_ids_max> members_{};  // while votes of a joint change are counted: old and new
  std::size_t count_ = 0;
};

// The id of a view's primary. It depends on nothing but the view: were it to move with the membership, two nodes with
// different logs could each think that they lead the same view.
inline NodeId primary_id(View view) {
  return NodeId{view.value % node_ids_max + 1};
}

// The first view after `view` whose primary is one of `voters`, which are not none.
View next_view(View view, const MemberSet& voters);

}  // namespace verity::consensus
