// What entries carry after their headers: events, changes of the tenant catalogue, the founding of a cluster, changes of its
// members, the activation of a release.
// Bytes: docs/format/body.md.
//
// A decoded body is views into the bytes it was decoded from, which outlive it. Decoders accept exactly what
// encoders write, and name the offset of anything else (corrupt). Encoders assert the grammar: their input
// has been checked.
#pragma once

#include "engine/crypto/sha256.h"
#include "io/base/bytes.h"
#include "io/base/ids.h"
#include "io/base/result.h"

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace verity::log {

inline constexpr std::size_t name_bytes_max = 255;  // stream, subject, type, id, idempotency key
inline constexpr std::size_t tenant_name_bytes_max = 63;

// ---- events

struct BodyKey {
  std::string_view key;
  Sha256Digest request_digest;

  bool operator==(const BodyKey&) const = default;
};

struct BodyEvent {
  std::uint32_t stream = 0;   // index into EventsBody::streams
  Revision revision;          // in its stream
  Revision subject_revision;  // in its subject; 0 without one
  std::string_view type;
  std::string_view id;        // empty: none
  std::string_view subject;   // empty: none
  std::string_view metadata;  // empty: none
  std::string_view data;

  bool operator==(const BodyEvent&) const = default;
};

struct BodyStream {
  std::string_view name;
  Revision first_revision;
  std::uint32_t first_event = 0;  // index into EventsBody::events
  std::uint32_t event_count = 0;

  bool operator==(const BodyStream&) const = default;
  Revision last_revision() const { return {first_revision.value + event_count - 1}; }
};

// One atomic append. The events of a stream follow one another, streams in the order of the request; an
// event's index in `events` is the index in its token.
struct EventsBody {
  std::optional<BodyKey> idempotency;
  std::vector<BodyStream> streams;
  std::vector<BodyEvent> events;

  bool operator==(const EventsBody&) const = default;

  // Begins with nothing, keeps the memory.
  void clear();
  // Builds a body: a stream, then its events, then the next stream. Fills in what follows from the order
  // (stream, revision, counts); of `event` it takes the subject's revision and the texts.
  void add_stream(std::string_view name, Revision first_revision);
  void add_event(BodyEvent event);

  std::span<const BodyEvent> events_of(const BodyStream& stream) const {
    return std::span(events).subspan(stream.first_event, stream.event_count);
  }
};

// Appends the body to `out`.
void encode(const EventsBody& body, Bytes& out);
// What encode() would append.
std::size_t encoded_bytes(const EventsBody& body);
// Into `body`, whose memory is used again. After an error `body` holds nothing to rely on.
Status decode(ByteView bytes, EventsBody& body);

// ---- tenants

struct TenantBody {
  enum class Action : std::uint8_t { create = 1, remove = 2 };
  Action action = Action::create;
  TenantId id;
  std::string_view name;

  bool operator==(const TenantBody&) const = default;
};

void encode(const TenantBody& body, Bytes& out);
Status decode(ByteView bytes, TenantBody& body);

// ---- sessions

// About the session that the entry's header names.
struct SessionBody {
  enum class Action : std::uint8_t {
    add = 1,      // it begins
    give_up = 2,  // its request of the number in the header was refused, and will never be carried out
  };
  Action action = Action::add;

  bool operator==(const SessionBody&) const = default;
};

void encode(const SessionBody& body, Bytes& out);
Status decode(ByteView bytes, SessionBody& body);

// ---- founding

struct Member {
  NodeId node_id;
  Id128 incarnation;

  bool operator==(const Member&) const = default;
};

// The first entry of every cluster.
struct FoundingBody {
  Id128 cluster_id;
  Id128 epoch;
  std::string_view cluster_name;
  std::vector<Member> members;  // by node id

  bool operator==(const FoundingBody&) const = default;
};

void encode(const FoundingBody& body, Bytes& out);
Status decode(ByteView bytes, FoundingBody& body);

// ---- a change of the members

struct MembersBody {
  struct Seat {
    Member member;
    std::string_view address;  // of its cluster port; empty: each node has it from its own configuration

    bool operator==(const Seat&) const = default;
  };
  std::vector<Seat> seats;  // of all members from here on, by node id

  bool operator==(const MembersBody&) const = default;
};

void encode(const MembersBody& body, Bytes& out);
Status decode(ByteView bytes, MembersBody& body);

// The change before it is committed, and has arrived.
struct SettledBody {
  Position change;

  bool operator==(const SettledBody&) const = default;
};

void encode(const SettledBody& body, Bytes& out);
Status decode(ByteView bytes, SettledBody& body);

// ---- releases

// From where this is committed, entries of this release may follow.
struct ReleaseBody {
  std::uint32_t release = 0;

  bool operator==(const ReleaseBody&) const = default;
};

void encode(const ReleaseBody& body, Bytes& out);
Status decode(ByteView bytes, ReleaseBody& body);

}  // namespace verity::log
