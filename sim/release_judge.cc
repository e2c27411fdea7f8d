#include "sim/release_judge.h"

namespace verity::sim {

void ReleaseJudge::started(std::uint64_t node, const node::Releases& known) {
  if (known.newest >= node::next_releases.newest) knew_.insert(node);
}

void ReleaseJudge::judge_activation(const std::string& what) {
  is_activated_ = true;
  for (std::uint64_t node = 1; node <= nodes_; ++node) {
    if (!knew_.contains(node)) world_.fail(what + ", and node " + std::to_string(node) + " never knew it");
  }
}

void ReleaseJudge::writes(std::uint64_t node, const node::ActiveRelease& active) {
  if (active.number == node::first_release) return;
  const std::string what = "node " + std::to_string(node) + " writes release " +
                           std::to_string(active.number) + " since entry " + active.at.describe();
  if (!is_activated_) judge_activation(what);
  if (active_.at.value == 0) active_ = active;
  if (active != active_) world_.fail(what + ", another one since entry " + active_.at.describe());
}

void ReleaseJudge::outdated(std::uint64_t node, std::string_view why) {
  judge_activation("node " + std::to_string(node) + " is outdated: " + std::string(why));
  const std::string entry = "entry " + active_.at.describe() + " ";
  if (active_.at.value != 0 && !why.contains(entry))
    world_.fail("node " + std::to_string(node) + " does not name " + entry +
                "that activated a release: " + std::string(why));
}

void ReleaseJudge::hears_later_release(std::uint64_t node) {
  judge_activation("node " + std::to_string(node) + " hears a release that its program does not know");
}

}  // namespace verity::sim
