// A later release becomes active because an operator says so.
#include "engine/node/found_cluster.h"
#include "engine/node/node_impl.h"
#include "io/directory.h"
#include "io/fiber/loop.h"
#include "io/file.h"

namespace verity::node {

Outcome<ActiveRelease> NodeImpl::activate_release(io::Wait& wait) {
  return at_leader<ActiveRelease>(
      wait, [&] { return activate_release_here(wait); },
      [&](const consensus::Member& leader) -> Outcome<ActiveRelease> {
        const Outcome<Bytes> answer = forwarder_->ask(wait, leader, QuestionKind::activate_release, {});
        if (!answer) return std::unexpected(answer.error());
        ByteReader from(*answer);
        const auto number = from.get<std::uint32_t>();
        const auto at = from.get<Position>();
        if (number && at) return ActiveRelease{*number, *at};
        return std::unexpected(
            Refusal{.code = RefusalCode::outcome_unknown, .detail = "the leader's answer is cut off"});
      });
}

// Repeating it changes nothing, so whoever leads next may be asked whenever this node leads no longer.
Outcome<ActiveRelease> NodeImpl::activate_release_here(io::Wait& wait) {
  if (auto refusal = await_leadership(wait)) return std::unexpected(std::move(*refusal));
  Activation& activation = replicator_->activation();
  const std::uint32_t release = activation.common();
  if (const std::string obstacle = activation.obstacle(); !obstacle.empty()) {
    return std::unexpected(Refusal{.code = RefusalCode::not_ready,
                                   .detail = "release " + std::to_string(activation.active().number) +
                                             " stays the active one: " + obstacle,
                                   .retry_after = 1s});
  }
  if (release > activation.active().number && !activation.propose(release)) {
    return std::unexpected(
        Refusal{.code = RefusalCode::overloaded, .detail = "there is no room in the log", .retry_after = 1s});
  }
  while (activation.active().number < release) {
    if (!serves())
      return std::unexpected(Refusal{.code = RefusalCode::not_leader, .detail = "this node leads no longer"});
    if (!applied_.wait(wait)) {
      return std::unexpected(Refusal{
          .code = RefusalCode::outcome_unknown,
          .detail = "release " + std::to_string(release) + " is on its way; /status says when it is active"});
    }
  }
  return activation.active();
}

}  // namespace verity::node
