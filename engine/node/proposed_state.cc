#include "engine/node/proposed_state.h"

namespace verity::node {

void ProposedState::set(Position position, const NameView& name, Revision revision) {
  auto found = last_.find(name);
  if (found == last_.end()) {
    found = last_.emplace(Name{name.tenant, std::string(name.stream), std::string(name.text)}, Last{}).first;
  }
  if (found->second.by != position) changes_.emplace_back(position, found);
  found->second = {revision, position};
}

void ProposedState::add(Position position, TenantId tenant, const log::EventsBody& body) {
  for (const log::BodyStream& stream : body.streams)
    set(position, {tenant, stream.name, {}}, stream.last_revision());
  for (const log::BodyEvent& event : body.events) {
    if (event.subject.empty()) continue;
    set(position, {tenant, body.streams[event.stream].name, event.subject}, event.subject_revision);
  }
  if (body.idempotency) {
    const auto added = keys_.emplace(Name{tenant, {}, std::string(body.idempotency->key)}, position);
    if (added.second) key_order_.emplace_back(position, added.first);
  }
}

void ProposedState::prune(Position applied) {
  for (; !changes_.empty() && changes_.front().first <= applied; changes_.pop_front()) {
    const auto& [by, changed] = changes_.front();
    // A later entry on its way that changes the same name has a place of its own in the queue.
    if (changed->second.by == by) last_.erase(changed);
  }
  for (; !key_order_.empty() && key_order_.front().first <= applied; key_order_.pop_front()) {
    keys_.erase(key_order_.front().second);
  }
  for (; !request_order_.empty() && request_order_.front()->second <= applied; request_order_.pop_front())
    requests_.erase(request_order_.front());
}

void ProposedState::add_request(Position position, const Id128& session, std::uint64_t number) {
  const auto added = requests_.emplace(std::pair(session, number), position);
  if (added.second) request_order_.push_back(added.first);
}

std::optional<Position> ProposedState::request_in_flight(const Id128& session, std::uint64_t number) const {
  const auto found = requests_.find({session, number});
  if (found == requests_.end()) return std::nullopt;
  return found->second;
}

std::optional<Revision> ProposedState::last_revision(TenantId tenant, std::string_view stream) const {
  return subject_last_revision(tenant, stream, {});
}

std::optional<Revision> ProposedState::subject_last_revision(TenantId tenant, std::string_view stream,
                                                             std::string_view subject) const {
  const auto found = last_.find(NameView{tenant, stream, subject});
  if (found == last_.end()) return std::nullopt;
  return found->second.revision;
}

std::optional<Position> ProposedState::key_in_flight(TenantId tenant, std::string_view key) const {
  const auto found = keys_.find(NameView{tenant, {}, key});
  if (found == keys_.end()) return std::nullopt;
  return found->second;
}

std::uint64_t ProposedState::keys_in_flight(TenantId tenant) const {
  std::uint64_t count = 0;
  for (auto it = keys_.lower_bound(NameView{tenant, {}, {}}); it != keys_.end() && it->first.tenant == tenant;
       ++it) {
    ++count;
  }
  return count;
}

std::vector<std::string_view> ProposedState::streams(TenantId tenant) const {
  std::vector<std::string_view> names;
  for (auto it = last_.lower_bound(NameView{tenant, {}, {}}); it != last_.end() && it->first.tenant == tenant;
       ++it) {
    if (it->first.text.empty()) names.push_back(it->first.stream);
  }
  return names;
}

}  // namespace verity::node
