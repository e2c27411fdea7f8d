#include "engine/consensus/testing/healing.h"

#include "io/base/prng.h"

#include <algorithm>
#include <deque>

namespace verity::consensus::testing {
namespace {

constexpr int rounds_max = 300;
constexpr int deliveries_max = 20'000;  // in one round

class Healer {
 public:
  Healer(ModelCluster& cluster, const Healing& how)
      : cluster_(cluster), how_(how), prng_(how.seed), timers_(cluster.size() + 1) {}

  std::optional<std::string> heal(int* rounds) {
    for (std::uint64_t id = 1; id <= cluster_.size(); ++id) {
      if (!cluster_.is_up(NodeId{id}) && NodeId{id} != how_.away) cluster_.start(NodeId{id});
    }
    lose_messages();
    std::string missing;
    for (int round = 1; round <= rounds_max; ++round) {
      if (rounds != nullptr) *rounds = round;
      if (!go_on()) return "messages without end";
      if (cluster_.violation()) return cluster_.violation();
      missing = what_is_missing();
      if (missing.empty()) return std::nullopt;
    }
    return "all faults have ended, and " + missing;
  }

 private:
  struct Timer {
    std::uint64_t heard = 0;  // as of the last round
    std::uint64_t left = 0;   // rounds until the election timeout has passed
  };

  void lose_messages() {
    const std::uint64_t of_two = prng_.below(3);
    for (std::size_t i = cluster_.messages().size(); i > 0; --i) {
      if (prng_.below(2) < of_two) cluster_.drop(i - 1);
    }
  }

  bool is_there(std::uint64_t id) const { return cluster_.is_up(NodeId{id}) && NodeId{id} != how_.away; }

  // One heartbeat interval. False: it does not come to an end.
  bool go_on() {
    let_bulk_arrive();
    for (std::uint64_t id = 1; id <= cluster_.size(); ++id) {
      if (!is_there(id)) continue;
      if (cluster_.replica(NodeId{id}).is_primary()) {
        cluster_.tend(NodeId{id}, how_.away ? 0 : how_.members);
      } else {
        cluster_.beat(NodeId{id});
      }
    }
    if (!drain()) return false;
    for (std::uint64_t id = 1; id <= cluster_.size(); ++id) {
      if (is_there(id) && has_timed_out(id)) cluster_.silence(NodeId{id});
    }
    return drain();
  }

  bool has_timed_out(std::uint64_t id) {
    Timer& timer = timers_[id];
    const std::uint64_t heard = cluster_.heard(NodeId{id});
    if (std::exchange(timer.heard, heard) == heard && timer.left > 0) return --timer.left == 0;
    timer.left = prng_.between(3, 6) * cluster_.patience(NodeId{id});
    return false;
  }

  bool drain() {
    for (int delivered = 0; delivered <= deliveries_max; ++delivered) {
      for (std::uint64_t id = 1; id <= cluster_.size(); ++id) {
        while (is_there(id) && cluster_.writes_under_way(NodeId{id}) > 0) cluster_.complete_write(NodeId{id});
      }
      const std::optional<std::size_t> next = next_message();
      if (!next) return true;
      const Envelope& envelope = cluster_.messages()[*next];
      if (envelope.to.id == how_.away || envelope.from.id == how_.away) {
        cluster_.drop(*next);
      } else {
        cluster_.deliver(*next);
      }
    }
    return false;
  }

  static bool is_bulk(const Envelope& envelope) { return std::holds_alternative<Fetched>(envelope.message); }

  // What is filled with comes on a lane of its own, and slowly.
  std::optional<std::size_t> next_message() {
    const std::vector<Envelope>& messages = cluster_.messages();
    const auto next = std::find_if(messages.begin(), messages.end(), [&](const Envelope& envelope) {
      return !is_bulk(envelope) || bulk_arrived_ > 0;
    });
    if (next == messages.end()) return std::nullopt;
    if (is_bulk(*next)) --bulk_arrived_;
    return static_cast<std::size_t>(next - messages.begin());
  }

  void let_bulk_arrive() {
    const std::vector<Envelope>& messages = cluster_.messages();
    std::size_t fresh =
        static_cast<std::size_t>(std::count_if(messages.begin(), messages.end(), is_bulk)) - bulk_arrived_;
    for (const std::size_t older : bulk_under_way_) fresh -= older;
    bulk_under_way_.push_back(fresh);
    if (bulk_under_way_.size() <= bulk_rounds_) return;
    bulk_arrived_ += bulk_under_way_.front();
    bulk_under_way_.pop_front();
  }

  std::string what_is_missing() {
    NodeId leader;
    for (std::uint64_t id = 1; id <= cluster_.size(); ++id) {
      const bool leads = is_there(id) && cluster_.replica(NodeId{id}).is_primary();
      if (leads &&
          (leader.value == 0 || cluster_.replica(NodeId{id}).view() > cluster_.replica(leader).view()))
        leader = NodeId{id};
    }
    if (leader.value == 0) return "nobody leads";
    const Membership& membership = cluster_.replica(leader).journal().membership();
    const bool waits =
        membership.unsettled && how_.away && membership.unsettled->newcomers.has_id(*how_.away);
    if (membership.unsettled && !waits) return "a change of the members is not settled";
    for (std::uint64_t id = 1; id <= cluster_.size(); ++id) {
      const NodeId node{id};
      if (node == how_.away) continue;
      const bool votes = membership.voters.contains(cluster_.member(node));
      // Who is away keeps others from coming and going with it.
      const bool as_they_are = how_.members == 0 || how_.away;
      const bool is_wanted = as_they_are ? membership.voters.has_id(node) : id <= how_.members;
      if (is_wanted != votes && !waits)
        return "node " + node.describe() + (votes ? " is not let go" : " is not let in");
    }
    if (proposed_by_ != leader) {
      cluster_.propose(leader, "after all");
      proposed_by_ = leader;
      proposed_ = cluster_.replica(leader).journal().head();
    }
    for (const Member& voter : membership.voters) {
      if (is_there(voter.id.value) && cluster_.replica(voter.id).journal().committed() < proposed_)
        return "a new entry is not committed at " + voter.describe();
    }
    return {};
  }

  ModelCluster& cluster_;
  const Healing how_;
  Prng prng_;
  std::vector<Timer> timers_;
  const std::size_t bulk_rounds_ = prng_.chance(1, 3) ? prng_.between(1, 10) : 0;
  std::deque<std::size_t> bulk_under_way_;  // by rounds
  std::size_t bulk_arrived_ = 0;            // and may be delivered
  NodeId proposed_by_;
  Position proposed_;
};

}  // namespace

std::string Healing::describe() const {
  return "heals" + (members == 0 ? "" : " members=" + std::to_string(members)) +
         (away ? " without=" + away->describe() : "") + (seed == 0 ? "" : " seed=" + std::to_string(seed));
}

std::optional<std::string> what_does_not_heal(ModelCluster& cluster, const Healing& how, int* rounds) {
  return Healer(cluster, how).heal(rounds);
}

bool has_to_heal(const ModelCluster& cluster) {
  std::size_t harmed = 0;
  std::size_t on_new_disks = 0;
  for (std::uint64_t id = 1; id <= cluster.size(); ++id) {
    harmed += cluster.may_lack_entries(NodeId{id}) ? 1 : 0;
    on_new_disks += cluster.has_lost_its_disk(NodeId{id}) ? 1 : 0;
  }
  return harmed == 0 || harmed + on_new_disks <= (cluster.size() - 1) / 2;
}

}  // namespace verity::consensus::testing
