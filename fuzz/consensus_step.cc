// One replica and the other members, who say whatever the input makes them say: any message, in any order, from any of them,
// with contents that lie. What the driver does is honest: writes are completed in order, proposals follow the head.
//
// Whatever comes, the replica does not crash, what it writes is a log that continues, its promises never go back, no view
// gets two of its votes, and it acknowledges nothing that is not durable.
#include "engine/consensus/replica.h"
#include "fuzz/fuzz_input.h"

#include <algorithm>
#include <deque>
#include <limits>
#include <optional>
#include <vector>

namespace {

using namespace verity;
using namespace verity::consensus;

using Write = std::variant<SavePromises, AppendLog, ReplaceLog>;

Member member(std::uint8_t number) {
  Member some{NodeId{number % 9U}, {}};  // 0 and 8 are no id at all
  some.incarnation.bytes[0] = static_cast<std::uint8_t>(0xa0 + (number >= 128 ? 1 : 0));
  return some;
}

Sha256Digest digest(std::uint8_t number) {
  Sha256Digest hash;
  hash.bytes[0] = number;
  return hash;
}

class World {
 public:
  explicit World(fuzz::Input& input) : input_(input) {
    MemberSet voters;
    for (std::uint8_t id = 1; id <= 3; ++id) voters.add(member(id));
    EntryInfo founding{.position = Position{1}, .view = {}, .hash = digest(1), .parent = {}};
    founding.voters = std::make_shared<const MemberSet>(voters);
    log_ = {founding};
    self_ = member(static_cast<std::uint8_t>(1 + input_.take_byte() % 3));
    start();
  }

  void act() {
    switch (input_.take_byte() % 16) {
      case 0:
        return crash();
      case 1:
        return step(Silence{});
      case 2:
        return step(HeartbeatDue{});
      case 3:
        return step(Confirm{input_.take_byte()});
      case 4:
        return step(HandOver{NodeId{input_.take_byte() % 4U}});
      case 5:
        return propose();
      case 6:
      case 7:
      case 8:
        return complete_write();
      case 9:
        return step(Admit{member(input_.take_byte())});
      case 10:
        return step(Forget{member(input_.take_byte())});
      default:
        return step(Receive{member(input_.take_byte()), message()});
    }
  }

 private:
  // Small numbers mostly, so that some of them fit; now and then one that is absurd.
  std::uint64_t number() {
    const std::uint8_t byte = input_.take_byte();
    if (byte < 240) return byte % 12;
    constexpr std::uint64_t top = std::numeric_limits<std::uint64_t>::max();
    return byte < 248 ? top - byte % 4 : (std::uint64_t{1} << (byte % 8 * 9)) + 3;
  }
  // Near what is true.
  Position position() {
    const std::uint8_t byte = input_.take_byte();
    if (byte < 128) return Position{replica_->journal().head().value + byte % 4};
    if (byte < 192) return replica_->journal().committed();
    return Position{number()};
  }
  View view() {
    const std::uint8_t byte = input_.take_byte();
    if (byte < 160) return replica_->view();
    if (byte < 220) return View{replica_->view().value + 1 + byte % 8};
    return View{number()};
  }
  Sha256Digest hash(Position at) {
    const std::uint8_t byte = input_.take_byte();
    if (byte < 160) return replica_->journal().hash_at(at).value_or(digest(byte));
    return digest(byte);
  }
  MemberSet members() {
    MemberSet set;
    for (std::uint8_t count = input_.take_byte() % 8; count > 0; --count) set.add(member(input_.take_byte()));
    return set;
  }
  // Entries that follow `at`, or do not.
  std::vector<EntryInfo> entries(Position at, Sha256Digest parent) {
    std::vector<EntryInfo> list;
    for (std::uint8_t count = input_.take_byte() % 6; count > 0; --count) {
      const std::uint8_t how = input_.take_byte();
      EntryInfo entry{
          .position = at.next(), .view = View{number()}, .hash = hash(at.next()), .parent = parent};
      if (how % 16 == 1) entry.position = position();
      if (how % 16 == 2) entry.parent = digest(how);
      if (how % 16 == 3) entry.voters = std::make_shared<const MemberSet>(members());
      if (how % 16 == 4) entry.settles = true;
      at = entry.position;
      parent = entry.hash;
      list.push_back(entry);
    }
    return list;
  }
  EntryRange range() {
    const Position before = position();
    EntryRange some{before.next(), {}, entries(before, hash(before))};
    some.last = Position{before.value + some.entries.size()};
    const std::uint8_t how = input_.take_byte();
    if (how % 8 == 1) some.first = position();
    if (how % 8 == 2) some.last = position();
    return some;
  }

  Message message() {
    switch (input_.take_byte() % 14) {
      case 0:
        return Prepare{view(), position(), range()};
      case 1: {
        const Position durable = position();
        return PrepareOk{view(), durable, hash(durable), position(), number(), number()};
      }
      case 2:
        return Heartbeat{view(), position(), position(), number(), number()};
      case 3:
        return Suspect{view()};
      case 4: {
        Vote vote{.view = view(), .candidate = self_, .log_view = View{number()}, .committed = position()};
        if (input_.take_byte() % 8 == 1) vote.candidate = member(input_.take_byte());
        vote.committed_hash = hash(vote.committed);
        vote.voters = input_.take_byte() % 4 == 1 ? members() : replica_->journal().committed_voters();
        vote.tail = entries(vote.committed, vote.committed_hash);
        if (input_.take_byte() % 4 == 1) vote.unknown_from = position();
        return vote;
      }
      case 5: {
        StartView start{.view = view(), .committed = position()};
        start.committed_hash = hash(start.committed);
        start.tail = entries(start.committed, start.committed_hash);
        return start;
      }
      case 6:
        return AskStartView{view()};
      case 7:
        return NewerView{view()};
      case 8: {
        const Position first = position();
        return Fetch{view(), first, position()};
      }
      case 9:
        return TakeOver{view()};
      case 10: {
        const Position committed = position();
        return AskLog{view(), committed, hash(committed)};
      }
      case 11: {
        WholeLog log{.view = view(), .log_view = View{number()}, .committed = position()};
        log.committed_hash = hash(log.committed);
        log.tail = entries(log.committed, log.committed_hash);
        return log;
      }
      case 12:
        return Heard{view()};
      default: {
        const View in = view();
        const Position committed = position();
        return Fetched{in, committed, range()};
      }
    }
  }

  void propose() {
    if (!replica_->is_primary()) return;
    const Journal& journal = replica_->journal();
    EntryInfo entry{
        .position = journal.head().next(), .view = replica_->view(), .parent = journal.head_hash()};
    entry.hash = digest(static_cast<std::uint8_t>(100 + ++proposals_ % 100));
    const std::uint8_t how = input_.take_byte();
    if (how % 4 == 1) {
      const MemberSet voters = members();
      if (replica_->why_not_change(voters).empty()) entry.voters = std::make_shared<const MemberSet>(voters);
    }
    const Membership& membership = journal.membership();
    if (how % 4 == 2) entry.settles = membership.unsettled && !membership.change;
    step(Propose{{entry}});
  }

  void complete_write() {
    if (writes_.empty()) return;
    const Write write = writes_.front();
    writes_.pop_front();
    apply(write);
    committed_ = std::min(replica_->journal().committed(), Position{log_.size()});
    if (const auto* const saved = std::get_if<SavePromises>(&write))
      return step(PromisesSaved{saved->number});
    if (const auto* const append = std::get_if<AppendLog>(&write))
      return step(LogDurable{append->generation, append->entries.back().position});
    const auto& replace = std::get<ReplaceLog>(write);
    step(LogDurable{replace.generation, Position{replace.first.value + replace.entries.size() - 1}});
  }

  void apply(const Write& write) {
    if (const auto* const saved = std::get_if<SavePromises>(&write)) {
      const Promises& next = saved->promises;
      FUZZ_CHECK(next.view >= promises_.view && next.log_view >= promises_.log_view);
      FUZZ_CHECK(next.view > promises_.view || !promises_.primary || next.primary == promises_.primary);
      promises_ = next;
      return;
    }
    const auto* const replace = std::get_if<ReplaceLog>(&write);
    if (replace != nullptr) {
      FUZZ_CHECK(replace->first > committed_ && replace->first.value <= log_.size() + 1);
      log_.resize(replace->first.value - 1);
    }
    for (const EntryInfo& entry :
         replace != nullptr ? replace->entries : std::get<AppendLog>(write).entries) {
      FUZZ_CHECK(entry.position.value == log_.size() + 1);
      FUZZ_CHECK(log_.empty() || entry.parent == log_.back().hash);
      log_.push_back(entry);
    }
  }

  void crash() {
    for (std::uint8_t kept = input_.take_byte() % 4; kept > 0 && !writes_.empty(); --kept) {
      apply(writes_.front());
      writes_.pop_front();
    }
    writes_.clear();
    committed_ = std::min(committed_, Position{log_.size()});
    if (const std::uint8_t how = input_.take_byte(); how % 8 == 1 && log_.size() > 1) {
      // Its end is damaged, and that is noted.
      log_.resize(1 + how / 8 % (log_.size() - 1));
      committed_ = std::min(committed_, Position{log_.size()});
      const Position from{log_.size() + 1};
      if (!promises_.unknown_from || from < *promises_.unknown_from) promises_.unknown_from = from;
    }
    start();
  }

  void start() {
    JournalStart journal{.committed = committed_};
    for (const EntryInfo& entry : log_) {
      if (entry.position > committed_) {
        journal.tail.push_back(entry);
        continue;
      }
      journal.committed_hash = entry.hash;
      journal.membership.take(entry, true);
    }
    ReplicaOptions options{.self = self_};
    options.batch_entries_max = 2;
    options.keep_committed = 2;
    replica_.emplace(options, journal, promises_);
    carry_out(replica_->start());
  }

  void step(const Input& what) { carry_out(replica_->step(what)); }

  void carry_out(const Effects& effects) {
    for (const Effect& effect : effects) {
      if (const auto* const save = std::get_if<SavePromises>(&effect)) writes_.emplace_back(*save);
      if (const auto* const append = std::get_if<AppendLog>(&effect)) writes_.emplace_back(*append);
      if (const auto* const replace = std::get_if<ReplaceLog>(&effect)) writes_.emplace_back(*replace);
      FUZZ_CHECK(!describe(effect).empty());
      const auto* const send = std::get_if<Send>(&effect);
      const auto* const ok = send == nullptr ? nullptr : std::get_if<PrepareOk>(&send->message);
      if (ok == nullptr) continue;
      FUZZ_CHECK(ok->durable.value <= log_.size());
      FUZZ_CHECK(ok->durable.value == 0 || log_[ok->durable.value - 1].hash == ok->hash);
    }
    FUZZ_CHECK(!replica_->describe().empty());
  }

  fuzz::Input& input_;
  Member self_;
  std::optional<Replica> replica_;
  std::deque<Write> writes_;
  std::vector<EntryInfo> log_;  // on disk
  Position committed_{1};
  Promises promises_;
  std::uint64_t proposals_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  World world(input);
  for (int steps = 0; steps < 400 && !input.rest().empty(); ++steps) world.act();
  return 0;
}
