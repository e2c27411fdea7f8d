// What a node looks at every second: whether its disk has room, whether it should go on leading, and whether a release can be
// activated.
#include "engine/node/node_impl.h"

#include "io/directory.h"
#include "io/fiber/loop.h"
#include "io/file.h"
#include "io/logger.h"

namespace verity::node {

std::optional<std::string> NodeImpl::why_unfit() const {
  if (const auto& problem = log_.space_problem())
    return "another log segment cannot be prepared: " + problem->message;
  return std::nullopt;
}

// One that can take no entries would make the whole cluster refuse them, although others could.
void NodeImpl::give_away_if_unfit(io::Wait& wait) {
  if (transport_ == nullptr || !replicator_ || !serves() || leaving_ || replicator_->is_handing_over())
    return;
  const auto why = why_unfit();
  const std::vector<NodeId> able = why ? heirs() : std::vector<NodeId>();
  if (able.empty()) return;
  world_.logger.log(io::LogLevel::warn, "verity_node", "Another node is to lead", {{"reason", *why}});
  static_cast<void>(hand_over_to(wait, able));  // if nobody takes it, it is tried again
}

void NodeImpl::run_watch(io::Wait& wait) {
  while (true) {
    if (const auto free = opened_.log_directory->free_bytes(wait)) disk_free_bytes_ = *free;
    if (wait.is_cancelled()) return;
    give_away_if_unfit(wait);
    if (replicator_ && !leaving_) replicator_->activation().tend(wait.now());
    io::Wait soon = wait.within(options_.tuning.watch_interval);
    ignore(unfit_.wait(soon), "it is time, or somebody was refused");
    if (wait.is_cancelled()) return;
  }
}

}  // namespace verity::node
