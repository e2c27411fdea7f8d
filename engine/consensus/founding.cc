#include "engine/consensus/founding.h"

#include "io/base/probe.h"

#include <algorithm>
#include <utility>

namespace verity::consensus {

std::string FoundingRecord::describe() const {
  return "cluster " + cluster_id.describe().substr(0, 8) + " of " + members.describe();
}

std::string describe(const FoundingMessage& message) {
  struct Describe {
    std::string operator()(const FoundingAsk& m) const {
      return "ask round=" + m.round.describe().substr(0, 8);
    }
    std::string operator()(const FoundingNoMember& m) const {
      return "no-member round=" + m.round.describe().substr(0, 8);
    }
    std::string operator()(const FoundingOffer& m) const {
      return "offer round=" + m.round.describe().substr(0, 8) + " " + m.record.describe();
    }
    std::string operator()(const FoundingAccepted& m) const { return "accepted " + m.record.describe(); }
    std::string operator()(const FoundingMember& m) const { return "member " + m.record.describe(); }
  };
  return std::visit(Describe{}, message);
}

Founding::Founding(Member self, std::size_t size, FoundingPromises promises)
    : self_(self), size_(size), promises_(promises), saved_(promises) {}

FoundingEffects Founding::start(const FoundingDraw& draw) {
  effects_.clear();
  if (promises_.is_member) {
    effects_.push_back(FoundingDone{*promises_.accepted});
  } else if (draws() && !promises_.accepted) {
    begin_round(draw);
  }
  return std::exchange(effects_, {});
}

FoundingEffects Founding::connected(const Member& peer, const FoundingDraw& draw) {
  effects_.clear();
  meet(peer, draw);
  speak();
  return std::exchange(effects_, {});
}

void Founding::meet(const Member& peer, const FoundingDraw& draw) {
  peers_.insert_or_assign(peer.id, peer);
  // A record that names a disk that is gone can no longer be accepted by all.
  const bool may_redraw = draws() && !promises_.is_member && promises_.accepted;
  const Member* const named = may_redraw ? promises_.accepted->members.find(peer.id) : nullptr;
  if (named != nullptr && *named != peer) {
    VERITY_PROBE("founding: a record names a disk that is gone, and another round begins");
    begin_round(draw);
  }
}

void Founding::save(FoundingPromises promises) {
  promises_ = promises;
  effects_.push_back(FoundingSave{promises_});
}

void Founding::begin_round(const FoundingDraw& draw) {
  answered_.clear();
  save({.round = draw.round, .accepted = {}, .is_member = false});
}

FoundingEffects Founding::receive(const Member& from, const FoundingMessage& message,
                                  const FoundingDraw& draw) {
  effects_.clear();
  meet(from, draw);
  if (const auto* const member = std::get_if<FoundingMember>(&message)) {
    // Of a record that all have given up only a disk that is gone can speak, late; who is named by the record that was
    // accepted since, and says otherwise, keeps that record from ever being accepted by all.
    const bool is_late = promises_.accepted && *promises_.accepted != member->record &&
                         !promises_.accepted->members.contains(from);
    if (!promises_.is_member && !is_late) become_member(member->record);
  } else if (promises_.is_member) {
    if (saved_.is_member) send(from, FoundingMember{*promises_.accepted});
  } else if (const auto* const ask = std::get_if<FoundingAsk>(&message)) {
    if (from.id == NodeId{1} && !draws()) {
      if (promises_.round != ask->round) save({.round = ask->round, .accepted = {}, .is_member = false});
      speak();
    }
  } else if (const auto* const none = std::get_if<FoundingNoMember>(&message)) {
    if (draws() && none->round == promises_.round) {
      answered_.insert(from);
      draw_if_answered(draw);
    }
  } else if (std::holds_alternative<FoundingOffer>(message)) {
    if (from.id == NodeId{1} && !draws()) accept(message);
  } else if (const auto* const accepted = std::get_if<FoundingAccepted>(&message)) {
    accepted_.insert_or_assign(from, accepted->record);
    count();
  }
  return std::exchange(effects_, {});
}

void Founding::draw_if_answered(const FoundingDraw& draw) {
  if (promises_.accepted || promises_ != saved_) return;
  if (draw.named.size() + 1 != size_) return;
  MemberSet members;
  members.add(self_);
  for (const NodeId id : draw.named) {
    const auto peer = peers_.find(id);
    if (peer != peers_.end() && answered_.contains(peer->second)) members.add(peer->second);
  }
  if (members.size() != size_) return;
  FoundingPromises promises = promises_;
  promises.accepted = FoundingRecord{draw.cluster_id, draw.epoch, members, draw.now};
  save(promises);
}

void Founding::accept(const FoundingMessage& message) {
  const auto& offer = std::get<FoundingOffer>(message);
  if (offer.round != promises_.round || !offer.record.members.contains(self_) ||
      offer.record.members.size() != size_)
    return;
  if (promises_.accepted) return speak();
  FoundingPromises promises = promises_;
  promises.accepted = offer.record;
  save(promises);
}

void Founding::count() {
  if (promises_.is_member || !promises_.accepted || promises_ != saved_) return;
  const MemberSet& members = promises_.accepted->members;
  const bool all = std::all_of(members.begin(), members.end(), [&](const Member& member) {
    if (member == self_) return true;
    const auto said = accepted_.find(member);
    return said != accepted_.end() && said->second == *promises_.accepted;
  });
  if (all) become_member(*promises_.accepted);
}

void Founding::become_member(const FoundingRecord& record) {
  if (!record.members.contains(self_)) {
    VERITY_PROBE("founding: a blank disk learns that there is a cluster without it");
    effects_.push_back(FoundingStranger{record});
    return;
  }
  save({.round = promises_.round, .accepted = record, .is_member = true});
}

FoundingEffects Founding::saved() {
  effects_.clear();
  const bool was_member = saved_.is_member;
  saved_ = promises_;
  if (saved_.is_member && !was_member) effects_.push_back(FoundingDone{*saved_.accepted});
  speak();
  count();
  return std::exchange(effects_, {});
}

FoundingEffects Founding::remind() {
  effects_.clear();
  speak();
  return std::exchange(effects_, {});
}

// Everything that follows from what is durable.
void Founding::speak() {
  if (promises_ != saved_) return;
  for (const auto& [id, peer] : peers_) {
    if (saved_.is_member) {
      send(peer, FoundingMember{*saved_.accepted});
      continue;
    }
    if (saved_.accepted) send(peer, FoundingAccepted{*saved_.accepted});
    if (draws()) {
      if (saved_.accepted) {
        send(peer, FoundingOffer{saved_.round, *saved_.accepted});
      } else {
        send(peer, FoundingAsk{saved_.round});
      }
    } else if (id == NodeId{1} && !saved_.accepted && !saved_.round.is_zero()) {
      send(peer, FoundingNoMember{saved_.round});
    }
  }
}

std::vector<NodeId> Founding::missing() const {
  std::vector<NodeId> ids;
  for (std::uint64_t id = 1; id <= size_; ++id) {
    if (NodeId{id} != self_.id && !peers_.contains(NodeId{id})) ids.push_back(NodeId{id});
  }
  return ids;
}

std::string Founding::describe() const {
  std::string text = self_.describe() +
                     (saved_.is_member  ? " member"
                      : saved_.accepted ? " accepted"
                                        : " blank") +
                     (saved_.accepted ? " " + saved_.accepted->describe() : "") +
                     " round=" + saved_.round.describe().substr(0, 8);
  if (promises_ != saved_) {
    text += std::string(" saving") + (promises_.is_member ? " member" : "") +
            (promises_.accepted ? " " + promises_.accepted->describe() : "") +
            " round=" + promises_.round.describe().substr(0, 8);
  }
  for (const auto& [id, peer] : peers_) text += " " + peer.describe();
  for (const Member& member : answered_) text += " answer of " + member.describe();
  for (const auto& [member, record] : accepted_)
    text += " accepted by " + member.describe() + " " + record.describe();
  return text;
}

}  // namespace verity::consensus
