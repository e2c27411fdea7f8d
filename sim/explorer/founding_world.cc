#include "sim/explorer/founding_world.h"

#include "io/base/assert.h"

#include <algorithm>
#include <utility>

namespace verity::explorer {

using consensus::FoundingEffects;
using consensus::Member;

std::string FoundingEnvelope::describe() const {
  return from.describe() + ">" + to.describe() + " " + consensus::describe(message);
}

std::uint16_t FoundingMessages::number_of(const FoundingEnvelope& envelope) {
  const auto [known, fresh] =
      numbers_.try_emplace(envelope.describe(), static_cast<std::uint16_t>(all_.size()));
  if (fresh) {
    VERITY_ASSERT(all_.size() < 0xffff);
    all_.push_back(std::make_unique<FoundingEnvelope>(envelope));
  }
  return known->second;
}

FoundingWorld::FoundingWorld(const FoundingBounds& bounds, FoundingMessages& messages)
    : messages_(&messages),
      restarts_left_(bounds.restarts),
      wipes_left_(bounds.wipes),
      prompt_disks_(bounds.prompt_disks) {
  for (std::uint64_t id = 1; id <= bounds.nodes; ++id)
    nodes_.push_back(std::make_shared<Node>(Node{.self = blank(id), .disk = {}, .founding = {}, .save = {}}));
  for (auto& shared : nodes_) {
    Node node = *shared;
    start(node);
    while (prompt_disks_ && node.save) save(node);
    shared = std::make_shared<Node>(node);
  }
  for (std::uint8_t id = 1; id <= nodes_.size(); ++id) {
    for (std::uint8_t peer = 1; peer < id; ++peer)
      apply({.kind = FoundingAction::Kind::connect, .node = peer, .peer = id});
  }
}

// Numbers instead of what is random: the same story draws the same.
Member FoundingWorld::blank(std::uint64_t id) {
  Member member{NodeId{id}, {}};
  member.incarnation.bytes[0] = ++incarnations_;
  return member;
}

consensus::FoundingDraw FoundingWorld::draw() const {
  consensus::FoundingDraw draw;
  draw.round.bytes[0] = draws_;
  draw.cluster_id.bytes[0] = draws_;
  draw.epoch.bytes[0] = draws_;
  for (std::uint64_t id = 2; id <= nodes_.size(); ++id) draw.named.push_back(NodeId{id});
  return draw;
}

void FoundingWorld::start(Node& node) {
  node.save.reset();
  disconnect(node);
  node.founding.emplace(node.self, nodes_.size(), node.disk);
  carry_out(node, node.founding->start(draw()));
}

// Its links end with the process; what it has sent may still be on its way.
void FoundingWorld::disconnect(Node& node) {
  node.linked.clear();
  std::erase_if(links_, [&](const auto& link) { return link.first.second == node.self.id.value; });
  for (auto& shared : nodes_) {
    const Member* const known = shared->linked.find(node.self.id);
    if (known == nullptr) continue;
    Node other = *shared;
    other.linked.remove(Member(*known));
    shared = std::make_shared<const Node>(std::move(other));
  }
}

void FoundingWorld::connect(const FoundingAction& action, Node& node) {
  Node other = at(action.peer);
  links_.erase({action.node, action.peer});
  links_.erase({action.peer, action.node});
  node.linked.add(other.self);
  other.linked.add(node.self);
  carry_out(node, node.founding->connected(other.self, draw()));
  carry_out(other, other.founding->connected(node.self, draw()));
  while (prompt_disks_ && other.save) save(other);
  nodes_[action.peer - 1U] = std::make_shared<const Node>(std::move(other));
}

void FoundingWorld::carry_out(Node& node, const FoundingEffects& effects) {
  for (const consensus::FoundingEffect& effect : effects) {
    if (const auto* const send = std::get_if<consensus::FoundingSend>(&effect)) {
      if (!node.linked.contains(send->to)) continue;
      const std::uint16_t number = messages_->number_of({node.self, send->to, send->message});
      auto& link = links_[{static_cast<std::uint8_t>(node.self.id.value),
                           static_cast<std::uint8_t>(send->to.id.value)}];
      if (std::find(link.begin(), link.end(), number) == link.end()) link.push_back(number);
    } else if (const auto* const save = std::get_if<consensus::FoundingSave>(&effect)) {
      node.save = save->promises;
      // Whatever was drawn is in what node 1 saves.
      if (node.self.id == NodeId{1}) ++draws_;
    } else if (std::holds_alternative<consensus::FoundingStranger>(effect)) {
      node.is_stranger = true;
    }
  }
}

std::vector<FoundingAction> FoundingWorld::possible() const {
  using Kind = FoundingAction::Kind;
  std::vector<FoundingAction> all;
  for (const auto& [ends, link] : links_) {
    for (const std::uint16_t number : link)
      all.push_back({.kind = Kind::deliver, .node = ends.second, .peer = ends.first, .message = number});
  }
  for (std::uint8_t id = 1; id <= nodes_.size(); ++id) {
    if (at(id).save) all.push_back({.kind = Kind::save, .node = id});
    for (std::uint8_t peer = 1; peer <= nodes_.size(); ++peer) {
      if (peer > id && !at(id).linked.contains(at(peer).self))
        all.push_back({.kind = Kind::connect, .node = id, .peer = peer});
    }
    if (restarts_left_ > 0) all.push_back({.kind = Kind::remind, .node = id, .crashes = true});
    if (wipes_left_ > 0) all.push_back({.kind = Kind::wipe, .node = id});
  }
  const std::size_t count = restarts_left_ > 0 && prompt_disks_ ? all.size() : 0;
  for (std::size_t i = 0; i < count; ++i) {
    if (all[i].kind != Kind::deliver) continue;
    all.push_back(all[i]);
    all.back().crashes = true;
  }
  return all;
}

void FoundingWorld::apply(const FoundingAction& action) {
  using Kind = FoundingAction::Kind;
  std::shared_ptr<const Node>& shared = nodes_[action.node - 1U];
  Node node = *shared;
  switch (action.kind) {
    case Kind::deliver: {
      const FoundingEnvelope& envelope = messages_->at(action.message);
      auto& link = links_.at({action.peer, action.node});
      link.erase(link.begin(), std::find(link.begin(), link.end(), action.message) + 1);
      carry_out(node, node.founding->receive(envelope.from, envelope.message, draw()));
      break;
    }
    case Kind::save:
      save(node);
      break;
    case Kind::connect:
      connect(action, node);
      break;
    case Kind::remind:
      carry_out(node, node.founding->remind());
      break;
    case Kind::wipe:
      --wipes_left_;
      node.self = blank(action.node);
      node.disk = {};
      node.is_stranger = false;
      start(node);
      break;
  }
  if (action.crashes) {
    --restarts_left_;
    start(node);
  }
  while (prompt_disks_ && node.save) save(node);
  shared = std::make_shared<const Node>(std::move(node));
  check();
}

void FoundingWorld::save(Node& node) {
  node.disk = *node.save;
  node.save.reset();
  carry_out(node, node.founding->saved());
}

void FoundingWorld::check() {
  const Node* first = nullptr;
  for (const auto& node : nodes_) {
    if (!node->disk.is_member) continue;
    if (!node->disk.accepted->members.contains(node->self))
      violation_ = node->self.describe() + " is a member of " + node->disk.accepted->describe();
    if (first == nullptr) first = node.get();
    if (*first->disk.accepted != *node->disk.accepted)
      violation_ = "two clusters: " + first->self.describe() + " is a member of " +
                   first->disk.accepted->describe() + ", " + node->self.describe() + " of " +
                   node->disk.accepted->describe();
  }
}

// False: everybody has done all there is to do.
bool FoundingWorld::step_towards_the_end() {
  const std::string before = describe();
  for (std::uint8_t id = 1; id <= nodes_.size(); ++id) {
    for (std::uint8_t peer = 1; peer < id; ++peer) {
      if (!at(id).linked.contains(at(peer).self))
        apply({.kind = FoundingAction::Kind::connect, .node = peer, .peer = id});
    }
    if (at(id).save) apply({.kind = FoundingAction::Kind::save, .node = id});
    apply({.kind = FoundingAction::Kind::remind, .node = id});
  }
  const auto arriving = links_;
  for (const auto& [ends, link] : arriving) {
    for (const std::uint16_t number : link)
      apply({.kind = FoundingAction::Kind::deliver,
             .node = ends.second,
             .peer = ends.first,
             .message = number});
  }
  return describe() != before;
}

std::optional<std::string> FoundingWorld::why_it_stands_still() const {
  FoundingWorld healed = *this;
  for (auto& [ends, link] : healed.links_) link.clear();
  for (int round = 0; round < 40 && healed.step_towards_the_end(); ++round) {
  }
  if (healed.violation_) return healed.violation_;
  for (const auto& node : healed.nodes_) {
    if (!node->disk.is_member && !node->is_stranger)
      return node->self.describe() + " is neither a member nor a stranger: " + node->founding->describe();
  }
  return std::nullopt;
}

std::string FoundingWorld::describe(const FoundingAction& action) const {
  using Kind = FoundingAction::Kind;
  const std::string id = std::to_string(action.node);
  const std::string crash = action.crashes ? ", and " + id + " is started again" : "";
  switch (action.kind) {
    case Kind::deliver:
      return messages_->at(action.message).describe() + crash;
    case Kind::save:
      return "save " + id;
    case Kind::connect:
      return "connect " + id + " to " + at(action.peer).self.describe() + crash;
    case Kind::remind:
      return "remind " + id + crash;
    case Kind::wipe:
      return "wipe " + id + crash;
  }
  return "?";
}

std::string FoundingWorld::describe() const {
  const auto promises = [](const consensus::FoundingPromises& p) {
    return p.round.describe().substr(0, 2) + (p.accepted ? p.accepted->describe() : "-") +
           (p.is_member ? " member" : "");
  };
  std::string text;
  for (const auto& node : nodes_) {
    text += node->founding->describe() + " disk " + promises(node->disk) +
            (node->save ? " saving " + promises(*node->save) : "") + (node->is_stranger ? " stranger" : "") +
            " linked with " + node->linked.describe() + "\n";
  }
  for (const auto& [ends, link] : links_) {
    for (const std::uint16_t number : link) text += std::to_string(number) + " ";
  }
  return text + "left " + std::to_string(restarts_left_) + " " + std::to_string(wipes_left_) + "\n";
}

}  // namespace verity::explorer
