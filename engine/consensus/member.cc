#include "engine/consensus/member.h"

#include "io/base/assert.h"

#include <algorithm>

namespace verity::consensus {

std::string Member::describe() const {
  return id.describe() + ":" + incarnation.describe().substr(0, 8);
}

MemberSet::MemberSet(std::span<const Member> members) {
  for (const Member& member : members) VERITY_ASSERT(add(member));
}

bool MemberSet::contains(const Member& member) const {
  return std::find(begin(), end(), member) != end();
}

const Member* MemberSet::find(NodeId id) const {
  const Member* const found = std::find_if(begin(), end(), [&](const Member& m) { return m.id == id; });
  return found == end() ? nullptr : found;
}

bool MemberSet::add(const Member& member) {
  if (contains(member)) return true;
  if (count_ == members_.size()) return false;
  std::size_t at = count_++;
  for (; at > 0 && member < members_[at - 1]; --at) members_[at] = members_[at - 1];
  members_[at] = member;
  return true;
}

void MemberSet::remove(const Member& member) {
  Member* const found = std::find(members_.data(), members_.data() + count_, member);
  if (found == end()) return;
  std::copy(found + 1, members_.data() + count_, found);
  --count_;
}

MemberSet MemberSet::without(const MemberSet& other) const {
  MemberSet rest;
  for (const Member& member : *this) {
    if (!other.contains(member)) rest.add(member);
  }
  return rest;
}

std::size_t MemberSet::count_in(const MemberSet& other) const {
  return static_cast<std::size_t>(
      std::count_if(begin(), end(), [&](const Member& member) { return other.contains(member); }));
}

bool MemberSet::operator==(const MemberSet& other) const {
  return std::equal(begin(), end(), other.begin(), other.end());
}

std::string MemberSet::describe() const {
  std::string text = "{";
  for (const Member& member : *this) text += (text.size() > 1 ? " " : "") + member.describe();
  return text + "}";
}

View next_view(View view, const MemberSet& voters) {
  VERITY_ASSERT(!voters.empty());
  do {
    view = view.next();
  } while (!voters.has_id(primary_id(view)));
  return view;
}

}  // namespace verity::consensus
