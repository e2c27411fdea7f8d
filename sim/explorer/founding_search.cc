#include "sim/explorer/founding_search.h"

#include "io/base/prng.h"

#include <xxhash.h>

#include <algorithm>

namespace verity::explorer {
namespace {

Fingerprint fingerprint_of(const FoundingWorld& world) {
  const std::string text = world.describe();
  const XXH128_hash_t hash = XXH3_128bits(text.data(), text.size());
  return {hash.low64, hash.high64};
}

}  // namespace

FoundingSearch::FoundingSearch(const FoundingBounds& bounds, std::uint64_t states_max,
                               std::uint32_t heals_once_in)
    : bounds_(bounds), states_max_(states_max), heals_once_in_(heals_once_in) {
  waiting_.emplace_back(bounds_, messages_);
  found_.push_back({0, {}});
  seen_.insert(fingerprint_of(waiting_.front()));
}

Outcome FoundingSearch::advance(std::size_t count) {
  for (; count > 0 && outcome_ == Outcome::running; --count) {
    if (waiting_.empty()) return outcome_ = Outcome::exhausted;
    const FoundingWorld world = std::move(waiting_.front());
    waiting_.pop_front();
    const bool is_asked = heals_once_in_ != 0 && next_ % heals_once_in_ == 0;
    if (const auto why = is_asked ? world.why_it_stands_still() : std::nullopt) {
      why_ = *why;
      return outcome_ = Outcome::stands_still;
    }
    visit(world);
    if (outcome_ == Outcome::running) ++next_;
  }
  return outcome_;
}

void FoundingSearch::visit(const FoundingWorld& world) {
  for (const FoundingAction& action : world.possible()) {
    FoundingWorld after = world;
    after.apply(action);
    ++transitions_;
    if (after.violation()) {
      last_ = action;
      why_ = *after.violation();
      outcome_ = Outcome::violated;
      return;
    }
    if (found_.size() == states_max_) {
      outcome_ = Outcome::full;
    } else if (seen_.insert(fingerprint_of(after))) {
      found_.push_back({next_, action});
      waiting_.push_back(std::move(after));
    }
  }
}

std::vector<FoundingAction> FoundingSearch::actions_to(std::uint32_t index) const {
  std::vector<FoundingAction> actions;
  for (; index != 0; index = found_[index].parent) actions.push_back(found_[index].action);
  std::reverse(actions.begin(), actions.end());
  return actions;
}

std::size_t FoundingSearch::depth() const {
  return actions_to(std::min<std::uint32_t>(next_, static_cast<std::uint32_t>(found_.size() - 1))).size();
}

std::string FoundingSearch::story() const {
  std::vector<FoundingAction> actions = actions_to(next_);
  if (last_) actions.push_back(*last_);
  FoundingWorld world(bounds_, messages_);
  std::string text;
  for (const FoundingAction& action : actions) {
    text += world.describe(action) + "\n";
    world.apply(action);
  }
  return text + why_ + "\n";
}

std::optional<std::string> walk_through_founding(const FoundingBounds& bounds, std::uint64_t seed) {
  Prng prng = Prng(seed).fork("founding");
  const std::uint64_t late_percent = prng.between(0, 40);
  const std::uint64_t ordinary = prng.between(2, 30);
  FoundingMessages messages;
  FoundingWorld world(bounds, messages);
  std::string story;
  for (std::uint64_t step = prng.between(1, 150); step > 0; --step) {
    std::vector<FoundingAction> possible = world.possible();
    const bool is_ordinary = prng.below(ordinary + 1) != 0;
    std::erase_if(possible, [&](const FoundingAction& action) {
      return is_ordinary && (action.crashes || action.kind == FoundingAction::Kind::wipe);
    });
    if (possible.empty()) continue;
    // The messages come first, the oldest of them at the front.
    const std::size_t from = prng.below(100) < late_percent ? 0 : possible.size() / 2;
    const FoundingAction action = possible[prng.between(from, possible.size() - 1)];
    story += world.describe(action) + "\n";
    world.apply(action);
    if (world.violation()) return story + *world.violation() + "\n";
  }
  if (const auto why = world.why_it_stands_still()) return story + "Nobody disturbs, and " + *why + "\n";
  return std::nullopt;
}

}  // namespace verity::explorer
