#include "engine/node/addresses.h"

#include "engine/node/peer_transport.h"

namespace verity::node {

void Addresses::learn(NodeId id, const std::string& address) {
  if (address.empty()) return;
  known_.insert_or_assign(id, address);
  wanted_.erase(id);
}

void Addresses::want(NodeId id, const std::string& address, Instant now) {
  const bool is_news = of(id) != address || !wanted_.contains(id);
  wanted_.insert_or_assign(id, Wanted{address, now + wanted_time});
  if (is_news) reach();
}

void Addresses::give_up(NodeId id) {
  if (wanted_.erase(id) > 0) reach();
}

void Addresses::tend(Instant now) {
  if (std::erase_if(wanted_, [&](const auto& one) { return one.second.until <= now; }) > 0) reach();
}

void Addresses::set_members(const consensus::MemberSet& members) {
  members_.clear();
  for (const consensus::Member& member : members) members_.push_back(member.id);
  reach();
}

std::string Addresses::of(NodeId id) const {
  if (const auto wanted = wanted_.find(id); wanted != wanted_.end()) return wanted->second.address;
  const auto known = known_.find(id);
  return known == known_.end() ? std::string() : known->second;
}

std::string Addresses::shown(NodeId id) const {
  if (std::string said = of(id); !said.empty() || transport_ == nullptr) return said;
  if (id == self_) return transport_->address();
  for (PeerStatus& peer : transport_->peers()) {
    if (peer.id == id) return std::move(peer.address);
  }
  return {};
}

void Addresses::reach() {
  if (transport_ == nullptr) return;
  std::vector<std::string> addresses;
  for (const NodeId id : members_) {
    if (id != self_ && !of(id).empty()) addresses.push_back(of(id));
  }
  for (const auto& [id, wanted] : wanted_) addresses.push_back(wanted.address);
  transport_->reach(addresses);
}

}  // namespace verity::node
