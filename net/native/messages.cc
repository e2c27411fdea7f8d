#include "net/native/messages.h"

#include "engine/log/field_reader.h"
#include "engine/log/varint.h"

namespace verity::native {
namespace {

using log::FieldReader;
using log::put_varint;
using node::ReadFrom;

constexpr std::uint16_t version = 1;
constexpr std::uint64_t name_bytes_max = 255;
constexpr std::uint64_t address_bytes_max = 300;
constexpr std::uint64_t client_name_bytes_max = 100;
constexpr std::uint64_t data_bytes_max = 16 * MiB;
constexpr std::uint64_t page_events_max = 1000;
constexpr std::int64_t wait_ns_max = std::chrono::nanoseconds(60s).count();

void put_text(Bytes& out, std::string_view text) {
  put_varint(out, text.size());
  put_bytes(out, as_bytes(text));
}

void take_version(FieldReader& from) {
  if (from.value<std::uint16_t>("version") != version && from.ok())
    from.fail_here("is not of version 1, which this release knows");
}

bool take_flag(FieldReader& from, std::string_view field) {
  return from.byte(field, 0, 1) == 1;
}

template <class T>
Result<T> finished(FieldReader& from, T value) {
  VERITY_TRY(from.finish());
  return value;
}

void put_leader(Bytes& out, const Leader& leader) {
  put(out, leader.node);
  put_text(out, leader.address);
}

Leader take_leader(FieldReader& from) {
  Leader leader;
  leader.node = from.value<NodeId>("leader");
  if (leader.node.value > 7) from.fail_here("follows a node id above 7");
  leader.address = from.text("address", 0, address_bytes_max);
  return leader;
}

void put_from(Bytes& out, const ReadFrom& from) {
  put(out, static_cast<std::uint8_t>(from.kind));
  put_varint(out, from.revision.value);
  put(out, from.token.position);
  put_varint(out, from.token.index);
}

ReadFrom take_from(FieldReader& from) {
  ReadFrom place;
  place.kind = static_cast<ReadFrom::Kind>(from.byte("from", 0, static_cast<int>(ReadFrom::Kind::token)));
  place.revision = Revision{from.number("from revision")};
  place.token.position = from.value<Position>("from position");
  place.token.index = static_cast<std::uint32_t>(from.number("from index", 0, UINT32_MAX));
  return place;
}

void put_event(Bytes& out, const node::EventView& event) {
  put_text(out, event.stream);
  put_varint(out, event.revision.value);
  put(out, event.position);
  put_varint(out, event.index);
  put_text(out, event.subject);
  put_varint(out, event.subject_revision.value);
  for (const std::string_view field : {event.type, event.data, event.metadata, event.id})
    put_text(out, field);
  put(out, event.recorded_at);
}

node::EventView take_event(FieldReader& from) {
  node::EventView event;
  event.stream = from.text("stream", 1, name_bytes_max);
  event.revision = Revision{from.number("revision")};
  event.position = from.value<Position>("position");
  event.index = static_cast<std::uint32_t>(from.number("index", 0, UINT32_MAX));
  event.subject = from.text("subject", 0, name_bytes_max);
  event.subject_revision = Revision{from.number("subject revision")};
  event.type = from.text("type", 1, name_bytes_max);
  event.data = from.text("data", 0, data_bytes_max);
  event.metadata = from.text("metadata", 0, data_bytes_max);
  event.id = from.text("id", 0, name_bytes_max);
  event.recorded_at = from.value<Timestamp>("recorded at");
  return event;
}

}  // namespace

Bytes encode(const Hello& hello) {
  Bytes out;
  put(out, hello.protocol_min);
  put(out, hello.protocol_max);
  put_text(out, hello.name);
  return out;
}

Result<Hello> decode_hello(ByteView bytes) {
  FieldReader from(bytes, "a hello");
  Hello hello;
  hello.protocol_min = from.value<std::uint16_t>("protocol min");
  hello.protocol_max = from.value<std::uint16_t>("protocol max");
  hello.name = from.text("name", 0, client_name_bytes_max);
  return finished(from, std::move(hello));
}

Bytes encode(const Welcome& welcome) {
  Bytes out;
  put(out, welcome.protocol);
  put(out, welcome.node);
  put(out, welcome.cluster_id);
  put(out, welcome.requests_max);
  put(out, welcome.bytes_max);
  put(out, welcome.numbers_kept);
  put_leader(out, welcome.leader);
  return out;
}

Result<Welcome> decode_welcome(ByteView bytes) {
  FieldReader from(bytes, "a welcome");
  Welcome welcome;
  welcome.protocol = from.value<std::uint16_t>("protocol");
  welcome.node = from.value<NodeId>("node");
  welcome.cluster_id = from.value<Id128>("cluster id");
  welcome.requests_max = from.value<std::uint32_t>("requests");
  welcome.bytes_max = from.value<ByteCount>("bytes");
  welcome.numbers_kept = from.value<std::uint32_t>("numbers");
  if (from.ok() && (welcome.requests_max == 0 || welcome.bytes_max == 0 || welcome.numbers_kept == 0))
    from.fail_here("follows a limit that lets nothing pass");
  welcome.leader = take_leader(from);
  return finished(from, std::move(welcome));
}

Bytes encode(const Leader& leader) {
  Bytes out;
  put_leader(out, leader);
  return out;
}

Result<Leader> decode_leader(ByteView bytes) {
  FieldReader from(bytes, "a leader");
  return finished(from, take_leader(from));
}

Bytes encode(const Read& read) {
  Bytes out;
  put(out, version);
  for (const std::string_view name : {read.request.tenant, read.request.stream, read.request.subject})
    put_text(out, name);
  put_from(out, read.request.from);
  put(out, static_cast<std::uint8_t>(read.request.direction));
  put_varint(out, read.request.limit);
  put(out, static_cast<std::uint8_t>(read.request.consistency));
  put(out, read.request.at_least);
  put(out, static_cast<std::int64_t>(read.wait.count()));
  return out;
}

Result<Read> decode_read(ByteView bytes) {
  FieldReader from(bytes, "a read");
  take_version(from);
  Read read;
  read.request.tenant = from.text("tenant", 0, name_bytes_max);
  read.request.stream = from.text("stream", 0, name_bytes_max);
  read.request.subject = from.text("subject", 0, name_bytes_max);
  read.request.from = take_from(from);
  read.request.direction = take_flag(from, "backward") ? node::Direction::backward : node::Direction::forward;
  read.request.limit = static_cast<std::uint32_t>(from.number("limit", 1, page_events_max));
  read.request.consistency = static_cast<node::Consistency>(from.byte("consistency", 0, 2));
  read.request.at_least = from.value<Position>("at least");
  const auto wait_ns = from.value<std::int64_t>("wait");
  if (from.ok() && (wait_ns < 0 || wait_ns > wait_ns_max)) from.fail_here("follows a wait not within 60 s");
  read.wait = Duration(wait_ns);
  read.request.awaits_stream = wait_ns > 0;
  return finished(from, read);
}

Bytes encode(const node::EventPage& page) {
  Bytes out;
  put(out, version);
  put_varint(out, page.events.size());
  for (const node::EventView& event : page.events) put_event(out, event);
  put(out, static_cast<std::uint8_t>(page.next.has_value()));
  if (page.next) put_from(out, *page.next);
  put(out, static_cast<std::uint8_t>(page.at_end));
  put(out, page.head);
  put(out, static_cast<std::uint8_t>(page.last_revision.has_value()));
  if (page.last_revision) put_varint(out, page.last_revision->value);
  return out;
}

Result<node::EventPage> decode_page(ByteView bytes) {
  FieldReader from(bytes, "a page");
  take_version(from);
  node::EventPage page;
  const std::uint64_t count = from.number("count", 0, page_events_max);
  for (std::uint64_t i = 0; i < count && from.ok(); ++i) page.events.push_back(take_event(from));
  if (take_flag(from, "has a next")) page.next = take_from(from);
  page.at_end = take_flag(from, "at the end");
  page.head = from.value<Position>("head");
  if (take_flag(from, "has a revision")) page.last_revision = Revision{from.number("last revision")};
  return finished(from, std::move(page));
}

}  // namespace verity::native
