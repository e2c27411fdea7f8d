#include "sim/recorded_history.h"

#include "sim/answers.h"
#include "sim/clock.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

namespace verity::sim {
namespace {

// The world began at some other time than 1970.
Instant instant_of(JsonValue line) {
  const auto at_us = static_cast<std::int64_t>(line["at"].number().value_or(0));
  return {at_us * 1000 - epoch_of_world.ns};
}

std::optional<Expected> expected_of(JsonValue json) {
  if (!json) return Expected{};
  const std::string text = json.string().value_or("");
  for (const auto kind : {ExpectationKind::any, ExpectationKind::none, ExpectationKind::exists}) {
    if (text == Expected{kind}.describe()) return Expected{kind};
  }
  const auto revision = parse_place(text);
  return revision ? std::optional(Expected{ExpectationKind::exact, revision->position}) : std::nullopt;
}

// Nothing if it is not what an append may be.
std::optional<SentRequest> request_of(JsonValue line) {
  const auto tenant = line["tenant"].string();
  const auto stream = line["stream"].string();
  const auto expected = expected_of(line["expected"]);
  const auto events = line["events"].items();
  if (!tenant || !stream || !expected || events.empty()) return std::nullopt;
  SentStream sent{*stream, *expected, {}};
  for (const JsonValue& event : events) {
    const auto type = event["type"].string();
    if (!type || !event["data"]) return std::nullopt;
    sent.events.push_back({*type,
                           std::string(event["data"].text),
                           std::string(event["metadata"].text),
                           event["id"].string().value_or(""),
                           event["subject"].string().value_or(""),
                           {}});
  }
  return SentRequest{*tenant, {std::move(sent)}, line["key"].string().value_or("")};
}

std::optional<Read> read_of(JsonValue line) {
  Read read;
  const auto tenant = line["tenant"].string();
  const auto limit = line["limit"].number();
  if (!tenant || !limit) return std::nullopt;
  read.tenant = *tenant;
  read.stream = line["stream"].string().value_or("");
  read.limit = *limit;
  read.backward = line["direction"].string() == "backward";
  const std::string from = line["from"].string().value_or(read.backward ? "end" : "");
  read.from_end = from == "end";
  if (from.empty() || (read.from_end && read.backward)) return read;
  const auto place = parse_place(from);
  if (!place) return std::nullopt;
  const bool is_token = read.stream.empty() || from.find('.') != std::string::npos;
  if (is_token) {
    read.from_place = place;
  } else {
    read.from_revision = place->position;
  }
  return read;
}

}  // namespace

void RecordedHistory::fail(const std::string& what) {
  if (!failure_) failure_ = "line " + std::to_string(lines_) + ": " + what;
}

std::string RecordedHistory::describe() const {
  return std::to_string(appends_.size()) + " appends, " + std::to_string(history_.acked_count()) +
         " acknowledged, " + std::to_string(reads_) + " reads of " + std::to_string(served_) + " events by " +
         std::to_string(heads_.size()) + " processes";
}

void RecordedHistory::take(std::string_view text) {
  if (failure_) return;
  ++lines_;
  const JsonValue line = scan_json(text).value_or(JsonValue{});
  using Taker = std::pair<std::string_view, void (RecordedHistory::*)(JsonValue)>;
  constexpr std::array<Taker, 8> takers{{{"append", &RecordedHistory::append},
                                         {"answer", &RecordedHistory::answer},
                                         {"refused", &RecordedHistory::refuse},
                                         {"failed", &RecordedHistory::refuse},
                                         {"read", &RecordedHistory::ask},
                                         {"page", &RecordedHistory::page},
                                         {"missing", &RecordedHistory::missing},
                                         {"whole", &RecordedHistory::whole}}};
  for (const auto& [name, taker] : takers) {
    if (line[name]) return (this->*taker)(line);
  }
  if (lines_ == 1 && line["clocks"].string() == "kept") {
    dates_.emplace(true);
  } else {
    fail("this is no line of a history: " + std::string(text));
  }
}

void RecordedHistory::append(JsonValue line) {
  const auto number = line["append"].number();
  auto request = request_of(line);
  if (!number || !request) return fail("an append that cannot be read");
  Append append{0, instant_of(line), history_.last_revisions(*request)};
  append.request = history_.sent(std::move(*request));
  if (!appends_.emplace(*number, std::move(append)).second) fail("a second append of that number");
}

RecordedHistory::Append* RecordedHistory::append_of(JsonValue number) {
  const auto found = appends_.find(number.number().value_or(UINT64_MAX));
  if (found == appends_.end()) fail("there is no such append");
  return found == appends_.end() ? nullptr : &found->second;
}

void RecordedHistory::answer(JsonValue line) {
  const Append* const append = append_of(line["answer"]);
  if (append == nullptr) return;
  auto ack =
      parse_ack(history_.request(append->request), HttpResponse{.body = std::string(line["body"].text)});
  if (!ack) return fail("an acknowledgement that cannot be read");
  ack->replayed = line["replayed"].text == "true";
  const Instant now = instant_of(line);
  history_.acked(append->request, *ack, now);
  const auto date = parse_date(ack->recorded_at);
  if (!date) return fail("an entry is dated " + ack->recorded_at);
  // Of a replay nobody knows when it was carried out: in time that is between its first attempt and now, too.
  if (const auto wrong = dates_->judge(ack->position, *date, append->sent, now)) fail(*wrong);
}

void RecordedHistory::refuse(JsonValue line) {
  const bool by_expectation = static_cast<bool>(line["failed"]);
  const Append* const append = append_of(line[by_expectation ? "failed" : "refused"]);
  if (append == nullptr) return;
  if (by_expectation) {
    history_.refused_expectations(append->request, parse_failed_expectations(std::string(line["body"].text)),
                                  append->known_before);
  } else {
    history_.refused(append->request);
  }
}

void RecordedHistory::ask(JsonValue line) {
  const auto number = line["read"].number();
  const auto process = line["process"].string();
  const auto read = read_of(line);
  if (!number || !process || !read) return fail("a read that cannot be read");
  const std::string consistency = line["consistency"].string().value_or("linearizable");
  Asked asked{*read, {}, *process};
  if (consistency == "linearizable") {
    asked.floor.position = history_.last_position();
    if (!read->stream.empty()) asked.floor.revision = history_.last_revision(read->tenant, read->stream);
  } else if (consistency != "leader" && consistency != "stale") {
    return fail("there is no consistency " + consistency);
  }
  asked.floor.position = std::max(asked.floor.position, heads_[*process]);
  asked_.insert_or_assign(*number, std::move(asked));
}

std::optional<RecordedHistory::Asked> RecordedHistory::take_read(JsonValue number) {
  auto node = asked_.extract(number.number().value_or(UINT64_MAX));
  if (!node.empty()) return std::move(node.mapped());
  fail("there is no such read");
  return std::nullopt;
}

void RecordedHistory::missing(JsonValue line) {
  const auto asked = take_read(line["missing"]);
  if (asked && asked->floor.revision) fail(asked->read.target() + " was known and is not found");
}

void RecordedHistory::page(JsonValue line) {
  const auto asked = take_read(line["page"]);
  if (!asked) return;
  const auto page = parse_page(std::string(line["body"].text));
  if (!page) return fail("a page that cannot be read");
  ++reads_;
  served_ += page->events.size();
  std::uint64_t& head = heads_[asked->process];
  head = std::max(head, page->head);
  judge_page(history_, asked->read, *page, asked->floor, instant_of(line),
             [this](const std::string& what) { fail(what); });
}

void RecordedHistory::whole(JsonValue line) {
  const std::string tenant = line["whole"].string().value_or("");
  std::vector<ServedEvent> all;
  for (const JsonValue& text : line["pages"].items()) {
    const auto page = parse_page(std::string(text.text));
    if (!page) return fail("a page that cannot be read");
    for (const ServedEvent& event : page->events) {
      history_.observed(tenant, event, {});
      all.push_back(event);
    }
  }
  history_.check_whole(tenant, all, {}, history_.mark());
}

}  // namespace verity::sim
