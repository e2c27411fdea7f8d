#include "sim/explorer/situation.h"

#include "engine/consensus/testing/script.h"

#include <xxhash.h>

#include <algorithm>

namespace verity::explorer {

using consensus::Message;
using consensus::testing::Canonical;
using consensus::testing::Envelope;
using consensus::testing::ModelCluster;
using consensus::testing::Renaming;

namespace {

std::array<std::uint64_t, 2> hash128(const void* bytes, std::size_t size) {
  const XXH128_hash_t hash = XXH3_128bits(bytes, size);
  return {hash.low64, hash.high64};
}

// A message's name by its index in the variant.
template <std::size_t... I>
std::string_view name_at(std::size_t index, std::index_sequence<I...>) {
  std::string_view name;
  static_cast<void>(((I == index && (name = name_of(Message(std::in_place_index<I>)), true)) || ...));
  return name;
}

bool is_on_link(const Envelope& envelope, const Action& action) {
  return envelope.from.id.value == action.peer && envelope.to.id.value == action.node &&
         envelope.message.index() == action.message;
}

// Nodes that lead no view of the world differ in nothing but their ids. (A tie between equal logs goes to the highest
// id: of two stories that differ in whom a candidate fetches from, one may be left out.)
std::vector<Renaming> renamings(const ExploredWorld& world) {
  std::vector<std::uint8_t> alike;
  for (std::size_t id = 1; id <= world.nodes + world.blanks; ++id) {
    bool leads = !world.before.empty() || world.members > 0;  // then they differ
    for (std::uint64_t view = 0; view <= world.view_max; ++view)
      leads = leads || consensus::primary_id(View{view}).value == id;
    if (!leads) alike.push_back(static_cast<std::uint8_t>(id));
  }
  std::vector<Renaming> all;
  std::vector<std::uint8_t> order = alike;
  do {
    Renaming names = consensus::testing::no_renaming();
    for (std::size_t i = 0; i < alike.size(); ++i) names[alike[i]] = order[i];
    all.push_back(names);
  } while (std::next_permutation(order.begin(), order.end()));
  return all;
}

}  // namespace

std::string_view message_name(std::size_t index) {
  return name_at(index, std::make_index_sequence<std::variant_size_v<Message>>());
}

std::string Action::describe() const {
  const std::string id = std::to_string(node);
  const std::string number = std::to_string(arg);
  switch (kind) {
    case Kind::deliver:
    case Kind::repeat:
      return (kind == Kind::deliver ? "late " : "again ") + std::to_string(peer) + ">" + id + " " +
             std::string(message_name(message)) + (arg == 0 ? "" : " " + std::to_string(arg + 1));
    case Kind::write:
      return "write " + id;
    case Kind::propose:
      return "propose " + id + " p" + number;
    case Kind::silence:
      return "silence " + id;
    case Kind::beat:
      return "beat " + id;
    case Kind::confirm:
      return "confirm " + id + " " + number;
    case Kind::hand_over:
      return "handover " + id + " " + number;
    case Kind::crash:
      return "crash " + id + (arg == 0 ? "" : " kept=" + number);
    case Kind::start:
      return "start " + id;
    case Kind::damage:
      return "damage " + id + " " + number;
    case Kind::wipe:
      return "wipe " + id;
    case Kind::tend:
      return "tend " + id + (arg == 0 ? "" : " " + number);
  }
  return "?";
}

namespace {

std::string beginning_of(const ExploredWorld& world) {
  std::string text = "cluster " + std::to_string(world.nodes) +
                     (world.batch == 0 ? "" : " batch=" + std::to_string(world.batch)) + "\n";
  for (std::size_t i = 1; i <= world.blanks; ++i)
    text += "blank\nstart " + std::to_string(world.nodes + i) + "\n";
  return text + std::string(world.before);
}

}  // namespace

Situation::Situation(const ExploredWorld& world)
    : world_(&world),
      symmetry_(std::make_shared<const std::vector<Renaming>>(renamings(world))),
      cluster_(consensus::testing::cluster_after(beginning_of(world))),
      left_(world.budget) {
  cluster_.set_tracing(false);
}

std::vector<Action> Situation::possible() const {
  using Kind = Action::Kind;
  std::vector<Action> all;
  const std::vector<Envelope>& messages = cluster_.messages();
  std::vector<std::string> known;
  Canonical canonical;
  for (std::size_t i = 0; i < messages.size(); ++i) {
    const Envelope& envelope = messages[i];
    const NodeId to = envelope.to.id;
    if (!cluster_.is_up(to)) continue;
    const std::string& bytes = canonical.message(envelope);
    if (std::find(known.begin(), known.end(), bytes) != known.end()) continue;
    known.push_back(bytes);
    Action action{.kind = Kind::deliver,
                  .node = static_cast<std::uint8_t>(to.value),
                  .peer = static_cast<std::uint8_t>(envelope.from.id.value),
                  .message = static_cast<std::uint8_t>(envelope.message.index())};
    for (std::size_t j = 0; j < i; ++j) {
      if (is_on_link(messages[j], action)) ++action.arg;
    }
    all.push_back(action);
    action.kind = Kind::repeat;
    if (left_.repeats > 0) all.push_back(action);
  }
  for (std::size_t id = 1; id <= cluster_.size(); ++id) {
    const NodeId node{id};
    const auto add = [&](Kind kind, std::uint64_t arg = 0) {
      all.push_back(
          {.kind = kind, .node = static_cast<std::uint8_t>(id), .arg = static_cast<std::uint8_t>(arg)});
    };
    if (!cluster_.is_up(node)) {
      add(Kind::start);
      if (left_.wipes > 0 && stands_a_wipe(node)) add(Kind::wipe);
      for (std::uint64_t from = 1; left_.damages > 0 && from <= cluster_.log_end(node).value; ++from)
        add(Kind::damage, from);
      continue;
    }
    const std::size_t writes = cluster_.writes_under_way(node);
    if (writes > 0) add(Kind::write);
    for (std::size_t kept = 0; left_.crashes > 0 && kept <= writes; ++kept) add(Kind::crash, kept);
    if (left_.silences > 0 && cluster_.replica(node).view().value < world_->view_max) add(Kind::silence);
    const bool tends = world_->tends && cluster_.replica(node).is_primary();
    if (left_.beats > 0) add(tends ? Kind::tend : Kind::beat, tends ? world_->members : 0);
    if (!cluster_.replica(node).is_primary()) continue;
    if (left_.proposals > 0) add(Kind::propose, left_.proposals);
    if (left_.confirms > 0) add(Kind::confirm, left_.confirms);
    if (left_.handovers == 0) continue;
    const View view = cluster_.replica(node).view();
    for (std::uint64_t to = 1; to <= cluster_.size(); ++to) {
      consensus::MemberSet heir;
      heir.add(cluster_.member(NodeId{to}));
      if (to != id && consensus::next_view(view, heir).value <= world_->view_max) add(Kind::hand_over, to);
    }
  }
  return all;
}

bool Situation::stands_a_wipe(NodeId node) const {
  return cluster_.stands_a_wipe() || cluster_.can_do_without(node);
}

std::size_t Situation::find_message(const Action& action) const {
  std::size_t older = action.arg;
  for (std::size_t i = 0; i < cluster_.messages().size(); ++i) {
    if (is_on_link(cluster_.messages()[i], action) && older-- == 0) return i;
  }
  return cluster_.messages().size();
}

bool Situation::apply(const Action& action) {
  using Kind = Action::Kind;
  const NodeId node{action.node};
  const bool up = cluster_.is_up(node);
  const auto spend = [](std::uint8_t& budget) { return budget > 0 && (--budget, true); };
  switch (action.kind) {
    case Kind::deliver:
    case Kind::repeat: {
      const std::size_t index = find_message(action);
      if (!up || index == cluster_.messages().size()) return false;
      if (action.kind == Kind::deliver) {
        cluster_.deliver(index);
      } else {
        if (!spend(left_.repeats)) return false;
        cluster_.repeat(index);
      }
      break;
    }
    case Kind::write:
      if (!up || cluster_.writes_under_way(node) == 0) return false;
      cluster_.complete_write(node);
      break;
    case Kind::propose:
      if (!up || !cluster_.replica(node).is_primary() || !spend(left_.proposals)) return false;
      cluster_.propose(node, "p" + std::to_string(action.arg));
      break;
    case Kind::silence:
      if (!up || !spend(left_.silences)) return false;
      cluster_.silence(node);
      break;
    case Kind::beat:
      if (!up || !spend(left_.beats)) return false;
      cluster_.beat(node);
      break;
    case Kind::tend:
      if (!up || !spend(left_.beats)) return false;
      cluster_.tend(node, action.arg);
      break;
    case Kind::wipe:
      if (up || !stands_a_wipe(node) || !spend(left_.wipes)) return false;
      cluster_.wipe(node);
      break;
    case Kind::confirm:
      if (!up || !spend(left_.confirms)) return false;
      cluster_.confirm(node, action.arg);
      break;
    case Kind::hand_over:
      if (!up || !cluster_.replica(node).is_primary() || !spend(left_.handovers)) return false;
      cluster_.hand_over(node, NodeId{action.arg});
      break;
    case Kind::crash:
      if (!up || !spend(left_.crashes)) return false;
      cluster_.crash(node, action.arg);
      break;
    case Kind::start:
      if (up) return false;
      cluster_.start(node);
      break;
    case Kind::damage:
      if (up || cluster_.log_end(node).value < action.arg || !spend(left_.damages)) return false;
      cluster_.damage(node, Position{action.arg});
      break;
  }
  while (world_->prompt_disks && cluster_.is_up(node) && cluster_.writes_under_way(node) > 0)
    cluster_.complete_write(node);
  return true;
}

bool Situation::gained_nothing(const Situation& before, const Action& action) const {
  const bool delivered = action.kind == Action::Kind::deliver;
  if (cluster_.messages().size() + (delivered ? 1 : 0) != before.cluster_.messages().size()) return false;
  if (cluster_.violation()) return false;
  // The same node in the same state, and a message less or something less that may happen.
  const NodeId node{action.node};
  return Canonical().node(cluster_, node) == Canonical().node(before.cluster_, node);
}

std::array<std::uint64_t, 2> Situation::fingerprint() const {
  std::array<std::uint64_t, 2> least{~std::uint64_t{0}, ~std::uint64_t{0}};
  for (const Renaming& some : *symmetry_) {
    Canonical canonical(some);
    const std::string& bytes = canonical.cluster(cluster_);
    least = std::min(least, hash128(bytes.data(), bytes.size()));
  }
  const std::array<std::uint8_t, 9> left = {left_.proposals, left_.silences,  left_.beats,
                                            left_.crashes,   left_.repeats,   left_.damages,
                                            left_.confirms,  left_.handovers, left_.wipes};
  const auto rest = hash128(left.data(), left.size());
  return {least[0] ^ rest[0], least[1] ^ rest[1]};
}

std::string script_of(const ExploredWorld& world, const std::vector<Action>& actions) {
  std::string text = beginning_of(world);
  ExploredWorld slow = world;
  slow.prompt_disks = false;
  Situation situation(slow);
  for (const Action& action : actions) {
    text += action.describe() + "\n";
    if (!situation.apply(action)) return text + "# is not possible\n";
    const NodeId node{action.node};
    while (world.prompt_disks && situation.cluster().is_up(node) &&
           situation.cluster().writes_under_way(node) > 0) {
      text += "write " + std::to_string(action.node) + "\n";
      situation.cluster().complete_write(node);
    }
    if (situation.cluster().violation()) return text + "# " + *situation.cluster().violation() + "\n";
  }
  return text;
}

}  // namespace verity::explorer
