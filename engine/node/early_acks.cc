#include "engine/node/early_acks.h"

#include "engine/consensus/replica.h"
#include "engine/log/log.h"
#include "engine/node/members.h"

namespace verity::node {
namespace {

constexpr std::string_view mark = "async";

}  // namespace

bool has_forgotten(const DurableState& state) {
  const consensus::MemberSet members = members_of(state);
  const bool is_settled = state.members.at.value == 0 || state.members.settled_at.value != 0;
  const bool is_alone =
      is_settled && members.size() == 1 && members.contains({state.node_id, state.incarnation});
  return state.running == mark && state.is_member && !is_alone;
}

EarlyAcks::EarlyAcks(Parts parts) : parts_(parts) {}

bool EarlyAcks::is_alone() const {
  return parts_.replica.journal().membership().everyone().size() == 1 && !parts_.replica.is_learner();
}

// With others, who stand the loss of one.
bool EarlyAcks::may_forget() const {
  return !is_alone() && !parts_.replica.is_learner() && !parts_.members.is_behind() &&
         parts_.members.unfinished().empty();
}

bool EarlyAcks::are_given() const {
  if (parts_.mode != SyncMode::async || ended_) return false;
  return is_alone() ? !lets_others_in_ : marked_ && may_forget();
}

consensus::LogDurable EarlyAcks::durable() {
  if (!are_given()) return {flushed_, parts_.log.durable()};
  given_ = std::max(given_, parts_.log.last_proposed());
  given_replacements_ = parts_.log.generation();
  return {given_replacements_, parts_.log.last_proposed()};
}

bool EarlyAcks::are_made_good() const {
  // What was replaced since is nobody's any more.
  return parts_.log.durable() >= std::min(given_, parts_.log.last_proposed()) &&
         flushed_ >= given_replacements_;
}

bool EarlyAcks::let_others_in() {
  if (parts_.mode != SyncMode::async || !is_alone()) return true;
  lets_others_in_ = true;
  return are_made_good();
}

bool EarlyAcks::is_to_be_marked() const {
  if (parts_.mode == SyncMode::async && !ended_ && may_forget()) return true;
  return marked_ && !are_made_good();
}

void EarlyAcks::write_down() {
  marking_ = is_to_be_marked();
  parts_.state.running = marking_ ? mark : "fsync";
}

}  // namespace verity::node
