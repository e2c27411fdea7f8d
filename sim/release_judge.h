// Judges what the nodes of a run do about releases. An operator moves them forward and back one by one, at random; a release may
// be activated only when each node's program knew it, by one entry, for good.
#pragma once

#include "engine/node/release.h"
#include "sim/world.h"

#include <cstdint>
#include <set>
#include <string>
#include <string_view>

namespace verity::sim {

class ReleaseJudge {
 public:
  ReleaseJudge(World& world, std::uint64_t nodes) : world_(world), nodes_(nodes) {}

  // A program that knows these was started on the node.
  void started(std::uint64_t node, const node::Releases& known);
  // Of a node that runs.
  void writes(std::uint64_t node, const node::ActiveRelease& active);
  // A node has stopped, or refuses to start, because its program is of the release before.
  void outdated(std::uint64_t node, std::string_view why);
  // A node is told something in a release that its program does not know.
  void hears_later_release(std::uint64_t node);

  // A release was activated: whoever does not know it is not of the cluster any more.
  bool is_activated() const { return is_activated_; }

 private:
  void judge_activation(const std::string& what);

  World& world_;
  const std::uint64_t nodes_;
  std::set<std::uint64_t> knew_;  // the next release, at some time
  bool is_activated_ = false;
  node::ActiveRelease active_;
};

}  // namespace verity::sim
