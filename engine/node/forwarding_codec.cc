#include "engine/node/forwarding_codec.h"

#include "engine/log/field_reader.h"
#include "engine/log/varint.h"
#include "io/base/assert.h"

#include <algorithm>
#include <array>

namespace verity::node {
namespace {

using log::FieldReader;
using log::put_varint;

constexpr std::uint16_t version = 1;
constexpr std::uint64_t text_bytes_max = 64 * MiB;
// Of what a state is called; a report with another word is not believed.
constexpr std::array<std::string_view, 8> states = {"leader",    "follower", "learner",  "candidate",
                                                    "read_only", "starting", "stopping", "failed"};
constexpr auto refusal_codes = static_cast<std::uint8_t>(RefusalCode::cancelled) + 1;

void put_text(Bytes& out, std::string_view text) {
  put_varint(out, text.size());
  put_bytes(out, as_bytes(text));
}

// Of what others have sent, no more than this is sent back.
std::string_view cut(std::string_view text) {
  if (text.size() <= refusal_text_bytes_max) return text;
  std::size_t end = refusal_text_bytes_max;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;  // not within a character
  return text.substr(0, end);
}

std::string_view text(FieldReader& from, std::string_view field) {
  return from.text(field, 0, text_bytes_max);
}

Bytes begun() {
  Bytes out;
  put(out, version);
  return out;
}

void take_version(FieldReader& from) {
  if (from.value<std::uint16_t>("version") != version && from.ok())
    from.fail_here("is not of version 1, which this release knows");
}

void put_expectation(Bytes& out, const Expectation& expectation) {
  put(out, static_cast<std::uint8_t>(expectation.kind));
  put_varint(out, expectation.revision.value);
}

Expectation take_expectation(FieldReader& from) {
  Expectation expectation;
  expectation.kind = static_cast<Expectation::Kind>(
      from.byte("expectation", 0, static_cast<std::uint8_t>(Expectation::Kind::exact)));
  expectation.revision = Revision{from.number("expected revision")};
  return expectation;
}

// How many of something follow, each of `bytes_min` or more.
std::uint64_t take_count(FieldReader& from, std::string_view field, std::size_t bytes_min) {
  return from.number(field, 0, from.rest_bytes() / bytes_min);
}

template <class T>
Result<T> finished(FieldReader& from, T value) {
  VERITY_TRY(from.finish());
  return value;
}

void put_event(Bytes& out, const NewEvent& event) {
  for (const std::string_view field : {event.type, event.data, event.metadata, event.id, event.subject})
    put_text(out, field);
  put_expectation(out, event.subject_expected);
}

NewEvent take_event(FieldReader& from) {
  NewEvent event;
  event.type = text(from, "type");
  event.data = text(from, "data");
  event.metadata = text(from, "metadata");
  event.id = text(from, "id");
  event.subject = text(from, "subject");
  event.subject_expected = take_expectation(from);
  return event;
}

}  // namespace

Bytes encode(const ClockQuestion& question) {
  Bytes out = begun();
  put(out, question.sent);
  return out;
}

Result<ClockQuestion> decode_clock_question(ByteView bytes) {
  FieldReader from(bytes, "a question for the time");
  take_version(from);
  const ClockQuestion question{from.value<Instant>("sent")};
  return finished(from, question);
}

Bytes encode(const ClockAnswer& answer) {
  Bytes out = begun();
  put(out, answer.sent);
  put(out, answer.shows);
  return out;
}

Result<ClockAnswer> decode_clock_answer(ByteView bytes) {
  FieldReader from(bytes, "an answer with the time");
  take_version(from);
  ClockAnswer answer;
  answer.sent = from.value<Instant>("sent");
  answer.shows = from.value<Timestamp>("shows");
  return finished(from, answer);
}

Bytes encode(const NodeReport& report) {
  Bytes out = begun();
  put_text(out, report.state);
  put(out, report.view);
  put(out, report.commit_index);
  put(out, report.applied_index);
  put_text(out, report.client_address);
  put(out, report.release);
  put(out, report.disk_free_bytes);
  put(out, static_cast<std::uint8_t>(report.has_room));
  put(out, report.applied_hash);
  return out;
}

Result<NodeReport> decode_report(ByteView bytes) {
  FieldReader from(bytes, "a report");
  take_version(from);
  NodeReport report;
  report.state = from.text("state", 1, 16);
  if (from.ok() && std::ranges::find(states, report.state) == states.end()) from.fail_here("names no state");
  report.view = from.value<View>("view");
  report.commit_index = from.value<Position>("commit index");
  report.applied_index = from.value<Position>("applied index");
  report.client_address = from.text("client address", 0, 300);
  report.release = from.value<std::uint32_t>("release");
  report.disk_free_bytes = from.value<ByteCount>("free bytes of the disk");
  report.has_room = from.byte("has room", 0, 1) == 1;
  report.applied_hash = from.value<Sha256Digest>("hash of the applied entry");
  return finished(from, std::move(report));
}

Bytes encode(const AppendRequest& request) {
  Bytes out = begun();
  put_text(out, request.tenant);
  put_varint(out, request.streams.size());
  for (const StreamAppend& stream : request.streams) {
    put_text(out, stream.stream);
    put_expectation(out, stream.expected);
    put_varint(out, stream.events.size());
    for (const NewEvent& event : stream.events) put_event(out, event);
  }
  put(out, static_cast<std::uint8_t>(request.idempotency.has_value()));
  if (request.idempotency) {
    put_text(out, request.idempotency->key);
    put(out, request.idempotency->request_digest);
  }
  put(out, std::uint8_t{0});
  if (request.session) add_session(out, *request.session);
  return out;
}

void add_session(Bytes& request, const SessionRequest& session) {
  VERITY_ASSERT(request.back() == std::byte{0});
  request.back() = std::byte{1};
  put(request, session.session);
  put_varint(request, session.number);
  put(request, static_cast<std::uint8_t>(session.is_retry));
}

Result<AppendRequest> decode_append(ByteView bytes) {
  FieldReader from(bytes, "a forwarded append");
  take_version(from);
  AppendRequest request;
  request.tenant = text(from, "tenant");
  // Decoded, a small event takes many times its bytes.
  std::uint64_t events_left = append_events_max;
  const std::uint64_t streams =
      from.number("streams", 0, std::min<std::uint64_t>(append_events_max, from.rest_bytes() / 4));
  for (std::uint64_t i = 0; i < streams && from.ok(); ++i) {
    StreamAppend& stream = request.streams.emplace_back();
    stream.stream = text(from, "stream");
    stream.expected = take_expectation(from);
    const std::uint64_t events = from.number("events", 0, std::min(events_left, from.rest_bytes() / 7));
    events_left -= events;
    for (std::uint64_t j = 0; j < events && from.ok(); ++j) stream.events.push_back(take_event(from));
  }
  if (from.byte("has a key", 0, 1) == 1) {
    request.idempotency.emplace();
    request.idempotency->key = text(from, "key");
    request.idempotency->request_digest = from.value<Sha256Digest>("request digest");
  }
  if (from.byte("has a session", 0, 1) == 1) {
    request.session.emplace();
    request.session->session = from.value<Id128>("session");
    request.session->number = from.number("request number", 1);
    request.session->is_retry = from.byte("is a retry", 0, 1) == 1;
  }
  return finished(from, std::move(request));
}

Bytes encode(const AppendReceipt& receipt) {
  Bytes out = begun();
  put(out, receipt.position);
  put(out, receipt.hash);
  put(out, receipt.recorded_at);
  put(out, static_cast<std::uint8_t>(receipt.replayed));
  put_varint(out, receipt.streams.size());
  for (const AppendedStream& stream : receipt.streams) {
    put_text(out, stream.stream);
    put_varint(out, stream.first_revision.value);
    put_varint(out, stream.last_revision.value);
  }
  return out;
}

Result<AppendReceipt> decode_receipt(ByteView bytes) {
  FieldReader from(bytes, "a receipt");
  take_version(from);
  AppendReceipt receipt;
  receipt.position = from.value<Position>("position");
  receipt.hash = from.value<Sha256Digest>("hash");
  receipt.recorded_at = from.value<Timestamp>("recorded at");
  receipt.replayed = from.byte("replayed", 0, 1) == 1;
  const std::uint64_t streams = take_count(from, "streams", 3);
  for (std::uint64_t i = 0; i < streams && from.ok(); ++i) {
    AppendedStream& stream = receipt.streams.emplace_back();
    stream.stream = text(from, "stream");
    stream.first_revision = Revision{from.number("first revision")};
    stream.last_revision = Revision{from.number("last revision")};
  }
  return finished(from, std::move(receipt));
}

Bytes encode(const TenantInfo& info) {
  Bytes out = begun();
  put_varint(out, info.id.value);
  put_text(out, info.name);
  put(out, info.created_at);
  put(out, info.created_position);
  put_varint(out, info.streams);
  put_varint(out, info.events);
  return out;
}

Result<TenantInfo> decode_tenant(ByteView bytes) {
  FieldReader from(bytes, "a tenant");
  take_version(from);
  TenantInfo info;
  info.id = TenantId{from.number("id")};
  info.name = text(from, "name");
  info.created_at = from.value<Timestamp>("created at");
  info.created_position = from.value<Position>("created position");
  info.streams = from.number("streams");
  info.events = from.number("events");
  return finished(from, std::move(info));
}

Bytes encode(const Refusal& refusal) {
  Bytes out = begun();
  put(out, static_cast<std::uint8_t>(refusal.code));
  put_text(out, cut(refusal.detail));
  put(out, refusal.position);
  put(out, static_cast<std::uint8_t>(refusal.limits_count));
  put(out, static_cast<std::int64_t>(refusal.retry_after.count()));
  put_varint(out, refusal.leader.value);
  put_text(out, refusal.leader_address);
  const auto listed = std::span(refusal.failed_expectations)
                          .first(std::min(refusal.failed_expectations.size(), failed_expectations_max));
  put_varint(out, listed.size());
  for (const FailedExpectation& failed : listed) {
    put_text(out, cut(failed.stream));
    put_text(out, cut(failed.subject));
    put_expectation(out, failed.expected);
    put(out, static_cast<std::uint8_t>(failed.actual.has_value()));
    if (failed.actual) put_varint(out, failed.actual->value);
  }
  return out;
}

Result<Refusal> decode_refusal(ByteView bytes) {
  FieldReader from(bytes, "a refusal");
  take_version(from);
  Refusal refusal{.code = static_cast<RefusalCode>(from.byte("code", 0, refusal_codes - 1)), .detail = {}};
  refusal.detail = text(from, "detail");
  refusal.position = from.value<Position>("position");
  refusal.limits_count = from.byte("limits a count", 0, 1) == 1;
  refusal.retry_after = Duration(from.value<std::int64_t>("retry after"));
  refusal.leader = NodeId{from.number("leader", 0, 7)};
  refusal.leader_address = from.text("leader's address", 0, 300);
  const std::uint64_t failed = take_count(from, "failed expectations", 5);
  for (std::uint64_t i = 0; i < failed && from.ok(); ++i) {
    FailedExpectation& one = refusal.failed_expectations.emplace_back();
    one.stream = text(from, "stream");
    one.subject = text(from, "subject");
    one.expected = take_expectation(from);
    if (from.byte("has a revision", 0, 1) == 1) one.actual = Revision{from.number("actual revision")};
  }
  return finished(from, std::move(refusal));
}

Bytes encode(const MembersChange& change) {
  Bytes out = begun();
  put_varint(out, change.add.size());
  for (const auto& [id, address] : change.add) {
    put_varint(out, id.value);
    put_text(out, address);
  }
  put_varint(out, change.remove.size());
  for (const NodeId id : change.remove) put_varint(out, id.value);
  return out;
}

Result<MembersChange> decode_members_change(ByteView bytes) {
  FieldReader from(bytes, "a change of members");
  take_version(from);
  MembersChange change;
  const std::uint64_t added = take_count(from, "nodes to add", 2);
  for (std::uint64_t i = 0; i < added && from.ok(); ++i) {
    const NodeId id{from.number("node id")};
    change.add.emplace_back(id, std::string(from.text("address", 0, 255)));
  }
  const std::uint64_t removed = take_count(from, "nodes to remove", 1);
  for (std::uint64_t i = 0; i < removed && from.ok(); ++i)
    change.remove.push_back(NodeId{from.number("node id")});
  return finished(from, std::move(change));
}

Bytes encode(const MembersProgress& progress) {
  Bytes out = begun();
  put(out, static_cast<std::uint8_t>(progress.done));
  put_text(out, progress.waits_for);
  put_varint(out, progress.members.size());
  for (const NodeId id : progress.members) put_varint(out, id.value);
  return out;
}

Result<MembersProgress> decode_members_progress(ByteView bytes) {
  FieldReader from(bytes, "progress of a change of members");
  take_version(from);
  MembersProgress progress{.done = from.byte("done", 0, 1) == 1, .waits_for = {}, .members = {}};
  progress.waits_for = text(from, "waits for");
  const std::uint64_t members = take_count(from, "members", 1);
  for (std::uint64_t i = 0; i < members && from.ok(); ++i)
    progress.members.push_back(NodeId{from.number("node id", 1, 7)});
  return finished(from, std::move(progress));
}

}  // namespace verity::node
