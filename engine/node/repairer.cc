#include "engine/node/repairer.h"

#include "engine/node/message_codec.h"
#include "engine/node/release.h"
#include "io/base/assert.h"
#include "io/base/probe.h"
#include "io/clock.h"
#include "io/fiber/loop.h"
#include "io/logger.h"

#include <algorithm>

namespace verity::node {
namespace {

constexpr std::string_view log_target = "verity_repair";
// A damaged disk can hold more damage than anybody wants to read.
constexpr std::size_t lines_max = 20;
constexpr std::size_t answers_max = 16;  // waiting; more are asked for again
constexpr std::uint64_t entries_per_answer_max = 1000;
constexpr ByteCount bytes_per_answer_max = 1 * MiB;  // unless one entry alone is larger
constexpr Duration answer_patience = 1s;             // doubled with every answer that does not come in time
constexpr Duration answer_patience_max = 8s;
constexpr Duration retry_pause = 500ms;  // doubled with every failure
constexpr Duration retry_pause_max = 8s;

// The same bytes as the protocol's own, under a type of their own.
// In the first release, which everybody knows.
PeerMessage encode_as(std::uint16_t type, const consensus::Message& message) {
  PeerMessage encoded = encode(message, first_release, NodeId{});
  encoded.type = type;
  return encoded;
}

std::uint16_t type_of(const consensus::Message& message) {
  return encode(message, first_release, NodeId{}).type;
}

bool is_chain(const std::vector<log::EntryPtr>& entries, Position first, Sha256Digest parent) {
  for (const log::EntryPtr& entry : entries) {
    const log::EntryHeader& header = entry->header();
    if (header.position != first || header.parent != parent || !log::body_hash_matches(*entry)) return false;
    first = first.next();
    parent = entry->hash();
  }
  return true;
}

}  // namespace

Repairer::Repairer(Parts parts)
    : world_(parts.world),
      log_(parts.log),
      log_directory_(parts.log_directory),
      transport_(parts.transport),
      self_(parts.self),
      newest_release_(parts.newest_release),
      bytes_per_second_(parts.bytes_per_second),
      pause_(retry_pause),
      patience_(answer_patience) {}

Repairer::~Repairer() {
  VERITY_ASSERT_NOTE(fibers_.count() == 0, "stop() must have returned");
}

void Repairer::spawn(std::string_view name, void (Repairer::*body)(io::Wait&)) {
  fibers_.add();
  world_.loop.spawn(name, [this, body] {
    io::Wait wait(world_.loop, &cancel_);
    (this->*body)(wait);
    fibers_.done();
  });
}

void Repairer::start() {
  spawn("repair", &Repairer::run_repairs);
  spawn("repair answers", &Repairer::run_answers);
}

void Repairer::stop(io::Wait& wait) {
  cancel_.cancel();
  ignore(fibers_.wait(wait), "nobody cancels a stop");
}

bool Repairer::damaged(const log::Damage& damage) {
  const std::string name = damage.file.substr(std::min(damage.file.size(), std::string_view("log/").size()));
  const auto sealed = log::parse_sealed_segment_name(name);
  if (!sealed && name != log::current_segment_name) return false;
  const std::uint64_t current = log_.table().current().header.sequence;
  const std::uint64_t sequence = sealed.value_or(current);
  if (sequence == current) log_.seal_soon();
  std::vector<std::string>& lines = damaged_[sequence];
  const std::string line = damage.describe();
  const bool is_news = lines.size() < lines_max && std::find(lines.begin(), lines.end(), line) == lines.end();
  if (is_news) lines.push_back(line);
  repair_work_.notify_all();
  return is_news;
}

std::vector<std::string> Repairer::outstanding() const {
  std::vector<std::string> all;
  for (const auto& [sequence, lines] : damaged_) all.insert(all.end(), lines.begin(), lines.end());
  return all;
}

// ---- repairing

// In turn, so that one nobody can help with keeps no other waiting.
std::optional<std::size_t> Repairer::next_to_repair() const {
  const auto& segments = log_.table().segments;
  std::optional<std::size_t> first;
  for (std::size_t i = 0; i + 1 < segments.size(); ++i) {
    const std::uint64_t sequence = segments[i].header.sequence;
    if (!damaged_.contains(sequence)) continue;
    if (!last_tried_ || sequence > *last_tried_) return i;
    if (!first) first = i;
  }
  return first;
}

void Repairer::run_repairs(io::Wait& wait) {
  while (!wait.is_cancelled()) {
    const std::optional<std::size_t> next = next_to_repair();
    if (!next) {
      // The current segment is looked at again: nobody tells when it is sealed.
      io::Wait soon = damaged_.empty() ? wait : wait.within(retry_pause);
      ignore(repair_work_.wait(soon), "what there is to do is looked at");
      continue;
    }
    last_tried_ = log_.table().segments[*next].header.sequence;
    const Status repaired = repair(wait, *next);
    pause_ = repaired ? retry_pause : std::min(2 * pause_, retry_pause_max);
    if (!repaired && !wait.is_cancelled()) {
      world_.logger.log(io::LogLevel::warn, log_target, "a segment could not be repaired; it is tried again",
                        {{"error", repaired.error().describe()}});
      ignore(wait.sleep(pause_), "the loop looks");
    }
  }
}

Status Repairer::repair(io::Wait& wait, std::size_t index) {
  const log::SegmentInfo segment = log_.table().segments[index];
  const std::uint64_t sequence = segment.header.sequence;
  world_.logger.log(io::LogLevel::info, log_target, "repairing a segment from the other nodes",
                    {{"segment", sequence}, {"damage", damaged_.at(sequence).front()}});
  const log::SegmentRepair repair{
      .segment = segment,
      .next = log_.table().segments[index + 1].header,
      .bytes_per_second = bytes_per_second_,
      .fetch = [this](io::Wait& waiting, Position first, Position last, const Sha256Digest& parent) {
        return fetch(waiting, first, last, parent);
      }};
  VERITY_TRY_ASSIGN(const log::RepairedSegment done, log::repair_segment(wait, log_directory_, repair));
  log_.segment_repaired(done.header, done.end_offset);
  damaged_.erase(sequence);
  repaired_entries_total_ += done.entries_fetched;
  repaired_bytes_total_ += done.bytes_fetched;
  world_.logger.log(io::LogLevel::info, log_target, "the segment is whole again",
                    {{"segment", sequence}, {"entries_fetched", done.entries_fetched}});
  if (on_repaired) on_repaired();
  return {};
}

// From whoever has them: some node kept a good copy, and may be away just now; then other segments may be repaired meanwhile.
// One that answers with something else keeps nobody from being asked.
Result<std::vector<log::EntryPtr>> Repairer::fetch(io::Wait& wait, Position first, Position last,
                                                   const Sha256Digest& parent) {
  bool is_misfit = false;
  for (const consensus::Member& member : others_in_turn()) {
    VERITY_TRY_ASSIGN(std::vector<log::EntryPtr> entries, ask(wait, member, first, last));
    if (entries.empty()) continue;
    if (is_chain(entries, first, parent)) return entries;
    is_misfit = true;
  }
  if (is_misfit) {
    VERITY_PROBE("repair: what others have does not follow");
    return fail(ErrorCode::corrupt, "what other nodes have at position " + first.describe() +
                                        " does not follow what is before it here");
  }
  return fail(ErrorCode::not_found,
              "no node that answers has what is damaged here, from position " + first.describe());
}

// Somebody else is asked first each time, so that no one serves it all.
std::vector<consensus::Member> Repairer::others_in_turn() {
  std::vector<consensus::Member> others;
  for (const consensus::Member& member : members()) {
    if (member != self_) others.push_back(member);
  }
  if (!others.empty()) {
    const auto first = static_cast<std::ptrdiff_t>(turn_++ % others.size());
    std::rotate(others.begin(), others.begin() + first, others.end());
  }
  return others;
}

Result<std::vector<log::EntryPtr>> Repairer::ask(io::Wait& wait, const consensus::Member& whom,
                                                 Position first, Position last) {
  const PeerMessage question = encode_as(repair_ask_type, consensus::Fetch{View{}, first, last});
  if (!transport_.send(whom, PeerLane::control, question)) return std::vector<log::EntryPtr>();
  asked_ = Ask{whom, first, last};
  answer_.clear();
  io::Wait patient = wait.within(patience_);
  while (asked_ && patient.check()) ignore(answered_.wait(patient), "asked_ says whether there is an answer");
  patience_ = asked_ ? std::min(2 * patience_, answer_patience_max) : answer_patience;
  asked_.reset();
  VERITY_TRY(wait.check());
  return std::exchange(answer_, {});
}

// ---- what the others say and ask

void Repairer::on_message(const consensus::Member& from, std::uint16_t type, ByteView payload) {
  static const std::uint16_t fetch_type = type_of(consensus::Fetch{});
  static const std::uint16_t fetched_type = type_of(consensus::Fetched{});
  Result<consensus::Message> message =
      decode(type == repair_ask_type ? fetch_type : fetched_type, payload, newest_release_, from.id);
  if (!message) {
    world_.logger.log(io::LogLevel::warn, log_target, "a message that makes no sense was ignored",
                      {{"from", from.describe()}, {"error", message.error().describe()}});
    return;
  }
  if (const auto* const asks = std::get_if<consensus::Fetch>(&*message)) {
    if (to_answer_.size() >= answers_max) return;
    to_answer_.push_back({from, asks->first, asks->last});
    answer_work_.notify_one();
    return;
  }
  const consensus::EntryRange& range = std::get<consensus::Fetched>(*message).range;
  // A late answer of one that was asked before is as good; that it has nothing says nothing of the others.
  const bool is_answer =
      asked_ && asked_->first == range.first && (asked_->from == from || !range.entries.empty());
  if (!is_answer) return;
  for (const consensus::EntryInfo& info : range.entries) {
    if (info.position <= asked_->last) answer_.push_back(entry_of(info));
  }
  asked_.reset();
  answered_.notify_all();
}

// Nothing is an answer, too: somebody else may have it.
void Repairer::run_answers(io::Wait& wait) {
  while (!wait.is_cancelled()) {
    if (to_answer_.empty()) {
      ignore(answer_work_.wait(wait), "what there is to do is looked at");
      continue;
    }
    const Ask question = to_answer_.front();
    to_answer_.pop_front();
    consensus::EntryRange range{question.first, {}, {}};
    ByteCount bytes = 0;
    const Position end = std::min(question.last, log_.committed());
    for (Position at = question.first; at.value > 0 && at <= end; at = at.next()) {
      const Result<log::EntryPtr> entry = log_.reader().read(wait, at);
      if (!entry) break;
      bytes += (*entry)->bytes().size();
      if (!range.entries.empty() && bytes > bytes_per_answer_max) break;
      Result<consensus::EntryInfo> info = describe_entry(*entry);
      if (!info) break;
      range.entries.push_back(std::move(*info));
      if (range.entries.size() >= entries_per_answer_max) break;
    }
    served_entries_total_ += range.entries.size();
    transport_.send(question.from, PeerLane::bulk,
                    encode_as(repair_answer_type, consensus::Fetched{{}, {}, std::move(range)}));
  }
}

}  // namespace verity::node
