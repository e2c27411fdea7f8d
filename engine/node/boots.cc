#include "engine/node/boots.h"

#include "engine/node/state_file.h"

#include <algorithm>

namespace verity::node {

void Boots::connected(const consensus::Member& peer, const Boot& boot) {
  const KnownBoot known{peer, boot};
  // While it is being written it stands in the state, and is not durable.
  const bool is_known = !writing_.contains(peer) &&
                        std::find(state_.known.begin(), state_.known.end(), known) != state_.known.end();
  is_known ? static_cast<void>(pending_.erase(peer))
           : static_cast<void>(pending_.insert_or_assign(peer, boot));
}

void Boots::write_down(const consensus::MemberSet& members) {
  writing_ = pending_;
  const auto is_replaced = [&](const consensus::Member& member) {
    return std::any_of(writing_.begin(), writing_.end(),
                       [&](const auto& now) { return now.first.id == member.id; });
  };
  std::erase_if(state_.known, [&](const KnownBoot& known) {
    if (writing_.contains(known.member)) return true;
    return is_replaced(known.member) && !members.contains(known.member);
  });
  for (const auto& [member, boot] : writing_) state_.known.push_back({member, boot});
}

void Boots::saved() {
  for (const auto& [member, boot] : writing_) {
    const auto found = pending_.find(member);
    if (found != pending_.end() && found->second == boot) pending_.erase(found);
  }
  writing_.clear();
}

}  // namespace verity::node
