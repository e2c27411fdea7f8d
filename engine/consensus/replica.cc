#include "engine/consensus/replica.h"

#include "io/base/assert.h"

#include <algorithm>

namespace verity::consensus {

std::string_view describe(Status status) {
  switch (status) {
    case Status::primary:
      return "primary";
    case Status::backup:
      return "backup";
    case Status::changing:
      return "changing";
    case Status::filling:
      return "filling";
    case Status::removed:
      return "removed";
  }
  return "?";
}

Replica::Replica(ReplicaOptions options, JournalStart journal, Promises promises)
    : options_(options), journal_(std::move(journal)), promises_(promises) {}

Effects Replica::start() {
  effects_.clear();
  leave_if_removed();
  if (status_ == Status::removed) return std::move(effects_);
  const bool led = promises_.primary == options_.self && holds_log_of_view();
  const bool founds = promises_ == Promises{} && primary_id(View{0}) == options_.self.id &&
                      journal_.head() == Position{1} && !is_learner();
  if (founds) {
    // The first primary of a cluster; durable, so that after a restart it does not lead again.
    Promises promises = promises_;
    promises.primary = options_.self;
    save(promises);
    status_ = Status::filling;
  } else if (holds_log_of_view() && !led) {
    follow();
  } else {
    // A view change was under way, or this node led: the others may have gone on without it. Or it is blank.
    status_ = Status::changing;
    effects_.push_back(LostPrimary{promises_.view});
    if (!led) vote();
  }
  // Nobody else is there to be waited for.
  const bool is_alone = journal_.membership().everyone().size() == 1 && !is_learner();
  if (is_alone && status_ == Status::changing) silence();
  return std::move(effects_);
}

Effects Replica::step(const Input& input) {
  effects_.clear();
  struct Dispatch {
    Replica& replica;
    void operator()(const Receive& i) const { replica.receive(i); }
    void operator()(const Propose& i) const { replica.propose(i); }
    void operator()(const LogDurable& i) const { replica.log_durable(i); }
    void operator()(const PromisesSaved& i) const { replica.promises_saved(i); }
    void operator()(const HeartbeatDue&) const { replica.beat(); }
    void operator()(const Silence&) const { replica.silence(); }
    void operator()(const Confirm& i) const { replica.confirm(i); }
    void operator()(const HandOver& i) const { replica.hand_over(i); }
    void operator()(const Admit& i) const { replica.admit(i); }
    void operator()(const Forget& i) const { replica.forget(i); }
  };
  std::visit(Dispatch{*this}, input);
  return std::move(effects_);
}

std::optional<Position> Replica::acknowledged_by(NodeId backup) const {
  if (!is_primary()) return std::nullopt;
  std::optional<Position> acked;
  for (const auto& [member, progress] : leading_.backups) {
    if (member.id != backup) continue;
    if (journal_.membership().is_voter(member)) return progress.acked;
    acked = progress.acked;
  }
  return acked;
}

std::optional<Member> Replica::primary() const {
  if (status_ == Status::primary) return options_.self;
  if (status_ != Status::backup && status_ != Status::filling) return std::nullopt;
  if (promises_.primary) return promises_.primary;
  if (following_.leader) return following_.leader;
  const Membership& membership = journal_.membership();
  const Member* const member = membership.voters.find(primary_id(promises_.view));
  return member == nullptr ? std::nullopt : std::optional(*member);
}

void Replica::receive(const Receive& input) {
  if (status_ == Status::removed) return ignore_message(input.from, input.message, "a member no longer");
  if (input.from == options_.self) return ignore_message(input.from, input.message, "from itself");
  if (const std::string_view wrong = what_is_wrong(input.message); !wrong.empty())
    return ignore_message(input.from, input.message, wrong);
  if (learn_view(input.from, input.message)) return;
  std::visit([&](const auto& message) { on(input.from, message); }, input.message);
}

bool Replica::learn_view(const Member& from, const Message& message) {
  const View view = view_of(message);
  if (view < promises_.view) {
    if (std::holds_alternative<Fetched>(message)) return false;
    // Whoever still leads or follows an older view learns of ours.
    if (is_saved()) send(from, NewerView{promises_.view});
    ignore_message(from, message, "an older view");
    return true;
  }
  if (view == promises_.view) return false;
  if (std::holds_alternative<StartView>(message)) return false;  // says itself all there is to know
  const bool leads = std::holds_alternative<Prepare>(message) || std::holds_alternative<Heartbeat>(message);
  if (leads) {
    send(from, AskStartView{view});
    return true;
  }
  // It was raised by a majority, whoever tells.
  raise_view(view);
  return !std::holds_alternative<Vote>(message);
}

void Replica::log_durable(const LogDurable& input) {
  journal_.made_durable(input.generation, input.position);
  switch (status_) {
    case Status::primary:
      return advance_commit();
    case Status::backup:
      acknowledge();
      return settle_unknown();
    case Status::filling:
      return finish_filling();
    case Status::changing:
    case Status::removed:
      return;
  }
}

void Replica::save(Promises promises) {
  VERITY_ASSERT(promises.view >= promises_.view && promises.log_view >= promises_.log_view);
  VERITY_ASSERT(promises.log_view <= promises.view);
  promises_ = promises;
  effects_.push_back(SavePromises{++save_number_, promises_});
}

void Replica::promises_saved(const PromisesSaved& input) {
  saved_ = std::max(saved_, input.number);
  if (!is_saved()) return;  // superseded: what the last one says is not durable yet
  switch (status_) {
    case Status::changing:
      return vote();
    case Status::filling: {
      if (filling_ && !filling_->finishing) return fill();
      const bool leads = !filling_ || filling_->leads;  // who founds has nothing to fill
      filling_.reset();
      if (leads) return lead();
      if (holds_log_of_view()) return follow();
      status_ = Status::changing;
      return vote();
    }
    case Status::backup:
      return acknowledge();
    case Status::primary:
    case Status::removed:
      return;
  }
}

void Replica::send(const Member& to, Message message, bool is_bulk) {
  effects_.push_back(Send{to, std::move(message), is_bulk});
}

void Replica::broadcast(const Message& message) {
  for (const Member& member : journal_.membership().everyone()) {
    if (member != options_.self) send(member, message);
  }
}

void Replica::ignore_message(const Member& from, const Message& message, std::string_view reason) {
  effects_.push_back(Ignored{from, name_of(message), reason});
}

// As many of [first, last] as fit into one message, at least one.
EntryRange Replica::range_from(Position first, Position last) const {
  last = std::min(last, Position{first.value + options_.batch_entries_max - 1});
  if (first <= journal_.base()) return {first, std::min(last, journal_.base()), {}};
  EntryRange range{first, last, {}};
  ByteCount bytes = 0;
  for (Position at = first; at <= last; at = at.next()) {
    const EntryInfo& entry = journal_.at(at);
    bytes += entry.bytes;
    if (at != first && bytes > options_.batch_bytes_max) {
      range.last = Position{at.value - 1};
      break;
    }
    range.entries.push_back(entry);
  }
  return range;
}

std::string Replica::describe() const {
  std::string text = options_.self.describe() + " " + std::string(consensus::describe(status_)) + " " +
                     promises_.describe() + (is_saved() ? "" : " saving") + "\n  " +
                     journal_.membership().describe() + "\n  " + journal_.describe() + "\n";
  if (status_ == Status::primary) {
    text += "  serve_from=" + leading_.serve_from.describe() + " round=" + std::to_string(leading_.round) +
            " heard=" + leading_.heard.describe() + " head_at_beat=" + leading_.head_at_beat.describe() +
            (leading_.gone.empty() ? "" : " gone=" + leading_.gone.describe());
    for (const auto& [member, progress] : leading_.backups) {
      text += " " + member.describe() + ":" + progress.acked.describe() + "," + progress.next.describe() +
              "," + std::to_string(progress.round) + "," + std::to_string(progress.sent_round) +
              (progress.start != 0 ? "," + std::to_string(progress.start) : "") +
              (progress.bulk_until > progress.acked ? " bulk=" + progress.bulk_until.describe() : "");
    }
    for (const Leading::Question& question : leading_.questions)
      text += " ?" + std::to_string(question.token) + "@" + std::to_string(question.round);
    text += "\n";
  }
  if (status_ == Status::backup) {
    text += "  round=" + std::to_string(following_.round) +
            (following_.leader && !promises_.primary ? " leader=" + following_.leader->describe() : "") +
            (following_.owed ? " owed=" + following_.owed->describe() : "") + "\n";
  }
  if (suspicion_.own || !suspicion_.others.empty() || !suspicion_.strangers.empty()) {
    text += std::string("  suspects") + (suspicion_.own ? " itself" : "") + " " +
            suspicion_.others.describe() +
            (suspicion_.strangers.empty() ? "" : " strangers=" + suspicion_.strangers.describe()) + "\n";
  }
  if (electing_.is_called_for) text += "  takes over\n";
  for (const auto& [voter, vote] : electing_.votes)
    text += "  from " + voter.describe() + " " + consensus::describe(Message(vote)) + "\n";
  if (filling_) {
    text += "  from " + filling_->source.describe() + (filling_->leads ? " to lead " : " ") +
            consensus::describe(Message(filling_->target)) + " common=" + filling_->common.describe() +
            " got=" + std::to_string(filling_->got.size()) + (filling_->fetching ? " fetching" : "") +
            (filling_->written ? " written" : "") + (filling_->finishing ? " finishing" : "") +
            (filling_->adopts ? " of view " + filling_->log_view.describe() : "") + "\n";
  }
  return text;
}

}  // namespace verity::consensus
