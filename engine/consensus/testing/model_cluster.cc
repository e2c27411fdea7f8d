#include "engine/consensus/testing/model_cluster.h"

#include "io/base/assert.h"
#include "io/base/prng.h"

#include <algorithm>

namespace verity::consensus::testing {
namespace {

// Not a cryptographic hash; nobody attacks a model.
Sha256Digest mix(const Sha256Digest& parent, std::uint64_t position, View view, const std::string& label) {
  std::uint64_t seed = position * 0x9e3779b97f4a7c15U + view.value;
  for (const std::uint8_t byte : parent.bytes) seed = (seed ^ byte) * 0x100000001b3U;
  for (const char letter : label) seed = (seed ^ static_cast<std::uint8_t>(letter)) * 0x100000001b3U;
  Sha256Digest hash;
  Prng(seed).fill(std::as_writable_bytes(std::span(hash.bytes)));
  return hash;
}

// Those that a message carries or names.
const std::vector<EntryInfo>& entries_of(const Message& message) {
  static const std::vector<EntryInfo> none;
  return std::visit(
      [](const auto& m) -> const std::vector<EntryInfo>& {
        if constexpr (requires { m.range; }) {
          return m.range.entries;
        } else if constexpr (requires { m.tail; }) {
          return m.tail;
        } else {
          return none;
        }
      },
      message);
}

Member member_of(std::size_t id, std::uint64_t incarnation) {
  Member member{NodeId{id}, {}};
  member.incarnation.bytes[0] = static_cast<std::uint8_t>(0xa0 + incarnation);
  return member;
}

}  // namespace

std::string Envelope::describe() const {
  return from.id.describe() + ">" + to.id.describe() + " " + consensus::describe(message);
}

ModelCluster::ModelCluster(std::size_t count, ReplicaOptions options) : options_(options) {
  MemberSet members;
  for (std::size_t id = 1; id <= count; ++id) members.add(member_of(id, 0));
  EntryInfo founding{.position = Position{1}, .view = {}, .hash = {}, .parent = {}};
  founding.hash = mix({}, 1, {}, "founding");
  founding.voters = std::make_shared<const MemberSet>(members);
  history_.push_back({founding, View{}});
  for (const Member& member : members)
    nodes_.push_back({.self = member,
                      .replica = {},
                      .writes = {},
                      .promises = {},
                      .log = {founding},
                      .committed = Position{1},
                      .former = {},
                      .heard = 0,
                      .patience = 1});
  for (const Member& member : members) start(member.id);
}

// Also what was meant for the disk that the node had before: the network is as weak as it may be.
ModelCluster::Node* ModelCluster::find(const Member& member) {
  Node& node = at(member.id);
  return node.replica ? &node : nullptr;
}

// ---- what can happen

void ModelCluster::deliver(std::size_t index) {
  const Envelope envelope = messages_.at(index);
  messages_.erase(messages_.begin() + static_cast<std::ptrdiff_t>(index));
  if (Node* const node = find(envelope.to)) step(*node, Receive{envelope.from, envelope.message});
}

void ModelCluster::drop(std::size_t index) {
  messages_.erase(messages_.begin() + static_cast<std::ptrdiff_t>(index));
}

void ModelCluster::repeat(std::size_t index) {
  const Envelope envelope = messages_.at(index);
  if (Node* const node = find(envelope.to)) step(*node, Receive{envelope.from, envelope.message});
}

void ModelCluster::forge(NodeId from, NodeId to, Message message) {
  step(at(to), Receive{member(from), std::move(message)});
}

void ModelCluster::write_to_disk(Node& node, const Write& write) {
  if (const auto* const save = std::get_if<SavePromises>(&write)) {
    const Promises& old = node.promises;
    if (save->promises.view < old.view || save->promises.log_view < old.log_view)
      violate("promises of " + node.self.describe() + " go back");
    if (save->promises.view == old.view && old.primary && save->promises.primary != old.primary)
      violate(node.self.describe() + " gives its vote of view " + old.view.describe() + " to another");
    node.promises = save->promises;
    return;
  }
  const auto* const append = std::get_if<AppendLog>(&write);
  const auto* const replace = std::get_if<ReplaceLog>(&write);
  if (replace != nullptr) check_replaced(node, *replace);
  if (replace != nullptr) node.log.resize(std::min<std::size_t>(node.log.size(), replace->first.value - 1));
  for (const EntryInfo& entry : append != nullptr ? append->entries : replace->entries) {
    VERITY_ASSERT(entry.position.value == node.log.size() + 1);
    VERITY_ASSERT(node.log.empty() || entry.parent == node.log.back().hash);
    node.log.push_back(entry);
  }
}

void ModelCluster::complete_write(NodeId id) {
  Node& node = at(id);
  const Write write = std::move(node.writes.front());
  node.writes.pop_front();
  write_to_disk(node, write);
  if (node.replica) node.committed = std::min(node.replica->journal().committed(), Position{node.log.size()});
  if (const auto* const save = std::get_if<SavePromises>(&write)) {
    step(node, PromisesSaved{save->number});
  } else if (const auto* const append = std::get_if<AppendLog>(&write)) {
    step(node, LogDurable{append->generation, append->entries.back().position});
  } else {
    const auto& replace = std::get<ReplaceLog>(write);
    step(node, LogDurable{replace.generation, Position{replace.first.value + replace.entries.size() - 1}});
  }
}

void ModelCluster::complete_promises(NodeId id) {
  std::deque<Write>& writes = at(id).writes;
  const auto first = std::find_if(writes.begin(), writes.end(), [](const Write& write) {
    return std::holds_alternative<SavePromises>(write);
  });
  if (first == writes.end()) return;
  std::rotate(writes.begin(), first, first + 1);
  complete_write(id);
}

EntryInfo ModelCluster::make_entry(const Node& node, const std::string& label) const {
  const Journal& journal = node.replica->journal();
  EntryInfo entry{.position = journal.head().next(),
                  .view = node.replica->view(),
                  .hash = {},
                  .parent = journal.head_hash()};
  entry.hash = mix(entry.parent, entry.position.value, entry.view, label);
  return entry;
}

void ModelCluster::propose(NodeId id, const std::string& label) {
  Node& node = at(id);
  step(node, Propose{{make_entry(node, label)}});
}

std::string_view ModelCluster::propose_voters(NodeId id, const MemberSet& voters) {
  Node& node = at(id);
  if (const std::string_view refusal = node.replica->why_not_change(voters); !refusal.empty()) return refusal;
  EntryInfo entry = make_entry(node, voters.describe());
  entry.voters = std::make_shared<const MemberSet>(voters);
  step(node, Propose{{entry}});
  return {};
}

void ModelCluster::propose_settled(Node& node) {
  const Membership& membership = node.replica->journal().membership();
  if (!node.replica->is_primary() || !membership.unsettled || membership.change) return;
  EntryInfo entry = make_entry(node, "settled");
  entry.settles = true;
  step(node, Propose{{entry}});
}

void ModelCluster::admit(NodeId id, NodeId learner) {
  step(at(id), Admit{member(learner)});
}

void ModelCluster::forget(NodeId id, NodeId lost) {
  if (const auto& former = at(lost).former) step(at(id), Forget{*former});
}

void ModelCluster::tend(NodeId id, std::size_t members) {
  Node& node = at(id);
  const auto membership = [&] { return node.replica->journal().membership(); };
  for (const Node& other : nodes_) {
    if (!node.replica->is_primary()) break;
    if (other.replica && !membership().is_voter(other.self)) admit(id, other.self.id);
  }
  if (const auto unsettled = membership().unsettled) {
    for (const Member& newcomer : unsettled->newcomers) {
      if (is_up(newcomer.id) && member(newcomer.id) != newcomer) step(node, Forget{newcomer});
    }
  }
  beat(id);
  // What an operator asks for, and what a node sees to by itself: one lost disk after another. If it is not time yet, it will be.
  const auto propose = [&](const MemberSet& wanted) {
    if (node.replica->is_primary() && wanted != membership().voters)
      static_cast<void>(propose_voters(id, wanted));
  };
  MemberSet first;
  for (std::size_t i = 0; i < members; ++i) first.add(nodes_[i].self);
  if (members != 0) propose(first);
  for (const Node& other : nodes_) {
    MemberSet wanted = membership().voters;
    const Member* const old = wanted.find(other.self.id);
    if (!other.replica || old == nullptr || *old == other.self) continue;
    wanted.remove(Member(*old));
    wanted.add(other.self);
    propose(wanted);
  }
}

void ModelCluster::confirm(NodeId id, std::uint64_t token) {
  asked_[{id, token}] = committed();
  step(at(id), Confirm{token});
}

void ModelCluster::hand_over(NodeId id, NodeId to) {
  step(at(id), HandOver{to});
}

void ModelCluster::beat(NodeId id) {
  step(at(id), HeartbeatDue{});
}

void ModelCluster::silence(NodeId id) {
  step(at(id), Silence{});
}

void ModelCluster::settle() {
  for (bool busy = true; busy;) {
    busy = false;
    for (Node& node : nodes_) {
      while (!node.writes.empty()) {
        complete_write(node.self.id);
        busy = true;
      }
    }
    if (!messages_.empty()) {
      deliver(0);
      busy = true;
    }
  }
}

ModelCluster ModelCluster::in_operation(std::size_t count, ReplicaOptions options) {
  ModelCluster cluster(count, options);
  cluster.settle();
  for (std::size_t id = 1; id <= count; ++id) cluster.beat(NodeId{id});
  cluster.settle();
  cluster.take_trace();
  return cluster;
}

void ModelCluster::crash(NodeId id, std::size_t kept) {
  Node& node = at(id);
  for (std::size_t i = 0; i < kept && !node.writes.empty(); ++i) {
    write_to_disk(node, node.writes.front());
    node.writes.pop_front();
  }
  node.writes.clear();
  node.replica.reset();
  node.committed = std::min(node.committed, Position{node.log.size()});
}

void ModelCluster::start(NodeId id) {
  Node& node = at(id);
  VERITY_ASSERT(!node.replica);
  JournalStart journal{.committed = node.committed, .committed_hash = {}, .membership = {}, .tail = {}};
  for (const EntryInfo& entry : node.log) {
    if (entry.position <= node.committed) {
      journal.committed_hash = entry.hash;
      journal.membership.take(entry, true);
    } else {
      journal.tail.push_back(entry);
    }
  }
  ReplicaOptions options = options_;
  options.self = node.self;
  if (node.promises.unknown_from) ++node.damaged_starts;
  options.start = 1 + node.damaged_starts;
  node.replica.emplace(options, journal, node.promises);
  carry_out(node, node.replica->start());
}

void ModelCluster::damage(NodeId id, Position from) {
  Node& node = at(id);
  VERITY_ASSERT(!node.replica);
  if (from.value > node.log.size()) return;
  node.log.resize(from.value - 1);
  node.committed = std::min(node.committed, Position{node.log.size()});
  // Noted durably before anything is written over it.
  if (!node.promises.unknown_from || from < *node.promises.unknown_from) node.promises.unknown_from = from;
}

void ModelCluster::wipe(NodeId id) {
  Node& node = at(id);
  VERITY_ASSERT(!node.replica);
  node = {.self = member_of(id.value, ++incarnations_),
          .replica = {},
          .writes = {},
          .promises = {},
          .log = {},
          .committed = {},
          .former = node.self,
          .heard = 0,
          .patience = 1};
}

void ModelCluster::refound(NodeId id) {
  messages_.clear();  // of another epoch
  primaries_.clear();
  asked_.clear();
  for (std::size_t other = 1; other <= nodes_.size(); ++other) {
    if (NodeId{other} != id) wipe(NodeId{other});
  }
  Node& node = at(id);
  const auto is_here = [&](const CommittedOnce& once) {
    return once.entry.position.value <= node.log.size() &&
           node.log[once.entry.position.value - 1] == once.entry;
  };
  while (!history_.empty() && !is_here(history_.back())) history_.pop_back();
  MemberSet alone;
  alone.add(node.self);
  const View view = next_view(node.promises.view, alone);
  EntryInfo founding{.position = Position{node.log.size() + 1}, .view = view, .hash = {}, .parent = {}};
  if (!node.log.empty()) founding.parent = node.log.back().hash;
  founding.hash = mix(founding.parent, founding.position.value, view, "founded anew");
  founding.voters = std::make_shared<const MemberSet>(alone);
  founding.founds = true;
  node.log.push_back(founding);
  node.promises = {.view = view, .primary = node.self, .log_view = view, .unknown_from = {}};
}

void ModelCluster::add_blank() {
  nodes_.push_back({.self = member_of(nodes_.size() + 1, 0),
                    .replica = {},
                    .writes = {},
                    .promises = {},
                    .log = {},
                    .committed = {},
                    .former = {},
                    .heard = 0,
                    .patience = 1});
}

MemberSet ModelCluster::everybody() const {
  MemberSet all;
  for (const Node& node : nodes_) all.add(node.self);
  return all;
}

// Of changes that nobody knows to be committed, in messages that may still arrive.
std::vector<MemberSet> ModelCluster::coming_voters() const {
  std::vector<MemberSet> coming;
  for (const Envelope& envelope : messages_) {
    for (const EntryInfo& entry : entries_of(envelope.message)) {
      if (entry.voters && entry.position > committed()) coming.push_back(*entry.voters);
    }
  }
  return coming;
}

bool ModelCluster::stands_a_wipe() const {
  Membership membership;
  for (const auto& [entry, view] : history_) membership.take(entry, true);
  if (membership.unsettled || membership.voters != everybody() || !coming_voters().empty()) return false;
  return std::none_of(nodes_.begin(), nodes_.end(), [](const Node& node) {
    Membership there;
    for (const EntryInfo& entry : node.log) there.take(entry, true);
    return there.unsettled || (node.replica && node.replica->journal().membership().unsettled);
  });
}

bool ModelCluster::can_do_without(NodeId away) const {
  MemberSet there;
  for (const Node& node : nodes_) {
    if (node.self.id != away) there.add(node.self);
  }
  const auto suffices = [&](const MemberSet& voters) {
    return voters.empty() || voters.count_in(there) >= voters.majority();
  };
  // A change may be on its way and nowhere else.
  const std::vector<MemberSet> coming = coming_voters();
  if (!std::all_of(coming.begin(), coming.end(), suffices)) return false;
  return std::all_of(nodes_.begin(), nodes_.end(), [&](const Node& node) {
    Membership on_disk;
    for (const EntryInfo& entry : node.log) on_disk.take(entry, false);
    const Membership& now = node.replica ? node.replica->journal().membership() : on_disk;
    return !node.promises.unknown_from && suffices(now.voters) && suffices(on_disk.voters) &&
           (!now.change || suffices(now.change->voters)) && (!now.unsettled || suffices(now.before)) &&
           (!on_disk.change || suffices(on_disk.change->voters));
  });
}

Position ModelCluster::log_end(NodeId node) const {
  return Position{at(node).log.size()};
}

// ---- carrying out

void ModelCluster::step(Node& node, const Input& input) {
  VERITY_ASSERT_NOTE(node.replica.has_value(), "the node is down");
  carry_out(node, node.replica->step(input));
}

// Committed entries that the replica no longer holds one by one are read from the disk.
void ModelCluster::fill_in(const Node& node, EntryRange& range) const {
  if (!range.entries.empty() || range.last < range.first) return;
  for (std::uint64_t position = range.first.value;
       position <= range.last.value && position <= node.log.size(); ++position)
    range.entries.push_back(node.log[position - 1]);
}

void ModelCluster::carry_out(Node& node, Effects effects) {
  bool settles = false;
  for (Effect& effect : effects) {
    if (auto* const send = std::get_if<Send>(&effect)) {
      if (auto* const prepare = std::get_if<Prepare>(&send->message)) fill_in(node, prepare->range);
      if (auto* const fetched = std::get_if<Fetched>(&send->message)) fill_in(node, fetched->range);
      check_message(node, send->message);
      messages_.push_back({node.self, send->to, std::move(send->message)});
      if (tracing_) trace_.push_back(messages_.back().describe());
      continue;
    }
    const auto* const heard = std::get_if<HeardPrimary>(&effect);
    if (heard != nullptr) {
      ++node.heard;
      node.patience = heard->patience;
    }
    if (tracing_ && heard == nullptr)
      trace_.push_back(node.self.id.describe() + "  " + consensus::describe(effect));
    if (auto* const save = std::get_if<SavePromises>(&effect)) node.writes.emplace_back(*save);
    if (auto* const append = std::get_if<AppendLog>(&effect)) node.writes.emplace_back(std::move(*append));
    if (auto* const replace = std::get_if<ReplaceLog>(&effect)) node.writes.emplace_back(std::move(*replace));
    if (const auto* const committed = std::get_if<Committed>(&effect))
      check_committed(node, committed->position);
    if (std::holds_alternative<BecamePrimary>(effect)) check_primary(node);
    if (const auto* const confirmed = std::get_if<Confirmed>(&effect)) check_answer(node, confirmed->token);
    settles = settles || std::holds_alternative<ProposeSettled>(effect);
  }
  if (settles) propose_settled(node);
}

// ---- what must hold

void ModelCluster::violate(const std::string& what) {
  if (violation_) return;
  violation_ = what;
  trace_.push_back("VIOLATION " + what);
}

// A view has one primary, and that holds everything that was committed before.
void ModelCluster::check_primary(const Node& node) {
  const auto [leader, fresh] = primaries_.emplace(node.replica->view(), node.self);
  if (!fresh) {
    violate("view " + leader->first.describe() + " is led by " + leader->second.describe() + " and by " +
            node.self.describe());
  }
  const Journal& journal = node.replica->journal();
  for (std::size_t i = 0; i < history_.size(); ++i) {
    const Position position{i + 1};
    if (position <= journal.base()) continue;
    const auto hash = journal.hash_at(position);
    // A belated primary of an older view may lack what was committed in newer ones; it commits nothing itself.
    if (hash == history_[i].entry.hash || history_[i].view > node.replica->view()) continue;
    violate(node.self.describe() + " leads view " + node.replica->view().describe() + " without position " +
            position.describe() + ", which was committed");
    return;
  }
}

// What is committed at one place is never committed differently at another.
void ModelCluster::check_committed(const Node& node, Position position) {
  const Journal& journal = node.replica->journal();
  for (Position p{std::max<std::uint64_t>(journal.base().value, 1)}; p <= position; p = p.next()) {
    const Sha256Digest hash = *journal.hash_at(p);
    if (p.value > history_.size()) {
      history_.push_back({journal.at(p), node.replica->view()});
    } else if (history_[p.value - 1].entry.hash != hash) {
      violate("position " + p.describe() + " is committed twice, by " + node.self.describe() +
              " differently");
      return;
    }
  }
}

// What was committed in a view whose log this node holds, or an earlier one, stays on its disk: it vouched for it.
void ModelCluster::check_replaced(const Node& node, const ReplaceLog& replace) {
  for (std::uint64_t p = replace.first.value; p <= std::min(node.log.size(), history_.size()); ++p) {
    const Sha256Digest& hash = history_[p - 1].entry.hash;
    const View view = history_[p - 1].view;
    const std::size_t at = p - replace.first.value;
    const bool stays = at < replace.entries.size() && replace.entries[at].hash == hash;
    if (node.log[p - 1].hash == hash && view <= node.promises.log_view && !stays)
      violate(node.self.describe() + " gives up position " + std::to_string(p) + ", which was committed");
  }
}

// Who still leads knows of everything that was committed before it was asked.
void ModelCluster::check_answer(const Node& node, std::uint64_t token) {
  const auto asked = asked_.find({node.self.id, token});
  if (asked == asked_.end()) return;
  if (node.replica->journal().committed() < asked->second)
    violate(node.self.describe() + " answers reads without position " + asked->second.describe());
}

// Nobody speaks of what is not durable.
void ModelCluster::check_message(const Node& node, const Message& message) {
  if (view_of(message) > node.promises.view && !std::holds_alternative<AskStartView>(message))
    violate(node.self.describe() + " speaks of view " + view_of(message).describe() +
            " before it is durable");
  if (const auto* const ok = std::get_if<PrepareOk>(&message)) {
    const bool durable = ok->durable.value == 0 || (ok->durable.value <= node.log.size() &&
                                                    node.log[ok->durable.value - 1].hash == ok->hash);
    if (!durable)
      violate(node.self.describe() + " acknowledges position " + ok->durable.describe() +
              " before it is durable");
    if (ok->durable.value != 0 && node.promises.log_view < ok->view)
      violate(node.self.describe() + " acknowledges in a view whose log it does not hold");
  }
}

// ---- for people and for the explorer

std::vector<std::string> ModelCluster::take_trace() {
  return std::exchange(trace_, {});
}

std::string ModelCluster::describe() const {
  std::string text;
  for (const Node& node : nodes_) {
    text += node.replica ? node.replica->describe() : node.self.describe() + " down\n";
    text += "  disk " + node.promises.describe() + " committed=" + node.committed.describe() +
            " end=" + std::to_string(node.log.size()) +
            (node.log.empty() ? "" : " " + node.log.back().hash.describe().substr(0, 8)) + "\n";
    for (const Write& write : node.writes) {
      text += "  writing " + std::visit([](const auto& w) { return consensus::describe(Effect(w)); }, write);
      const auto generation = [&](const auto& w) -> std::string {
        if constexpr (requires { w.generation; })
          return w.generation == node.replica->journal().generation() ? "" : " dead";
        return "";
      };
      text += std::visit(generation, write) + "\n";
    }
  }
  std::vector<std::string> lines;
  lines.reserve(messages_.size());
  for (const Envelope& envelope : messages_)
    lines.push_back(envelope.from.describe() + ">" + envelope.to.describe() + " " +
                    consensus::describe(envelope.message) + "\n");
  std::sort(lines.begin(), lines.end());
  for (const std::string& line : lines) text += line;
  return text + "committed " + std::to_string(history_.size()) + "\n";
}

}  // namespace verity::consensus::testing
