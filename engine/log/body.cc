#include "engine/log/body.h"

#include "engine/log/field_reader.h"
#include "engine/log/varint.h"
#include "io/base/assert.h"

#include <algorithm>
#include <limits>

namespace verity::log {
namespace {

constexpr std::uint8_t body_version = 1;
constexpr std::uint8_t flag_key = 1;
constexpr std::uint8_t flag_id = 1;
constexpr std::uint8_t flag_subject = 2;
constexpr std::uint8_t flag_metadata = 4;
// flags, type of one byte, data of none: no event is shorter, which bounds how many there can be.
constexpr std::size_t event_bytes_min = 4;
constexpr std::uint64_t node_id_max = 7;

void put_text(Bytes& out, std::string_view text) {
  put_varint(out, text.size());
  put_bytes(out, as_bytes(text));
}

std::size_t text_bytes(std::string_view text) {
  return varint_bytes(text.size()) + text.size();
}

bool is_name(std::string_view text, std::size_t size_max = name_bytes_max) {
  return !text.empty() && text.size() <= size_max;
}

std::uint8_t event_flags(const BodyEvent& event) {
  return static_cast<std::uint8_t>((event.id.empty() ? 0 : flag_id) |
                                   (event.subject.empty() ? 0 : flag_subject) |
                                   (event.metadata.empty() ? 0 : flag_metadata));
}

void put_event(Bytes& out, const BodyEvent& event) {
  VERITY_ASSERT(is_name(event.type));
  put(out, event_flags(event));
  put_text(out, event.type);
  if (!event.id.empty()) {
    VERITY_ASSERT(is_name(event.id));
    put_text(out, event.id);
  }
  if (!event.subject.empty()) {
    VERITY_ASSERT(is_name(event.subject));
    put_text(out, event.subject);
    put_varint(out, event.subject_revision.value);
  }
  if (!event.metadata.empty()) put_text(out, event.metadata);
  put_text(out, event.data);
}

BodyEvent take_event(FieldReader& reader) {
  constexpr auto no_limit = std::numeric_limits<std::uint64_t>::max();
  BodyEvent event;
  const auto flags = reader.byte("event flags", 0, flag_id | flag_subject | flag_metadata);
  event.type = reader.text("event type", 1, name_bytes_max);
  if (flags & flag_id) event.id = reader.text("event id", 1, name_bytes_max);
  if (flags & flag_subject) {
    event.subject = reader.text("subject", 1, name_bytes_max);
    event.subject_revision = {reader.number("subject revision")};
  }
  if (flags & flag_metadata) event.metadata = reader.text("event metadata", 1, no_limit);
  event.data = reader.text("event data", 0, no_limit);
  return event;
}

void take_stream(FieldReader& reader, EventsBody& body) {
  const auto name = reader.text("stream name", 1, name_bytes_max);
  const Revision first{reader.number("first revision")};
  const auto at = reader.offset();
  const auto count = reader.number("event count", 1);
  if (count > reader.rest_bytes() / event_bytes_min) {
    reader.fail_at(at, "event count is " + std::to_string(count) + ", but only " +
                           std::to_string(reader.rest_bytes()) + " bytes are left");
  } else if (count > std::numeric_limits<std::uint64_t>::max() - first.value) {
    reader.fail_at(at, "event count " + std::to_string(count) + " leads past the last revision there can be");
  }
  if (!reader.ok()) return;
  body.add_stream(name, first);
  for (std::uint64_t i = 0; i < count && reader.ok(); ++i) body.add_event(take_event(reader));
}

// Node ids ascend; `last` is the one before.
Member take_member(FieldReader& reader, NodeId& last) {
  const auto at = reader.offset();
  const NodeId id{reader.byte("node id", 1, node_id_max)};
  if (reader.ok() && id <= last)
    reader.fail_at(at, "node id " + id.describe() + " does not follow " + last.describe());
  last = id;
  return {.node_id = id, .incarnation = reader.value<Id128>("incarnation")};
}

// The first name that stands there twice.
std::optional<std::string_view> find_double(const std::vector<BodyStream>& streams) {
  if (streams.size() < 2) return std::nullopt;
  std::vector<std::string_view> names;
  names.reserve(streams.size());
  for (const auto& stream : streams) names.push_back(stream.name);
  std::ranges::sort(names);
  const auto twice = std::ranges::adjacent_find(names);
  if (twice == names.end()) return std::nullopt;
  return *twice;
}

}  // namespace

void EventsBody::clear() {
  idempotency.reset();
  streams.clear();
  events.clear();
}

void EventsBody::add_stream(std::string_view name, Revision first_revision) {
  streams.push_back({.name = name,
                     .first_revision = first_revision,
                     .first_event = static_cast<std::uint32_t>(events.size()),
                     .event_count = 0});
}

void EventsBody::add_event(BodyEvent event) {
  VERITY_ASSERT(!streams.empty());
  VERITY_ASSERT(events.size() < std::numeric_limits<std::uint32_t>::max());
  auto& stream = streams.back();
  event.stream = static_cast<std::uint32_t>(streams.size() - 1);
  event.revision = {stream.first_revision.value + stream.event_count};
  if (event.subject.empty()) event.subject_revision = {};
  ++stream.event_count;
  events.push_back(event);
}

std::size_t encoded_bytes(const EventsBody& body) {
  std::size_t size = 2 + varint_bytes(body.streams.size());
  if (body.idempotency) size += text_bytes(body.idempotency->key) + sizeof(Sha256Digest);
  for (const auto& stream : body.streams) {
    size += text_bytes(stream.name) + varint_bytes(stream.first_revision.value) +
            varint_bytes(stream.event_count);
  }
  for (const auto& event : body.events) {
    size += 1 + text_bytes(event.type) + text_bytes(event.data);
    if (!event.id.empty()) size += text_bytes(event.id);
    if (!event.subject.empty())
      size += text_bytes(event.subject) + varint_bytes(event.subject_revision.value);
    if (!event.metadata.empty()) size += text_bytes(event.metadata);
  }
  return size;
}

void encode(const EventsBody& body, Bytes& out) {
  VERITY_ASSERT(!body.streams.empty());
  VERITY_VERIFY(!find_double(body.streams));
  const auto begin = out.size();
  const auto size = encoded_bytes(body);
  out.reserve(begin + size);
  put(out, body_version);
  put(out, body.idempotency ? flag_key : std::uint8_t{0});
  if (body.idempotency) {
    VERITY_ASSERT(is_name(body.idempotency->key));
    put_text(out, body.idempotency->key);
    put(out, body.idempotency->request_digest.bytes);
  }
  put_varint(out, body.streams.size());
  for (const auto& stream : body.streams) {
    VERITY_ASSERT(is_name(stream.name));
    VERITY_ASSERT(stream.event_count > 0);
    put_text(out, stream.name);
    put_varint(out, stream.first_revision.value);
    put_varint(out, stream.event_count);
    for (const auto& event : body.events_of(stream)) put_event(out, event);
  }
  VERITY_ASSERT(out.size() == begin + size);
}

Status decode(ByteView bytes, EventsBody& body) {
  FieldReader reader(bytes, "events body");
  body.clear();
  reader.byte("version", body_version, body_version);
  const auto flags = reader.byte("flags", 0, flag_key);
  if (flags & flag_key) {
    const auto key = reader.text("idempotency key", 1, name_bytes_max);
    body.idempotency = BodyKey{.key = key, .request_digest = reader.value<Sha256Digest>("request digest")};
  }
  const auto count = reader.number("stream count", 1);
  for (std::uint64_t i = 0; i < count && reader.ok(); ++i) take_stream(reader, body);
  VERITY_TRY(reader.finish());
  if (const auto name = find_double(body.streams)) {
    reader.fail_here("stream '" + std::string(*name) + "' stands there twice");
  }
  return reader.check();
}

void encode(const TenantBody& body, Bytes& out) {
  VERITY_ASSERT(body.id.value > 0);
  VERITY_ASSERT(is_name(body.name, tenant_name_bytes_max));
  put(out, body_version);
  put(out, body.action);
  put_varint(out, body.id.value);
  put_text(out, body.name);
}

Status decode(ByteView bytes, TenantBody& body) {
  FieldReader reader(bytes, "tenant body");
  reader.byte("version", body_version, body_version);
  body.action = static_cast<TenantBody::Action>(reader.byte("action", 1, 2));
  body.id = {reader.number("tenant id", 1)};
  body.name = reader.text("tenant name", 1, tenant_name_bytes_max);
  return reader.finish();
}

void encode(const SessionBody& body, Bytes& out) {
  put(out, body_version);
  put(out, body.action);
}

Status decode(ByteView bytes, SessionBody& body) {
  FieldReader reader(bytes, "session body");
  reader.byte("version", body_version, body_version);
  body.action = static_cast<SessionBody::Action>(reader.byte("action", 1, 2));
  return reader.finish();
}

void encode(const FoundingBody& body, Bytes& out) {
  VERITY_ASSERT(is_name(body.cluster_name));
  VERITY_ASSERT(!body.members.empty());
  put(out, body_version);
  put(out, body.cluster_id.bytes);
  put(out, body.epoch.bytes);
  put_text(out, body.cluster_name);
  put_varint(out, body.members.size());
  std::uint64_t last = 0;
  for (const auto& member : body.members) {
    VERITY_ASSERT(member.node_id.value > last && member.node_id.value <= node_id_max);
    last = member.node_id.value;
    put(out, static_cast<std::uint8_t>(last));
    put(out, member.incarnation.bytes);
  }
}

void encode(const MembersBody& body, Bytes& out) {
  VERITY_ASSERT(!body.seats.empty());
  put(out, body_version);
  put_varint(out, body.seats.size());
  std::uint64_t last = 0;
  for (const auto& [member, address] : body.seats) {
    VERITY_ASSERT(member.node_id.value > last && member.node_id.value <= node_id_max);
    VERITY_ASSERT(address.size() <= name_bytes_max);
    last = member.node_id.value;
    put(out, static_cast<std::uint8_t>(last));
    put(out, member.incarnation.bytes);
    put_text(out, address);
  }
}

void encode(const SettledBody& body, Bytes& out) {
  VERITY_ASSERT(body.change.value > 0);
  put(out, body_version);
  put_varint(out, body.change.value);
}

void encode(const ReleaseBody& body, Bytes& out) {
  VERITY_ASSERT(body.release > 0);
  put(out, body_version);
  put_varint(out, body.release);
}

Status decode(ByteView bytes, FoundingBody& body) {
  FieldReader reader(bytes, "founding body");
  body.members.clear();
  reader.byte("version", body_version, body_version);
  body.cluster_id = reader.value<Id128>("cluster id");
  body.epoch = reader.value<Id128>("epoch");
  body.cluster_name = reader.text("cluster name", 1, name_bytes_max);
  const auto count = reader.number("member count", 1, node_id_max);
  NodeId last{};
  for (std::uint64_t i = 0; i < count && reader.ok(); ++i) body.members.push_back(take_member(reader, last));
  return reader.finish();
}

Status decode(ByteView bytes, MembersBody& body) {
  FieldReader reader(bytes, "members body");
  body.seats.clear();
  reader.byte("version", body_version, body_version);
  const auto count = reader.number("member count", 1, node_id_max);
  NodeId last{};
  for (std::uint64_t i = 0; i < count && reader.ok(); ++i) {
    const Member member = take_member(reader, last);
    body.seats.push_back({member, reader.text("address", 0, name_bytes_max)});
  }
  return reader.finish();
}

Status decode(ByteView bytes, SettledBody& body) {
  FieldReader reader(bytes, "settled body");
  reader.byte("version", body_version, body_version);
  body.change = {reader.number("position of the change", 1)};
  return reader.finish();
}

Status decode(ByteView bytes, ReleaseBody& body) {
  FieldReader reader(bytes, "release body");
  reader.byte("version", body_version, body_version);
  body.release = static_cast<std::uint32_t>(reader.number("release", 1, UINT32_MAX));
  return reader.finish();
}

}  // namespace verity::log
