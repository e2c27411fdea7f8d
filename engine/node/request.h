// What a node can be asked, and what it answers: the vocabulary between net/ and the engine.
//
// Text in requests is borrowed and outlives the call. Names, sizes and expectations are checked by the node; that
// data and metadata are JSON by whoever parses the request.
#pragma once

#include "engine/crypto/sha256.h"
#include "io/base/ids.h"
#include "io/base/units.h"

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace verity::node {

// Why a request was not carried out. Every value has a stable name that clients may match on.
enum class RefusalCode : std::uint8_t {
  invalid_request,  // no retry will make it valid; the detail says what and where
  tenant_not_found,
  tenant_exists,
  stream_not_found,
  expectation_failed,    // see Refusal::failed_expectations
  limit_exceeded,        // a stated limit; the detail names limit, size and what is allowed
  idempotency_conflict,  // this key was used with another body
  idempotency_full,      // too many keys within their window
  session_unknown,   // never opened, or evicted by others: what became of its requests is not known any more
  request_given_up,  // an earlier attempt of this request was refused for good
  read_only,         // started read-only, or damage was found
  damaged,           // the entry at Refusal::position cannot be read
  out_of_space,      // the disk has no room for another segment; reads go on
  io_error,          // the disk fails while another segment is prepared; reads go on
  overloaded,        // too much is queued; retry after Refusal::retry_after
  not_leader,        // another node leads, or none does now; the detail says which
  not_ready,         // an index is being rebuilt, or the node is starting or stopping
  outcome_unknown,   // the request may or may not have happened
  cancelled,         // the caller's deadline or cancellation came first; nothing was changed
};

// Stable lower-case name, such as "expectation_failed".
std::string_view describe(RefusalCode code);
// Of an append: the same request, sent again, would be refused for the same reason.
bool is_settled(RefusalCode code);

// A condition on the last revision of a stream, or of a subject in it, before an append.
struct Expectation {
  enum class Kind : std::uint8_t { any, none, exists, exact };
  Kind kind = Kind::any;
  Revision revision{};  // for exact

  auto operator<=>(const Expectation&) const = default;
  // "any", "none", "exists" or the number.
  std::string describe() const;
  // Nothing unless the text is one of the four forms.
  static std::optional<Expectation> parse(std::string_view text);
  // `last` empty: there is no event yet.
  bool holds(std::optional<Revision> last) const;
};

struct FailedExpectation {
  std::string stream;
  std::string subject;  // empty: the expectation was about the stream
  Expectation expected;
  std::optional<Revision> actual;  // empty: there is no event yet
};

// A refusal fits every answer, whatever was asked: beyond these it says how much more there is, or is cut where it is encoded.
inline constexpr std::size_t failed_expectations_max = 100;
inline constexpr std::size_t refusal_text_bytes_max = 4 * KiB;

struct Refusal {
  RefusalCode code;
  std::string detail;  // a sentence for a person; place, value, what is allowed
  std::vector<FailedExpectation> failed_expectations{};  // the first failed_expectations_max of them
  Position position{};                                   // for damaged
  NodeId leader{};                                       // for not_leader: who leads, if that is known
  std::string leader_address{};                          // where it serves clients; empty: not known
  bool limits_count = false;  // for limit_exceeded: how many there may be, not how large this request is
  Duration retry_after{};     // for overloaded, not_ready, idempotency_full

  std::string describe() const;
};

template <class T>
using Outcome = std::expected<T, Refusal>;

// ---- append

struct NewEvent {
  std::string_view type;
  std::string_view data;           // JSON text; kept exactly as sent
  std::string_view metadata;       // JSON text or empty; kept exactly as sent
  std::string_view id;             // chosen by the client, or empty
  std::string_view subject;        // or empty
  Expectation subject_expected{};  // about the subject's last revision in this stream; needs a subject
};

struct StreamAppend {
  std::string_view stream;
  Expectation expected{};
  std::vector<NewEvent> events;  // at least one
};

struct IdempotencyKey {
  std::string_view key;         // 1..255 bytes
  Sha256Digest request_digest;  // of what makes two requests "the same" to the client
};

// A request of a client's session (Node::open_session). It is carried out once, however often and wherever it is sent.
struct SessionRequest {
  Id128 session;
  // From 1, each its own. A client sends a number only while it has fewer than Tuning::session_requests_kept between this
  // one and the lowest whose outcome it still wants to know.
  std::uint64_t number = 0;
  bool is_retry = false;  // an earlier attempt may still be on its way
};

inline constexpr std::uint64_t append_events_max = 100'000;

// Atomic: all of it becomes one entry, or nothing happens. At most append_events_max events.
struct AppendRequest {
  std::string_view tenant;
  std::vector<StreamAppend> streams;  // at least one; no stream twice
  std::optional<IdempotencyKey> idempotency{};
  std::optional<SessionRequest> session{};
};

struct AppendedStream {
  std::string stream;
  Revision first_revision;
  Revision last_revision;
};

struct AppendReceipt {
  Position position;
  std::vector<AppendedStream> streams;  // in the order of the request
  Sha256Digest hash;                    // the entry's chain hash
  Timestamp recorded_at;
  bool replayed = false;  // an earlier request with the same key, or session and number, did it
};

// ---- read

// Where an event is in the log: "42.2" is the third event of entry 42.
struct EventToken {
  Position position;
  std::uint32_t index = 0;

  auto operator<=>(const EventToken&) const = default;
  std::string describe() const;
  // Nothing unless it is "position.index" or "position" (index 0).
  static std::optional<EventToken> parse(std::string_view text);
};

enum class Direction : std::uint8_t { forward, backward };

// The first event of a page; included in it.
struct ReadFrom {
  enum class Kind : std::uint8_t { start, end, revision, token };
  Kind kind = Kind::start;
  Revision revision{};  // streams only
  EventToken token{};

  static ReadFrom at(EventToken token) { return {.kind = Kind::token, .token = token}; }
  static ReadFrom at(Revision revision) { return {.kind = Kind::revision, .revision = revision}; }
  bool operator==(const ReadFrom&) const = default;
  // As clients write it: "42.2", "7", "start", "end".
  std::string describe() const;
};

// What a read may miss.
enum class Consistency : std::uint8_t {
  linearizable,  // nothing that was acknowledged before it began: a majority agrees first that this node leads
  leader,        // what a later leader has committed that this node does not know of yet
  stale,         // whatever this node has not applied yet; any node answers
};

struct ReadRequest {
  std::string_view tenant;
  std::string_view stream;   // empty: the tenant's whole log, by position
  std::string_view subject;  // empty: all subjects; else only this one's events; needs a stream
  ReadFrom from{};
  Direction direction = Direction::forward;
  std::uint32_t limit = 100;  // events, 1..1000
  Consistency consistency = Consistency::linearizable;
  Position at_least{};  // the node has applied this much before it looks: what its client has seen already
  bool awaits_stream = false;     // a stream that does not exist yet is an empty one, not refused
  ByteCount bytes_max = 1 * MiB;  // stops after the event that passes it
};

// Views into EventPage::storage.
struct EventView {
  std::string_view stream;
  Revision revision;
  Position position;
  std::uint32_t index;
  std::string_view subject;  // empty: none
  Revision subject_revision;
  std::string_view type;
  std::string_view data;
  std::string_view metadata;  // empty: none
  std::string_view id;        // empty: none
  Timestamp recorded_at;

  EventToken token() const { return {position, index}; }
};

struct EventPage {
  std::vector<EventView> events;  // in the direction that was asked for
  // Where to go on in the same direction; empty when nothing can follow (backward, at the beginning).
  // Forward at the head it is where the next event will be, so that a client can wait for it: a token, or the revision that
  // was asked for while the stream has not come that far.
  std::optional<ReadFrom> next;
  bool at_end = false;                    // nothing more exists in this direction now
  Position head;                          // last committed position of the log
  std::optional<Revision> last_revision;  // of the stream; empty for the tenant's log or an empty stream
  std::vector<std::shared_ptr<const void>> storage;

  // What whoever is at the end waits for (Node::wait_for_events).
  EventToken awaited() const {
    const bool has_token = next && next->kind == ReadFrom::Kind::token;
    return has_token ? next->token : EventToken{head.next(), 0};
  }
};

// ---- tenants

struct TenantInfo {
  TenantId id;
  std::string name;
  Timestamp created_at;
  Position created_position;
  std::uint64_t streams = 0;
  std::uint64_t events = 0;
};

// ---- members of the cluster

struct MembersChange {
  std::vector<std::pair<NodeId, std::string>> add;  // with the address of the cluster port
  std::vector<NodeId> remove;
};

struct MembersProgress {
  bool done = false;            // durably, and whoever came in has everything
  std::string waits_for;        // empty: done
  std::vector<NodeId> members;  // as they are to be
};

// ---- head

struct Head {
  Position position;       // last committed
  Sha256Digest hash;       // its chain hash
  Sha256Digest tree_root;  // RFC 9162 tree over entries 1..position
  Timestamp recorded_at;   // of that entry
};

}  // namespace verity::node
