// What a Replicator keeps in the node's durable state: promises, who the members are, the release, which starts of the others it has
// heard. One fiber saves; whatever comes meanwhile goes with the next save.
#include "engine/node/replicator.h"

#include "engine/node/found_cluster.h"
#include "io/directory.h"
#include "io/fiber/loop.h"
#include "io/file.h"
#include "io/logger.h"
#include "io/world.h"

#include <algorithm>

namespace verity::node {
namespace {

constexpr std::string_view log_target = "verity_consensus";

}  // namespace

// The state says what the membership is where the log says that it is committed.
void Replicator::tell_log_committed() {
  log_.set_committed(std::min(replica_.journal().committed(), members_.commit_limit()));
}

void Replicator::leave() {
  fail_with({ErrorCode::unsupported, "node " + state_.node_id.describe() +
                                         " is no member of the cluster any more; its process ends"});
}

void Replicator::note_outdated() {
  is_outdated_ = true;
  saves_work_.notify_one();
}

// Whatever it has promised since, it does not know.
void Replicator::leave_outdated() {
  fail_with(outdated_error(state_.node_id));
}

void Replicator::state_saved() {
  members_.saved();
  early_acks_.saved();
  boots_.saved();
  if (activation_.saved()) {
    const ActiveRelease& active = activation_.active();
    world_.logger.log(io::LogLevel::info, log_target, "A release was activated",
                      {{"release", std::uint64_t{active.number}}, {"entry", active.at.value}});
    if (Status known = check_release(state_, known_); !known) return fail_with(known.error());
    changed();
  }
  if (running_) tell_log_committed();
}

// The last of several promises stands for all of them.
void Replicator::run_promises(io::Wait& wait) {
  while (true) {
    if (saves_.empty() && !is_state_behind()) {
      if (!running_ || !saves_work_.wait(wait)) return;
      continue;
    }
    std::optional<consensus::SavePromises> save;
    if (!saves_.empty()) save = saves_.back();
    saves_.clear();
    if (save) {
      state_.view = save->promises.view;
      state_.primary = save->promises.primary;
      state_.log_view = save->promises.log_view;
      state_.unknown_from = save->promises.unknown_from;
    }
    members_.write_down();
    early_acks_.write_down();
    activation_.write_down();
    boots_.write_down(replica_.journal().membership().everyone());
    state_.outdated = is_outdated_;
    if (log_.durable().value > 0)
      state_.founded = true;        // from now on a log without entries is a damaged one
    io::Wait patient(wait.loop());  // half a promise is none
    if (Status saved = save_state(patient, meta_, state_); !saved) return fail_with(saved.error());
    if (is_outdated_) return leave_outdated();
    state_saved();
    if (save) step(consensus::PromisesSaved{save->number});
  }
}

}  // namespace verity::node
