#include "sim/history.h"

#include <algorithm>

namespace verity::sim {
namespace {

std::string number(std::uint64_t value) {
  return std::to_string(value);
}

}  // namespace

bool Expected::holds(std::optional<std::uint64_t> last) const {
  switch (kind) {
    case ExpectationKind::any:
      return true;
    case ExpectationKind::none:
      return !last;
    case ExpectationKind::exists:
      return last.has_value();
    case ExpectationKind::exact:
      return last == revision;
  }
  return true;
}

std::string Expected::describe() const {
  switch (kind) {
    case ExpectationKind::any:
      return "any";
    case ExpectationKind::none:
      return "none";
    case ExpectationKind::exists:
      return "exists";
    case ExpectationKind::exact:
      return number(revision);
  }
  return "any";
}

History::Original History::original(std::uint64_t request, std::uint64_t index) const {
  for (const SentStream& stream : requests_.at(request).sent.streams) {
    if (index < stream.events.size()) return {&stream, &stream.events[index]};
    index -= stream.events.size();
  }
  return {};
}

std::string History::describe(std::uint64_t request) const {
  const SentRequest& sent = requests_.at(request).sent;
  std::string text = "request " + number(request) + " (" + sent.tenant;
  for (const SentStream& stream : sent.streams)
    text += " " + stream.stream + "*" + number(stream.events.size());
  if (!sent.idempotency_key.empty()) text += " key " + sent.idempotency_key;
  return text + ")";
}

std::uint64_t History::sent(SentRequest request) {
  const std::uint64_t id = requests_.size() + 1;
  std::uint64_t index = 0;
  for (const SentStream& stream : request.streams) {
    for (const SentEvent& event : stream.events) {
      const bool fresh = by_data_.emplace(event.data, std::pair(id, index++)).second;
      if (!fresh) fail("the workload sent the same data twice: " + event.data);
    }
  }
  requests_.emplace(id, Request{std::move(request), State::open, std::nullopt, last_position_, epoch_});
  return id;
}

void History::add_fact(const std::string& tenant, const std::string& stream, std::uint64_t revision,
                       std::uint64_t request, Place place) {
  auto& revisions = streams_[{tenant, stream}];
  const auto [fact, fresh] = revisions.emplace(revision, Fact{request, place, fact_count_});
  if (fresh) {
    ++fact_count_;
    const bool alone = places_[tenant].emplace(place, Known{stream, revision}).second;
    if (!alone) fail("two events at " + place.describe() + " of " + tenant);
    const std::string& subject = original(request, place.index).event->subject;
    if (!subject.empty()) subjects_[{tenant, stream, subject}].try_emplace(place);
  } else if (fact->second.place != place || fact->second.request != request) {
    fail(tenant + "/" + stream + " revision " + number(revision) + " is at " + place.describe() + " by " +
         describe(request) + " and was at " + fact->second.place.describe() + " by " +
         describe(fact->second.request));
  }
}

// False when the run has failed.
bool History::place_request(std::uint64_t id, std::uint64_t position, Instant now) {
  Request& request = requests_.at(id);
  if (request.state == State::refused) {
    fail(describe(id) + " was refused and is at position " + number(position));
    return false;
  }
  if (request.state == State::lost && !request.sent.idempotency_key.empty()) request.state = State::open;
  if (request.state == State::lost) {
    fail(describe(id) + " was lost in a crash and came back at position " + number(position));
    return false;
  }
  if (request.position && *request.position != position) {
    fail(describe(id) + " was carried out twice, at positions " + number(*request.position) + " and " +
         number(position));
    return false;
  }
  if (request.epoch == epoch_ && position <= request.sent_after) {
    fail(describe(id) + " was sent when position " + number(request.sent_after) +
         " was known and is before it, at position " + number(position));
    return false;
  }
  const auto [known, fresh] = positions_.emplace(position, Position{id, now});
  if (known->second.request != id) {
    fail("position " + number(position) + " holds " + describe(id) + " and " +
         describe(known->second.request));
    return false;
  }
  request.position = position;
  last_position_ = std::max(last_position_, position);
  return true;
}

void History::check_hash(std::uint64_t position, const std::string& hash, const std::string& root,
                         Instant now) {
  const auto [known, fresh] = hashes_.emplace(position, Hashes{hash, root, now});
  if (fresh) return;
  if (known->second.hash.empty()) known->second.hash = hash;
  if (!hash.empty() && known->second.hash != hash) {
    fail("the chain hash of position " + number(position) + " was " + known->second.hash + " and is " + hash);
  }
  if (known->second.root.empty()) known->second.root = root;
  if (!root.empty() && known->second.root != root) {
    fail("the tree root of position " + number(position) + " was " + known->second.root + " and is " + root);
  }
}

void History::acked(std::uint64_t id, const Ack& ack, Instant now) {
  Request& request = requests_.at(id);
  const bool was_acked = request.state == State::acked;
  if (!place_request(id, ack.position, now)) return;
  request.state = State::acked;
  if (!was_acked) ++acked_count_;
  if (was_acked && !ack.replayed) fail(describe(id) + " was acknowledged again and not as a replay");
  check_hash(ack.position, ack.hash, "", now);
  if (ack.streams.size() != request.sent.streams.size()) {
    fail(describe(id) + " was acknowledged for " + number(ack.streams.size()) + " streams");
    return;
  }
  std::uint64_t index = 0;
  for (std::size_t i = 0; i < ack.streams.size(); ++i) {
    const SentStream& sent = request.sent.streams[i];
    const Ack::Revisions& got = ack.streams[i];
    if (got.stream != sent.stream || got.last + 1 - got.first != sent.events.size()) {
      fail(describe(id) + " was acknowledged as " + got.stream + " " + number(got.first) + ".." +
           number(got.last));
      return;
    }
    const bool held = sent.expected.holds(got.first == 0 ? std::nullopt : std::optional(got.first - 1));
    if (!held)
      fail(describe(id) + " was acknowledged at revision " + number(got.first) + " of " + got.stream +
           " against its expectation");
    for (std::uint64_t revision = got.first; revision <= got.last; ++revision) {
      add_fact(request.sent.tenant, sent.stream, revision, id, {ack.position, index++});
    }
  }
}

void History::refused(std::uint64_t id) {
  Request& request = requests_.at(id);
  if (request.position) {
    fail(describe(id) + " is at position " + number(*request.position) + " and was refused");
    return;
  }
  request.state = State::refused;
}

void History::refused_expectations(std::uint64_t id, const std::vector<FailedExpectationSeen>& failed,
                                   const LastRevisions& known_before) {
  const SentRequest& sent = requests_.at(id).sent;
  if (failed.empty()) fail(describe(id) + " failed its expectations without saying which");
  for (const FailedExpectationSeen& seen : failed) {
    const auto stream = std::find_if(sent.streams.begin(), sent.streams.end(),
                                     [&](const SentStream& s) { return s.stream == seen.stream; });
    if (stream == sent.streams.end()) {
      fail(describe(id) + " failed an expectation about " + seen.stream + ", which it does not name");
      continue;
    }
    const bool is_subject = !seen.subject.empty();
    const std::string what = seen.stream + (is_subject ? "/" + seen.subject : "");
    const std::string actual = seen.actual ? number(*seen.actual) : "nothing";
    const bool is_justified = is_subject ? std::any_of(stream->events.begin(), stream->events.end(),
                                                       [&](const SentEvent& event) {
                                                         return event.subject == seen.subject &&
                                                                !event.subject_expected.holds(seen.actual);
                                                       })
                                         : !stream->expected.holds(seen.actual);
    if (!is_justified) fail(describe(id) + " failed its expectation though " + what + " was at " + actual);
    const auto known = [&]() -> std::optional<std::uint64_t> {
      if (is_subject) {
        const auto found = known_before.subjects.find({seen.stream, seen.subject});
        return found == known_before.subjects.end() ? std::nullopt : std::optional(found->second);
      }
      const auto found = known_before.streams.find(seen.stream);
      return found == known_before.streams.end() ? std::nullopt : std::optional(found->second);
    }();
    if (known && (!seen.actual || *seen.actual < *known)) {
      fail(describe(id) + " was told that " + what + " is at " + actual + ", but revision " + number(*known) +
           " was known before");
    }
  }
  refused(id);
}

std::optional<std::uint64_t> History::last_revision(const std::string& tenant,
                                                    const std::string& stream) const {
  const auto found = streams_.find({tenant, stream});
  if (found == streams_.end() || found->second.empty()) return std::nullopt;
  return found->second.rbegin()->first;
}

std::optional<std::uint64_t> History::last_subject_revision(const std::string& tenant,
                                                            const std::string& stream,
                                                            const std::string& subject) const {
  const auto found = subjects_.find({tenant, stream, subject});
  if (found == subjects_.end() || found->second.empty()) return std::nullopt;
  // Each known event has a revision of its own, told or not.
  return std::max<std::uint64_t>(found->second.size() - 1, found->second.rbegin()->second.value_or(0));
}

LastRevisions History::last_revisions(const SentRequest& request) const {
  LastRevisions last;
  for (const SentStream& stream : request.streams) {
    if (const auto revision = last_revision(request.tenant, stream.stream))
      last.streams.emplace(stream.stream, *revision);
    for (const SentEvent& event : stream.events) {
      if (event.subject_expected.kind == ExpectationKind::any) continue;
      if (const auto revision = last_subject_revision(request.tenant, stream.stream, event.subject))
        last.subjects.emplace(std::pair(stream.stream, event.subject), *revision);
    }
  }
  return last;
}

void History::observed(const std::string& tenant, const ServedEvent& event, Instant now) {
  const std::string where =
      tenant + "/" + event.stream + " revision " + number(event.revision) + " at " + event.place.describe();
  const auto found = by_data_.find(event.data);
  if (found == by_data_.end()) {
    fail(where + " has data that nobody sent: " + event.data);
    return;
  }
  const auto [id, wanted_index] = found->second;
  const auto [stream, sent] = original(id, wanted_index);
  const bool same = requests_.at(id).sent.tenant == tenant && stream->stream == event.stream &&
                    sent->type == event.type && sent->metadata == event.metadata && sent->id == event.id &&
                    sent->subject == event.subject;
  if (!same) {
    fail(where + " is not what " + describe(id) + " sent: type " + event.type + " metadata " +
         event.metadata + " id " + event.id + " subject " + event.subject);
    return;
  }
  const auto known_tenant = tenants_.find(tenant);
  if (known_tenant != tenants_.end() && event.place.position <= known_tenant->second.created_position) {
    fail(where + " is of a tenant that was deleted; this one was created at position " +
         number(known_tenant->second.created_position));
    return;
  }
  if (event.place.index != wanted_index) {
    fail(where + " was event " + number(wanted_index) + " of " + describe(id));
    return;
  }
  if (!place_request(id, event.place.position, now)) return;
  add_fact(tenant, event.stream, event.revision, id, event.place);
  if (!event.subject.empty()) observed_subject(tenant, event, sent->subject_expected);
}

void History::observed_subject(const std::string& tenant, const ServedEvent& event,
                               const Expected& expected) {
  const std::string where = tenant + "/" + event.stream + " at " + event.place.describe() + ": subject " +
                            event.subject + " revision " +
                            (event.subject_revision ? number(*event.subject_revision) : "nothing");
  auto& places = subjects_[{tenant, event.stream, event.subject}];
  const auto at = places.try_emplace(event.place).first;
  if (at->second && at->second == event.subject_revision) return;
  const bool is_after = at == places.begin() || !std::prev(at)->second ||
                        *std::prev(at)->second < event.subject_revision.value_or(0);
  const bool is_before = std::next(at) == places.end() || !std::next(at)->second ||
                         *std::next(at)->second > event.subject_revision.value_or(0);
  if (!event.subject_revision || at->second || !is_after || !is_before) {
    fail(where + " does not fit the revisions that were told before");
    return;
  }
  at->second = event.subject_revision;
  const std::uint64_t revision = *event.subject_revision;
  if (!expected.holds(revision == 0 ? std::nullopt : std::optional(revision - 1)))
    fail(where + " was expected to follow " + expected.describe());
}

void History::check_nothing_left_out(const std::string& tenant, const std::string& stream,
                                     const std::string& subject, Place first, Place last,
                                     const std::set<Place>& served, Mark known) {
  const auto places = places_.find(tenant);
  if (places == places_.end()) return;
  for (auto at = places->second.upper_bound(first); at != places->second.end() && at->first < last; ++at) {
    if (served.contains(at->first)) continue;
    if (!stream.empty() && at->second.stream != stream) continue;
    const Position& position = positions_.at(at->first.position);
    if (!subject.empty() && original(position.request, at->first.index).event->subject != subject) continue;
    const Fact& fact = streams_.at({tenant, at->second.stream}).at(at->second.revision);
    const bool was_known = fact.number < known.facts;
    if (was_known) {
      fail("a read of " + tenant + "/" + stream + " from " + first.describe() + " to " + last.describe() +
           " left out " + at->first.describe());
      return;
    }
  }
}

void History::check_bytes(Place place, const std::string& stream, const std::string& data) {
  const auto known = positions_.find(place.position);
  if (known == positions_.end()) return;  // lost meanwhile
  const Original sent = original(known->second.request, place.index);
  if (sent.event == nullptr || sent.stream->stream != stream || sent.event->data != data)
    fail("a proof shows at " + place.describe() + " what nobody sent: " + stream + " " + data);
}

// ---- tenants

History::Stand History::stand(const std::string& tenant) const {
  const auto found = tenants_.find(tenant);
  if (found == tenants_.end()) return {epoch_, 0, tenant == "default"};
  return {epoch_, found->second.generation, found->second.is_settled};
}

void History::tenant_changes(const std::string& tenant) {
  tenants_[tenant].is_settled = false;
}

void History::tenant_began(const std::string& tenant, std::uint64_t created_position) {
  Tenant& known = tenants_[tenant];
  known = {known.generation + 1, true, created_position};
  forget(tenant, [&](Place place) { return place.position <= created_position; });
}

void History::forget(const std::string& tenant, const std::function<bool(Place)>& is_gone) {
  std::erase_if(places_[tenant], [&](const auto& item) { return is_gone(item.first); });
  for (auto at = streams_.lower_bound({tenant, ""}); at != streams_.end() && at->first.first == tenant; ++at)
    std::erase_if(at->second, [&](const auto& item) { return is_gone(item.second.place); });
  for (auto at = subjects_.lower_bound({tenant, "", ""});
       at != subjects_.end() && std::get<0>(at->first) == tenant; ++at)
    std::erase_if(at->second, [&](const auto& item) { return is_gone(item.first); });
}

// ---- restarts and the end

void History::recovered(std::uint64_t head, const std::string& hash, Instant may_lose_since, Instant now) {
  if (may_lose_since != Instant::never()) {
    ++epoch_;
    // Created or deleted perhaps in an entry that is gone.
    for (auto& [name, tenant] : tenants_) tenant.is_settled = false;
  }
  std::set<std::string> lost;
  for (auto at = positions_.upper_bound(head); at != positions_.end();) {
    const auto& [position, known] = *at;
    if (known.learned < may_lose_since) {
      fail("after a restart the head is at " + number(head) + ": position " + number(position) + ", " +
           describe(known.request) + ", is lost");
      return;
    }
    Request& request = requests_.at(known.request);
    // Somebody saw it, but its client was not told, and goes on asking for it.
    const bool is_open = request.state == State::open && request.sent.in_session;
    if (!is_open) request.state = State::lost;
    request.position.reset();
    ++lost_count_;
    lost.insert(request.sent.tenant);
    at = positions_.erase(at);
  }
  for (const std::string& tenant : lost) forget(tenant, [&](Place place) { return place.position > head; });
  for (auto at = hashes_.upper_bound(head); at != hashes_.end();) {
    if (at->second.learned < may_lose_since) {
      fail("after a restart the head is at " + number(head) + " although it was at " + number(at->first));
      return;
    }
    at = hashes_.erase(at);
  }
  last_position_ = std::min(last_position_, head);
  if (!hash.empty()) check_hash(head, hash, "", now);
}

std::uint64_t History::survived(const std::vector<std::pair<std::string, std::string>>& held, Instant now) {
  std::uint64_t end = held.size();
  for (const auto& [position, known] : hashes_) {
    const bool same =
        position <= held.size() && (known.hash.empty() || held[position - 1].first == known.hash);
    if (!same) end = std::min(end, position - 1);
  }
  for (const auto& [position, known] : positions_) {
    if (position > end) break;
    const auto found = by_data_.find(held[position - 1].second);
    if (found == by_data_.end() || found->second.first != known.request) end = position - 1;
  }
  recovered(end, "", Instant{}, now);
  return end;
}

std::optional<Place> History::last_place(const std::string& tenant) const {
  const auto known = places_.find(tenant);
  if (known == places_.end() || known->second.empty()) return std::nullopt;
  return known->second.rbegin()->first;
}

void History::check_whole(const std::string& tenant, const std::vector<ServedEvent>& all,
                          const std::set<std::uint64_t>& damaged, Mark known_before) {
  std::map<std::string, std::uint64_t> next;
  std::map<std::pair<std::string, std::string>, std::uint64_t> next_of_subject;
  std::optional<Place> last;
  for (const ServedEvent& event : all) {
    if (last && event.place <= *last)
      fail(tenant + ": " + event.place.describe() + " comes after " + last->describe());
    last = event.place;
    const auto [expected, fresh] = next.try_emplace(event.stream, 0);
    // Revisions that lie in damaged entries are not served; without damage there is no gap.
    if (event.revision != expected->second && (damaged.empty() || event.revision < expected->second)) {
      fail(tenant + "/" + event.stream + " goes from revision " + number(expected->second) + " to " +
           number(event.revision));
    }
    expected->second = event.revision + 1;
    if (event.subject.empty()) continue;
    const auto [subject, first] = next_of_subject.try_emplace({event.stream, event.subject}, 0);
    if (!event.subject_revision || (damaged.empty() && *event.subject_revision != subject->second)) {
      fail(tenant + "/" + event.stream + ": subject " + event.subject + " is not at revision " +
           number(subject->second));
    }
    ++subject->second;
  }
  std::set<Place> served;
  for (const ServedEvent& event : all) served.insert(event.place);
  const auto places = places_.find(tenant);
  if (places == places_.end()) return;
  for (const auto& [place, known] : places->second) {
    if (served.contains(place) || damaged.contains(place.position)) continue;
    if (streams_.at({tenant, known.stream}).at(known.revision).number >= known_before.facts) continue;
    fail(tenant + "/" + known.stream + ": " + place.describe() + ", " +
         describe(positions_.at(place.position).request) + ", is lost");
    return;
  }
}

}  // namespace verity::sim
