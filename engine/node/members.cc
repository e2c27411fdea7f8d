#include "engine/node/members.h"

#include "engine/log/body.h"
#include "engine/log/verify.h"
#include "engine/node/message_codec.h"
#include "io/base/assert.h"

#include <algorithm>

namespace verity::node {
namespace {

using consensus::Member;
using consensus::MemberSet;
using consensus::Membership;

MemberSet members_in(const MembersRecord& record) {
  MemberSet members;
  for (const MembersRecord::Seat& seat : record.seats) members.add(seat.member);
  return members;
}

Refusal refuse(std::string detail) {
  return {.code = RefusalCode::invalid_request, .detail = std::move(detail)};
}

std::string sizes(std::size_t size) {
  return "the cluster would have " + std::to_string(size) +
         " members; 1, 3, 5 and 7 are allowed: an even number stands no more failures than one less, and has "
         "more to fail";
}

}  // namespace

Membership membership_at(const DurableState& state, Position committed) {
  const MembersRecord& record = state.members;
  Membership membership;
  if (committed.value == 0) return membership;
  membership.voters = state.founders;
  if (record.at.value == 0) return membership;
  if (committed < record.at) {
    membership.voters = record.before;
    membership.changed_at = record.before_at;
    membership.settled_at = record.before_at.value == 0 ? Position{} : committed;
    return membership;
  }
  membership.voters = members_in(record);
  membership.before = record.before;
  membership.before_at = record.before_at;
  membership.changed_at = record.at;
  if (record.settled_at.value != 0) {
    membership.settled_at = record.settled_at;
  } else {
    membership.unsettled =
        consensus::UnsettledChange{record.at, membership.voters.without(membership.before)};
  }
  return membership;
}

MemberSet members_of(const DurableState& state) {
  return state.members.at.value == 0 ? state.founders : members_in(state.members);
}

MemberSet members_of(const LogSays& says) {
  return says.members.at.value == 0 ? says.founders : members_in(says.members);
}

Result<LogSays> members_in_log(io::Wait& wait, io::Directory& log_directory, Position through) {
  LogSays says;
  MembersRecord& record = says.members;
  log::VerifyOptions options;
  options.on_entry = [&](const log::EntryPtr& entry, std::uint64_t, std::uint32_t) -> Status {
    if (entry->position() > through) return {};
    says.epoch = entry->header().epoch;
    says.last = entry->position();
    says.view = std::max(says.view, entry->header().view);
    if (log::FoundingBody founding; says.last == Position{1} && log::decode(entry->body(), founding)) {
      says.cluster_id = founding.cluster_id;
      says.cluster_name = founding.cluster_name;
      says.founded_at = entry->header().timestamp;
      for (const auto& [id, incarnation] : founding.members) says.founders.add({id, incarnation});
    }
    log::ReleaseBody release;
    if (entry->header().kind == log::EntryKind::release && log::decode(entry->body(), release))
      says.release = {release.release, entry->position()};
    VERITY_TRY_ASSIGN(const consensus::EntryInfo info, describe_entry(entry));
    if (info.settles) record.settled_at = info.position;
    if (!info.voters) return {};
    MembersRecord next{.at = info.position,
                       .seats = {},
                       .before = members_in(record),
                       .before_at = record.at,
                       .settled_at = info.founds ? info.position : Position{}};
    log::MembersBody body;
    const bool has_addresses = !info.founds && log::decode(entry->body(), body);
    for (const Member& member : *info.voters) {
      const std::size_t seat = next.seats.size();
      next.seats.push_back({member, has_addresses ? std::string(body.seats[seat].address) : ""});
    }
    record = std::move(next);
    return {};
  };
  VERITY_TRY_ASSIGN(const log::VerifyReport report, log::verify_log(wait, log_directory, options));
  if (!report.damage.empty() && report.damage.front().position <= through)
    says.damage = report.damage.front();
  if (record.at == Position{1}) record = {};  // the founding alone is no change
  return says;
}

void reach_members(const MembersRecord& record, NodeId self, PeerTransport& transport) {
  std::vector<std::string> addresses;
  for (const MembersRecord::Seat& seat : record.seats) {
    if (seat.member.id != self && !seat.address.empty()) addresses.push_back(seat.address);
  }
  transport.reach(addresses);
}

Status check_not_removed(const DurableState& state) {
  const Member self{state.node_id, state.incarnation};
  const MembersRecord& record = state.members;
  const bool left =
      record.settled_at.value != 0 && record.before.contains(self) && !members_in(record).contains(self);
  if (!left) return {};
  return fail(ErrorCode::unsupported,
              "node " + state.node_id.describe() + " was removed from the cluster '" + state.cluster_name +
                  "' by entry " + record.at.describe() +
                  "; to let it in again, give it an empty data directory and run verity-admin cluster add");
}

Members::Members(Parts parts) : parts_(std::move(parts)), addresses_(parts_.transport, parts_.state.node_id) {
  for (const MembersRecord::Seat& seat : parts_.state.members.seats)
    addresses_.learn(seat.member.id, seat.address);
}

// ---- the state

MembersRecord Members::record() const {
  const consensus::Journal& journal = parts_.replica.journal();
  const Membership& membership = journal.membership();
  MembersRecord record{.at = membership.changed_at,
                       .seats = {},
                       .before = membership.before,
                       .before_at = membership.before_at,
                       .settled_at = {}};
  if (record.at.value == 0) return record;
  if (membership.settled_at >= record.at && membership.settled_at <= journal.committed())
    record.settled_at = membership.settled_at;
  for (const Member& member : membership.change ? membership.change->voters : membership.voters)
    record.seats.push_back({member, addresses_.of(member.id)});
  return record;
}

// As the members entry says that is last in the log.
void Members::learn_addresses() {
  const consensus::Journal& journal = parts_.replica.journal();
  const Position at = journal.membership().changed_at;
  if (at <= journal.base() || at > journal.head()) return;
  const log::EntryPtr entry = entry_of(journal.at(at));
  log::MembersBody body;
  if (entry == nullptr || entry->header().kind != log::EntryKind::members) return;
  if (!log::decode(entry->body(), body)) return;
  for (const auto& [member, address] : body.seats) addresses_.learn(member.node_id, std::string(address));
}

void Members::look() {
  const consensus::Journal& journal = parts_.replica.journal();
  const MembersRecord& known = behind_ ? writing_ : parts_.state.members;
  const Membership& membership = journal.membership();
  const bool settles = known.at.value != 0 && known.settled_at.value == 0 &&
                       membership.settled_at >= known.at && membership.settled_at <= journal.committed();
  if (journal.membership_changes() == seen_ && !settles) return;
  if (journal.membership_changes() != seen_) {
    learn_addresses();
    MemberSet members = membership.everyone();
    // A log that has lost its end knows less of them than the state.
    if (journal.committed() < parts_.state.members.at) {
      for (const MembersRecord::Seat& seat : parts_.state.members.seats) members.add(seat.member);
    }
    addresses_.set_members(members);
  }
  seen_ = journal.membership_changes();
  MembersRecord now = record();
  if (now == known) return;
  // Up to the first position of which the durable state tells something else than the log.
  const MembersRecord& durable = parts_.state.members;
  Position first{~std::uint64_t{0}};
  if (now.at != durable.at || members_in(now) != members_in(durable)) {
    if (now.at.value != 0) first = now.at;
    if (durable.at.value != 0 && now.before_at != durable.at) first = std::min(first, durable.at);
  } else if (now.settled_at != durable.settled_at && now.settled_at.value != 0) {
    // A start that finds it committed looks no more at what it says.
    first = now.settled_at;
  }
  const Position limit{first.value - 1};
  limit_ = behind_ ? std::min(limit_, limit) : limit;
  behind_ = true;
  writing_ = std::move(now);
}

void Members::write_down() {
  if (behind_) parts_.state.members = writing_;
}

void Members::saved() {
  if (behind_ && parts_.state.members == writing_) behind_ = false;
}

std::string Members::unfinished() const {
  const Membership& membership = parts_.replica.journal().membership();
  if (membership.change) return "the members change with entry " + membership.change->at.describe();
  if (membership.unsettled)
    return "the change of the members in entry " + membership.unsettled->at.describe() +
           " has not arrived everywhere";
  const bool settled = membership.settled_at <= parts_.replica.journal().committed();
  return settled ? std::string() : "the change of the members is being settled";
}

// ---- the others

std::vector<Member> Members::reachable() const {
  std::vector<Member> members;
  for (const auto& [id, peer] : connected_) {
    if (parts_.transport->is_connected(peer)) members.push_back(peer);
  }
  return members;
}

void Members::tend(Instant now) {
  addresses_.tend(now);
  if (!parts_.replica.is_primary() || parts_.transport == nullptr) return;
  admit_newcomers();
  forget_the_lost();
  replace_lost_disks();
}

void Members::admit_newcomers() {
  for (const Member& peer : reachable()) {
    if (parts_.replica.journal().membership().is_voter(peer)) continue;
    if (!parts_.may_admit()) return;
    parts_.step(consensus::Admit{peer});
  }
}

// A member whose id has come back on another disk, and whoever has left and gone.
void Members::forget_the_lost() {
  const Membership membership = parts_.replica.journal().membership();
  for (const Member& member : membership.before) {
    if (!membership.is_voter(member) && !parts_.transport->is_connected(member))
      parts_.step(consensus::Forget{member});
  }
  if (!membership.unsettled) return;
  for (const Member& member : membership.unsettled->newcomers) {
    const auto now = connected_.find(member.id);
    if (now != connected_.end() && now->second != member) parts_.step(consensus::Forget{member});
  }
}

void Members::replace_lost_disks() {
  const MemberSet voters = parts_.replica.journal().membership().voters;
  for (const Member& peer : reachable()) {
    const Member* const old = voters.find(peer.id);
    if (old == nullptr || *old == peer) continue;
    MemberSet wanted = voters;
    wanted.remove(*old);
    wanted.add(peer);
    if (propose_members(wanted).empty()) return;
  }
}

std::string_view Members::propose_members(const MemberSet& voters) {
  if (const std::string_view why = parts_.replica.why_not_change(voters); !why.empty()) return why;
  std::vector<std::string> addresses;
  for (const Member& member : voters) addresses.push_back(addresses_.of(member.id));
  log::MembersBody body;
  for (const Member& member : voters)
    body.seats.push_back({{member.id, member.incarnation}, addresses[body.seats.size()]});
  Bytes bytes;
  log::encode(body, bytes);
  return parts_.propose(log::EntryKind::members, bytes) ? "" : "there is no room in the log";
}

void Members::propose_settled() {
  const Membership& membership = parts_.replica.journal().membership();
  if (!parts_.replica.is_primary() || !membership.unsettled || membership.change) return;
  Bytes bytes;
  log::encode(log::SettledBody{membership.unsettled->at}, bytes);
  parts_.propose(log::EntryKind::settled, bytes);  // if there is no room, the replica says it again
}

// ---- what an operator wants

// Why the node cannot come in: nobody is connected under its id.
std::string Members::missing(NodeId id) const {
  const std::string address = addresses_.of(id);
  std::string why = "node " + id.describe() + (address.empty() ? "" : " at " + address) + " is not connected";
  for (const PeerStatus& peer : parts_.transport->peers()) {
    const bool is_there = !address.empty() && peer.address == address;
    if (is_there && peer.connected && peer.id != id)
      return why + ": node " + peer.id.describe() + " answers there";
    if ((is_there || peer.id == id) && !peer.problem.empty()) return why + ": " + peer.problem;
  }
  return why;
}

std::string Members::refuse_newcomer(const MembersChange& wanted, NodeId id,
                                     const std::string& address) const {
  const std::string who = "node " + id.describe();
  if (id.value < 1 || id.value > consensus::node_ids_max) return who + ": ids of 1 to 7 are allowed";
  for (const auto& [other, its_address] : wanted.add) {
    if (other == id && its_address != address)
      return who + " is named twice, with " + its_address + " and " + address;
    if (other != id && its_address == address)
      return "the nodes " + id.describe() + " and " + other.describe() + " cannot both be at " + address;
  }
  for (const Member& member : parts_.replica.journal().membership().everyone()) {
    const std::string known = addresses_.shown(member.id);
    if (member.id != id && known == address)
      return who + " cannot be at " + address + ": node " + member.id.describe() + " is, a member";
    if (member.id == id && known != address) {
      return who + " is a member already" + (known.empty() ? "" : ", at " + known) +
             "; one that has moved needs no change of the members: it reaches the others";
    }
  }
  return {};
}

Outcome<MembersProgress> Members::change(const MembersChange& wanted, Instant now) {
  const Membership& membership = parts_.replica.journal().membership();
  const MemberSet current = membership.change ? membership.change->voters : membership.voters;
  std::vector<NodeId> ids;
  for (const Member& member : current) ids.push_back(member.id);
  const auto has = [&](NodeId id) { return std::find(ids.begin(), ids.end(), id) != ids.end(); };
  for (const auto& [id, address] : wanted.add) {
    if (std::string why = refuse_newcomer(wanted, id, address); !why.empty())
      return std::unexpected(refuse(std::move(why)));
    if (!has(id)) ids.push_back(id);
  }
  for (const NodeId id : wanted.remove) {
    std::erase(ids, id);
    addresses_.give_up(id);
  }
  std::sort(ids.begin(), ids.end());
  if (ids.size() % 2 == 0) return std::unexpected(refuse(sizes(ids.size())));

  MembersProgress progress{.done = false, .waits_for = unfinished(), .members = ids};
  MemberSet target;
  for (const NodeId id : ids) {
    if (const Member* const member = current.find(id)) target.add(*member);
  }
  if (target == current && ids.size() == current.size()) {
    progress.done = progress.waits_for.empty();
    return progress;
  }
  for (const auto& [id, address] : wanted.add) {
    if (!current.has_id(id)) addresses_.want(id, address, now);
  }
  for (const NodeId id : ids) {
    if (target.has_id(id)) continue;
    const auto peer = connected_.find(id);
    if (peer == connected_.end() || !parts_.transport->is_connected(peer->second)) {
      progress.waits_for = missing(id);
      return progress;
    }
    target.add(peer->second);
  }
  if (const std::string_view why = propose_members(target); !why.empty()) {
    progress.waits_for = why;
  } else {
    progress.waits_for = "the change is on its way";
  }
  return progress;
}

}  // namespace verity::node
