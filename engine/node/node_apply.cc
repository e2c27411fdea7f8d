// What happens to committed entries: the derived state takes them in, whoever waits is answered, checkpoints are made.
#include "engine/index/checkpoint.h"
#include "engine/log/replay.h"
#include "engine/node/derived_checkpoint.h"
#include "engine/node/node_impl.h"

#include "io/base/probe.h"
#include "io/clock.h"
#include "io/directory.h"
#include "io/fiber/loop.h"
#include "io/file.h"
#include "io/logger.h"

#include <algorithm>

namespace verity::node {

void NodeImpl::enqueue(const std::vector<log::EntryPtr>& entries) {
  metrics_.consensus_commits_total += entries.size();
  for (const Instant now = world_.clock.monotonic();
       !entries.empty() && !proposed_at_.empty() && proposed_at_.front().first <= entries.back()->position();
       proposed_at_.pop_front())
    metrics_.consensus_duration.observe(now - proposed_at_.front().second);
  apply_queue_.insert(apply_queue_.end(), entries.begin(), entries.end());
  apply_work_.notify_all();
}

void NodeImpl::run_applier(io::Wait& wait) {
  while (!failure_) {
    // What is applied while the index is derived again from the beginning comes after that.
    if (apply_queue_.empty() || !index_ready_) {
      if (applier_ends_) return;
      ignore(apply_work_.wait(wait), "the loop looks at what there is to do");
      if (wait.is_cancelled()) return;
      continue;
    }
    if (Status applied = apply_queued(wait); !applied) fail_with(applied.error());
  }
}

Status NodeImpl::apply_queued(io::Wait& wait) {
  io::Wait patient(wait.loop());  // a stop waits for the queue
  const auto guard = deriving_.lock(patient);
  if (!guard) return std::unexpected(guard.error());
  while (!apply_queue_.empty()) {
    const log::EntryPtr entry = std::move(apply_queue_.front());
    apply_queue_.pop_front();
    if (entry->position() <= derived_.position) continue;
    VERITY_TRY(derive(patient, *entry, derived_, opened_.tree_nodes.get()));
    settle_waiting(*entry);
    bytes_since_checkpoint_ += entry->bytes().size();
  }
  proposed_.prune(derived_.position);
  applied_.notify_all();
  const bool much_is_new =
      derived_.position.value - checkpointed_.value >= options_.tuning.checkpoint_entries ||
      bytes_since_checkpoint_ >= options_.tuning.checkpoint_bytes;
  // A large index is not written again for every little that was added to it.
  if (much_is_new && bytes_since_checkpoint_ >= 2 * checkpoint_weight_) checkpoint_work_.notify_all();
  return {};
}

void NodeImpl::run_checkpoints(io::Wait& wait) {
  while (checkpoint_work_.wait(wait)) {
    const Status saved = checkpoint(wait);
    if (saved) continue;
    // Without it the next start reads more of the log; that is all.
    world_.logger.log(io::LogLevel::warn, "verity_node", "cannot write a checkpoint; trying again later",
                      {{"error", saved.error().describe()}});
    if (!wait.sleep(5s)) return;
  }
}

Status NodeImpl::checkpoint(io::Wait& wait) {
  if (!index_ready_ || derived_.position == checkpointed_) return {};
  // An interrupted one would only be half a file more.
  io::Wait patient(wait.loop());
  // Entries are applied, and clients answered, while the disk writes, however slow it is.
  std::unique_ptr<index::CheckpointWriter> encoded;
  Position taken_at;
  {
    VERITY_TRY_ASSIGN(const auto guard, deriving_.lock(patient));
    VERITY_TRY_ASSIGN(encoded, encode_derived(patient, opened_.state->cluster_id, derived_));
    taken_at = derived_.position;
  }
  const ByteCount bytes_in_it = bytes_since_checkpoint_;
  const ByteCount weight =
      derived_.streams.memory_bytes() + derived_.keys.memory_bytes() + derived_.sessions.memory_bytes();
  // A checkpoint says that everything before it is durable, and committed with all that the node's state has to say of it.
  while (std::min(log_.durable(), log_.committed()) < taken_at) {
    if (failure_) return std::unexpected(*failure_);
    // A log that has stopped may have given up what the others have committed; the next start gets it from them.
    if (!log_.is_writable()) {
      VERITY_PROBE("checkpoints: given up, because the log has stopped");
      return {};
    }
    VERITY_TRY(wait.sleep(1ms));
  }
  // What a checkpoint knows the nodes of is not derived again.
  if (opened_.tree_nodes) VERITY_TRY(opened_.tree_nodes->sync(patient));
  VERITY_TRY(encoded->write(*opened_.index_directory));
  checkpointed_ = taken_at;
  bytes_since_checkpoint_ -= bytes_in_it;
  checkpoint_weight_ = weight;
  return {};
}

void NodeImpl::mend_tree() {
  if (opened_.tree_nodes->is_complete() || mending_tree_ || stopping_) return;
  mending_tree_ = true;
  spawn("rebuild tree", &NodeImpl::rebuild_tree);
}

void NodeImpl::rebuild_tree(io::Wait& wait) {
  while (!index_ready_) {
    if (!applied_.wait(wait)) return;
  }
  world_.logger.log(io::LogLevel::info, "verity_node", "deriving the nodes of the tree from the log");
  if (Status rebuilt = opened_.tree_nodes->rebuild(wait); !rebuilt && !wait.is_cancelled()) {
    world_.logger.log(io::LogLevel::warn, "verity_node",
                      "cannot derive the nodes of the tree; proofs are refused",
                      {{"error", rebuilt.error().describe()}});
  }
  mending_tree_ = false;
}

// Derives everything again from the beginning of the log, while the node answers "not ready".
void NodeImpl::rebuild(io::Wait& wait) {
  const Position end = opened_.committed.next();
  world_.logger.log(io::LogLevel::warn, "verity_node", "deriving state from the log",
                    {{"from", derived_.position.value + 1}, {"to", end.value}});
  const auto derive_on = [&] {
    return log::replay(
        wait, *opened_.log_directory, log_.table(), derived_.position.next(), end,
        [&](const log::EntryPtr& entry) { return derive(wait, *entry, derived_, opened_.tree_nodes.get()); });
  };
  auto damage = derive_on();
  while (can_be_repaired() && damage && *damage) {
    note_damage(**damage);
    if (!repaired_.wait(wait)) return;
    damage = derive_on();
  }
  if (!damage) {
    if (!wait.is_cancelled()) fail_with(damage.error());
    return;
  }
  if (*damage) {
    // An index that ends there would answer as if nothing followed, so nothing is answered from it.
    note_damage(**damage);
    VERITY_PROBE("index: it cannot be derived beyond damage");
    underivable_ = true;
    return;
  }
  index_ready_ = true;
  applied_.notify_all();
  apply_work_.notify_all();
  checkpoint_work_.notify_all();
}

}  // namespace verity::node
