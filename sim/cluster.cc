#include "sim/cluster.h"

#include "engine/node/node.h"
#include "sim/network.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace verity::sim {

Cluster::Cluster(World& world, History& history, const Scenario& scenario, Prng& prng)
    : world_(world),
      history_(history),
      scenario_(scenario),
      prng_(prng),
      links_prng_(world.prng("links")),
      members_change_(scenario.grows() || scenario.setup.node.sync_mode == node::SyncMode::async ||
                      scenario.faults.weights[static_cast<std::size_t>(Disturbance::lost_disk)] != 0),
      newcomers_are_early_(Prng(scenario.seed).fork("newcomers").chance(1, 3)),
      releases_(world, scenario.nodes),
      upgrades_in_the_end_(scenario.upgrades() && prng.chance(2, 3)) {
  if (scenario.faults.damage_class != DamageClass::none) {
    while (harmed_.size() < (scenario.nodes - 1) / 2) harmed_.insert(prng_.below(scenario.nodes));
  }
  for (std::uint64_t node = 1; node <= scenario.nodes; ++node)
    nodes_.push_back(std::make_unique<NodeKeeper>(world, history, scenario, prng, node));
  for (std::uint64_t node = 1; scenario.upgrades() && node <= scenario.nodes; ++node) {
    NodeKeeper& keeper = *nodes_[node - 1];
    if (prng.chance(1, 2)) keeper.host().setup().node.releases = node::next_releases;
    keeper.on_started = [this, node](const node::Releases& known) { releases_.started(node, known); };
    keeper.on_outdated = [this, node](std::string_view why) { releases_.outdated(node, why); };
    keeper.host().on_log = [this, node](std::string_view message) {
      if (message == "a message of a later release was ignored") releases_.hears_later_release(node);
      // The worst moment to take the program back: while the others learn of it.
      if (message != "A release was activated" || std::exchange(is_taken_back_, true)) return;
      for (std::size_t other = 0; other < nodes_.size(); ++other) {
        if (other + 1 != node && prng_.chance(1, 2)) nodes_[other]->go_back_soon();
      }
    };
  }
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    if (!is_time_for(i)) nodes_[i]->stay_down();
  }
}

// Whoever comes later is started when there is a cluster to come to, or too early.
bool Cluster::is_time_for(std::size_t node) const {
  if (!scenario_.grows() || node < scenario_.first_nodes || newcomers_are_early_) return true;
  return std::all_of(nodes_.begin(), nodes_.begin() + static_cast<std::ptrdiff_t>(scenario_.first_nodes),
                     [](const auto& first) { return first->has_been_up(); });
}

void Cluster::look_after() {
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    const bool is_due = scenario_.grows() && is_time_for(i) && !nodes_[i]->has_been_up();
    if (is_due && nodes_[i]->host().process() == nullptr && nodes_[i]->next_start() == Instant::never())
      nodes_[i]->start_now();
  }
  if (scenario_.upgrades()) watch_releases();
  for (const auto& node : nodes_) node->look_after();
}

// Whoever runs the release before when another one is active is alone, and says why; in the end an operator reads it.
void Cluster::watch_releases() {
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    const node::Node* const node = nodes_[i]->host().node();
    if (nodes_[i]->host().is_serving() && node != nullptr)
      releases_.writes(i + 1, node->status().active_release);
  }
  for (const auto& node : nodes_) {
    const bool must = node->is_healed() && (releases_.is_activated() || upgrades_in_the_end_);
    if (must && !node->gets_next_release()) node->change_release();
  }
}

bool Cluster::has_ended() const {
  return std::any_of(nodes_.begin(), nodes_.end(), [](const auto& node) { return node->has_ended(); });
}

Instant Cluster::next_start() const {
  Instant next = Instant::never();
  for (const auto& node : nodes_) next = std::min(next, node->next_start());
  return next;
}

void Cluster::end() {
  for (const auto& node : nodes_) node->end();
}

void Cluster::start_now() {
  for (const auto& node : nodes_) node->start_now();
}

void Cluster::verify_directories() {
  for (const auto& node : nodes_) {
    if (!world_.failure()) node->verify_directory();
  }
}

// ---- faults

void Cluster::isolate(std::size_t node, std::uint64_t ways) {
  for (std::size_t other = 0; other < nodes_.size(); ++other) {
    if (other == node) continue;
    if ((ways & 1) != 0) world_.network().cut({host(node), host(other)});
    if ((ways & 2) != 0) world_.network().cut({host(other), host(node)});
  }
}

// What was held up arrives in the order in which links are mended.
void Cluster::mend_one_by_one() {
  const auto& cut = world_.network().cut_links();
  std::vector<NetworkLink> links(cut.begin(), cut.end());
  links_prng_.shuffle(links);
  Duration delay{};
  for (const NetworkLink& link : links) {
    delay += links_prng_.exponential(100ms);
    world_.after(delay, [this, link] { world_.network().mend(link); });
  }
}

void Cluster::cut_links() {
  scenario_.mends_one_by_one ? mend_one_by_one() : world_.network().mend();
  const std::size_t one = prng_.below(nodes_.size());
  const std::size_t other = (one + prng_.between(1, nodes_.size() - 1)) % nodes_.size();
  switch (prng_.below(5)) {
    case 0:
      return;
    case 1:
      return isolate(one, prng_.between(1, 3));
    case 2:
      isolate(one, 3);
      return isolate(other, prng_.between(1, 3));
    case 3:
      world_.network().cut({host(one), host(other)});
      if (prng_.chance(1, 2)) world_.network().cut({host(other), host(one)});
      return;
    default:
      // The clients too.
      isolate(one, 3);
      world_.network().cut({host(one), "clients"});
      world_.network().cut({"clients", host(one)});
      return;
  }
}

// As somebody who leads says; who is deposed and does not know it names disks that are gone, unless there are none.
bool Cluster::stands_a_lost_disk() const {
  return std::any_of(nodes_.begin(), nodes_.end(), [&](const auto& node) {
    if (!node->is_alive() || !node->host().is_serving() || node->host().node() == nullptr) return false;
    if (node->is_paused()) return false;  // it does not know what has happened since
    const node::NodeStatus status = node->host().node()->status();
    if (status.state != "leader" || !status.members_change.empty() || status.voters.size() != size())
      return false;
    return std::all_of(status.voters.begin(), status.voters.end(), [&](const consensus::Member& voter) {
      return nodes_[voter.id.value - 1]->incarnation() == voter.incarnation.describe();
    });
  });
}

bool Cluster::is_in_first_view() const {
  return std::all_of(nodes_.begin(), nodes_.end(), [](const auto& node) {
    return node->host().node() == nullptr || node->host().node()->status().view == View{};
  });
}

// Its present process is known to all others, durably, or nothing that it has said has counted.
bool Cluster::everybody_hears(const NodeKeeper& node) const {
  const NodeId id = node.host().node() == nullptr ? NodeId{} : node.host().node()->status().node_id;
  return id.value != 0 && std::all_of(nodes_.begin(), nodes_.end(), [&](const auto& other) {
           if (other.get() == &node) return true;
           if (!other->host().is_serving() || other->host().node() == nullptr) return false;
           if (other->is_paused()) return false;
           const auto peers = other->host().node()->status().peers;
           return std::any_of(peers.begin(), peers.end(),
                              [&](const node::NodePeer& peer) { return peer.id == id && peer.connected; });
         });
}

void Cluster::lose_a_disk() {
  if (!stands_a_lost_disk()) return;
  NodeKeeper& loser = draw();
  if (loser.has_old_copy() && everybody_hears(loser)) {
    world_.trace().line(world_.now(), "world", loser.host().address().host + " gets an old copy of its disk");
    return loser.put_old_copy_back(prng_.chance(1, 3));
  }
  const bool keeps_log = prng_.chance(1, 3);
  world_.trace().line(world_.now(), "world",
                      loser.host().address().host + " loses its " + (keeps_log ? "state" : "disk"));
  keeps_log ? loser.lose_state() : loser.lose_disk();
  // And in the middle of that somebody else is gone for a while.
  if (!prng_.chance(1, 2)) return;
  const Disturbance how = prng_.chance(1, 2) ? Disturbance::power_cut : Disturbance::kill;
  crash(draw(), how);
}

void Cluster::crash(NodeKeeper& node, Disturbance how) {
  const bool may_forget = node.may_forget();
  if (may_forget && !stands_a_lost_disk()) return;
  node.disturb(how);
  if (!may_forget || !prng_.chance(1, 3)) return;
  // Somebody else who knows is away, and whoever does not know is back.
  const std::size_t other = prng_.below(size());
  if (nodes_[other].get() == &node) return;
  world_.network().mend();
  isolate(other, 3);
}

// Of those that are a minority whenever they are members. What the first entry is dated by, nothing tells from a clock that is
// wrong.
void Cluster::set_one_of_the_clocks() {
  if (history_.last_position() == 0) return;
  nodes_[nodes_.size() - 1 - prng_.below((nodes_.size() - 1) / 2)]->disturb(Disturbance::clock_jump);
}

void Cluster::disturb(Disturbance what) {
  if (what == Disturbance::partition) return cut_links();
  if (what == Disturbance::clock_jump && scenario_.clocks_are_kept) return set_one_of_the_clocks();
  const bool shares =
      what == Disturbance::damage && size() > 1 && scenario_.faults.damage_class == DamageClass::log_rot;
  if (shares && prng_.chance(1, 3)) return lose_an_end();
  if (shares && prng_.chance(1, 2) && rot_a_share()) return;
  if (what == Disturbance::lost_disk) return lose_a_disk();
  const bool is_crash =
      what == Disturbance::power_cut || what == Disturbance::kill || what == Disturbance::crash_at_call;
  if (what == Disturbance::pause && nodes_.size() > 1 && prng_.chance(1, 5)) {
    for (const auto& node : nodes_) node->disturb(what);
  } else if (is_crash && nodes_.size() > 1 && prng_.chance(1, 5)) {
    for (const auto& node : nodes_) crash(*node, what);
  } else if (is_crash) {
    crash(draw(), what);
  } else {
    (what == Disturbance::damage ? draw_for_damage() : draw()).disturb(what);
  }
}

void Cluster::lose_an_end() {
  NodeKeeper& victim = draw_for_damage();
  victim.disturb(Disturbance::power_cut);
  victim.rot_end();
  NodeKeeper& other = draw();
  if (&other != &victim) other.disturb(Disturbance::power_cut);
  world_.network().mend();
}

bool Cluster::rot_a_share() {
  const std::size_t unlucky = prng_.below(size());
  if (harmed_.contains(unlucky)) return false;
  Position held_by_all{UINT64_MAX};
  for (std::size_t i = 0; i < size(); ++i) {
    if (harmed_.contains(i) || i == unlucky) continue;
    if (!nodes_[i]->host().is_serving()) return false;
    const node::NodeStatus status = nodes_[i]->host().node()->status();
    held_by_all = std::min({held_by_all, status.commit_index, status.durable_position});
  }
  return nodes_[unlucky]->rot_share(unlucky, size(), held_by_all);
}

NodeKeeper& Cluster::draw_for_damage() {
  const DamageClass kind = scenario_.faults.damage_class;
  const bool is_of_the_log = kind != DamageClass::derived_rot && kind != DamageClass::state_rot;
  if (size() == 1 || !is_of_the_log) return draw();
  return *nodes_[*std::next(harmed_.begin(), static_cast<std::ptrdiff_t>(prng_.below(harmed_.size())))];
}

void Cluster::heal() {
  world_.network().mend();
  for (const auto& node : nodes_) {
    node->heal();
    const bool is_down = node->host().process() == nullptr && node->next_start() == Instant::never();
    if (is_down && is_time_for(static_cast<std::size_t>(&node - nodes_.data()))) node->start_now();
  }
}

void Cluster::heal_majority() {
  const std::size_t majority = nodes_.size() / 2 + 1;
  std::vector<std::size_t> order(nodes_.size());
  std::iota(order.begin(), order.end(), 0);
  for (std::size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[prng_.below(i)]);
  std::stable_partition(order.begin(), order.end(), [&](std::size_t i) { return !harmed_.contains(i); });
  std::stable_partition(order.begin(), order.end(), [&](std::size_t i) { return nodes_[i]->has_been_up(); });
  const bool is_founded = nodes_[order[majority - 1]]->has_been_up();
  // One that may have lost entries counts only together with those who know.
  const bool is_whole = std::none_of(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(majority),
                                     [&](std::size_t i) { return harmed_.contains(i); });
  // While the members change, it takes more than any majority.
  const bool is_changing = members_change_ && !stands_a_lost_disk();
  if (nodes_.size() == 1 || !is_founded || !is_whole || is_changing || prng_.chance(1, 4)) return heal();
  world_.network().mend();
  for (std::size_t i = 0; i < order.size(); ++i) {
    NodeKeeper& node = *nodes_[order[i]];
    if (i < majority) {
      node.heal();
    } else if (prng_.chance(1, 2)) {
      node.stay_down();
    } else if (prng_.chance(1, 2)) {
      isolate(order[i], prng_.between(1, 3));
    } else if (scenario_.faults.weights[static_cast<std::size_t>(Disturbance::full_disk)] != 0) {
      node.fill_disk();  // and if it leads, it must not keep the lead
    }
  }
}

// ---- how they are

bool Cluster::is_ready() const {
  return std::any_of(nodes_.begin(), nodes_.end(), [&](const auto& node) {
    const NodeHost& host = node->host();
    return host.is_ready() && (size() == 1 || host.node()->status().state == "leader");
  });
}

bool Cluster::has_full_disk() const {
  return std::ranges::any_of(nodes_, [](const auto& node) { return node->has_full_disk(); });
}

bool Cluster::is_serving() const {
  return std::all_of(nodes_.begin(), nodes_.end(),
                     [](const auto& node) { return node->host().is_serving(); });
}

bool Cluster::is_level() const {
  if (!is_serving()) return false;
  const node::NodeStatus first = nodes_.front()->host().node()->status();
  const Position end = first.durable_position;
  return std::all_of(nodes_.begin(), nodes_.end(), [&](const auto& node) {
    const node::NodeStatus status = node->host().node()->status();
    const bool is_member = status.members_change.empty() && status.voters.size() == size();
    return is_member && status.durable_position == end && status.commit_index == end &&
           status.applied_index == end && status.damage.empty() &&
           status.active_release == first.active_release;
  });
}

bool Cluster::has_refused_rightly() const {
  return size() == 1 && nodes_.front()->has_refused_rightly();
}

bool Cluster::may_stay_damaged() const {
  return size() == 1 && nodes_.front()->may_stay_damaged();
}

bool Cluster::is_read_only() const {
  return size() == 1 && nodes_.front()->is_read_only();
}

bool Cluster::allows(std::string_view code) const {
  return std::any_of(nodes_.begin(), nodes_.end(), [&](const auto& node) { return node->allows(code); });
}

std::string Cluster::describe() const {
  std::string text;
  for (const auto& node : nodes_) text += (text.empty() ? "" : "; ") + node->describe();
  return text;
}

std::uint64_t Cluster::boots() const {
  std::uint64_t count = 0;
  for (const auto& node : nodes_) count += node->host().boots();
  return count;
}

std::uint64_t Cluster::pauses() const {
  std::uint64_t count = 0;
  for (const auto& node : nodes_) count += node->pauses();
  return count;
}

std::uint64_t Cluster::damages() const {
  std::uint64_t count = 0;
  for (const auto& node : nodes_) count += node->host().disk().damages().size();
  return count;
}

}  // namespace verity::sim
