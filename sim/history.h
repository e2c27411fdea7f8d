// What the clients of one run were told, and whether it can all be true. Every observation becomes a fact; a
// later one that contradicts it fails the run. One history lives through all crashes of the node.
//
//   sent        a request with events whose bytes occur nowhere else
//   acked       it is at this position for ever, with these revisions and this hash
//   refused     it is nowhere
//   unknown     it is nowhere or once
//   observed    an event was served: exactly as sent, at the place it has had ever since
//
// Checked on the way: exactly once per request, no gap in revisions, expectations, heads and hashes that never change,
// nothing lost at a restart. And linearizability (Herlihy, Wing 1990): the positions are the one order in which everything
// happened, so it is enough that each operation keeps to the time at which it was asked for. A request lies behind every
// position that anybody knew when it was sent, and a read includes whatever was known when it began; that costs a comparison
// per operation, however long the run.
#pragma once

#include "io/base/units.h"

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

namespace verity::sim {

enum class ExpectationKind : std::uint8_t { any, none, exists, exact };

// A condition on the last revision of a stream, or of a subject in it.
struct Expected {
  ExpectationKind kind = ExpectationKind::any;
  std::uint64_t revision = 0;  // for exact

  bool holds(std::optional<std::uint64_t> last) const;
  std::string describe() const;  // as requests print it
};

struct SentEvent {
  std::string type;
  std::string data;      // unique in the run
  std::string metadata;  // or empty
  std::string id;        // or empty
  std::string subject;   // or empty
  Expected subject_expected;
};

struct SentStream {
  std::string stream;
  Expected expected;
  std::vector<SentEvent> events;
};

struct SentRequest {
  std::string tenant;
  std::vector<SentStream> streams;
  std::string idempotency_key;  // or empty
  bool as_cloud_events = false;
  bool in_session = false;  // its client sends it again until it is answered
};

// A place in the log, as tokens print it.
struct Place {
  std::uint64_t position = 0;
  std::uint64_t index = 0;
  auto operator<=>(const Place&) const = default;
  std::string describe() const { return std::to_string(position) + "." + std::to_string(index); }
};

struct Ack {
  std::uint64_t position = 0;
  struct Revisions {
    std::string stream;
    std::uint64_t first = 0;
    std::uint64_t last = 0;
  };
  std::vector<Revisions> streams;
  std::string hash;
  bool replayed = false;
  std::string recorded_at;
};

struct ServedEvent {
  std::string stream;
  std::uint64_t revision = 0;
  Place place;
  std::string subject;
  std::optional<std::uint64_t> subject_revision;
  std::string type;
  std::string data;
  std::string metadata;
  std::string id;
};

struct FailedExpectationSeen {
  std::string stream;
  std::string subject;
  std::string expected;
  std::optional<std::uint64_t> actual;
};

// Last revisions that somebody has been told of: of streams, and of subjects in them.
struct LastRevisions {
  std::map<std::string, std::uint64_t> streams;
  std::map<std::pair<std::string, std::string>, std::uint64_t> subjects;
};

class History {
 public:
  using Fail = std::function<void(const std::string&)>;
  explicit History(Fail fail) : fail_(std::move(fail)) {}

  // ---- appends

  // The number of the request, for what follows.
  std::uint64_t sent(SentRequest request);
  void acked(std::uint64_t request, const Ack& ack, Instant now);
  // It certainly did not happen.
  void refused(std::uint64_t request);
  // Refused because of these; checked against what was known when it was sent.
  void refused_expectations(std::uint64_t request, const std::vector<FailedExpectationSeen>& failed,
                            const LastRevisions& known_before);
  const SentRequest& request(std::uint64_t number) const { return requests_.at(number).sent; }
  std::optional<std::uint64_t> position_of(std::uint64_t request) const {
    return requests_.at(request).position;
  }

  // ---- reads

  // The last revision of a stream that somebody has been told of.
  std::optional<std::uint64_t> last_revision(const std::string& tenant, const std::string& stream) const;
  std::optional<std::uint64_t> last_subject_revision(const std::string& tenant, const std::string& stream,
                                                     const std::string& subject) const;
  // Of what a request names.
  LastRevisions last_revisions(const SentRequest& request) const;
  std::uint64_t last_position() const { return last_position_; }

  // One event was served.
  void observed(const std::string& tenant, const ServedEvent& event, Instant now);
  // Known events of a tenant between two served ones, both excluded, that were known when the read began (`known`:
  // position_mark() then) and are not in `served`: those were left out.
  struct Mark {
    std::uint64_t facts = 0;
  };
  Mark mark() const { return {fact_count_}; }
  void check_nothing_left_out(const std::string& tenant, const std::string& stream,
                              const std::string& subject, Place first, Place last,
                              const std::set<Place>& served, Mark known);

  // Chain hash and tree root of a position, as a head or a proof told them; either may be empty.
  void observed_hash(std::uint64_t position, const std::string& hash, const std::string& root, Instant now) {
    check_hash(position, hash, root, now);
  }

  // ---- tenants that come and go

  // What an answer is about. When it has changed by the time the answer arrives, the answer means nothing: the
  // tenant may be another one of the same name, or a crash may have undone what it says.
  struct Stand {
    std::uint64_t epoch = 0;
    std::uint64_t generation = 0;
    bool is_settled = false;  // the tenant is certainly there
    bool operator==(const Stand&) const = default;
  };
  Stand stand(const std::string& tenant) const;
  // It is certainly there, and has been since `before`.
  bool holds(const std::string& tenant, const Stand& before) const {
    return before.is_settled && stand(tenant) == before;
  }
  // Nobody knows whether it is there until tenant_began().
  void tenant_changes(const std::string& tenant);
  // It is there, created by the entry at this position: what lay before it in the log belonged to another one.
  void tenant_began(const std::string& tenant, std::uint64_t created_position);

  // Somebody has been told what is at this position.
  bool holds_request(std::uint64_t position) const { return positions_.contains(position); }
  // An event at a position that holds a request, as a proof spelled it out.
  void check_bytes(Place place, const std::string& stream, const std::string& data);

  // ---- restarts

  // The node serves again and says that this is its head. Facts beyond it are lost: allowed only for those
  // learned at or after `may_lose_since`.
  void recovered(std::uint64_t head, const std::string& hash, Instant may_lose_since, Instant now);

  // All nodes are gone but one, which held these entries: hash, and data of the first event, of position 1 and so on. What
  // it did not hold is lost; what it did is known as before. The last position that is.
  std::uint64_t survived(const std::vector<std::pair<std::string, std::string>>& held, Instant now);

  // ---- at the end

  // All events of a tenant, as a full read gave them, in order. `damaged` positions could not be read; what was
  // not `known` when the last page was asked for may be missing.
  void check_whole(const std::string& tenant, const std::vector<ServedEvent>& all,
                   const std::set<std::uint64_t>& damaged, Mark known);

  // The last event of a tenant that somebody has been told of.
  std::optional<Place> last_place(const std::string& tenant) const;

  // One more with every restart that may have lost something: answers that were under way then mean nothing.
  std::uint64_t epoch() const { return epoch_; }
  std::uint64_t acked_count() const { return acked_count_; }
  std::uint64_t lost_count() const { return lost_count_; }

 private:
  enum class State : std::uint8_t { open, acked, refused, lost };
  struct Request {
    SentRequest sent;
    State state = State::open;
    std::optional<std::uint64_t> position;
    std::uint64_t sent_after = 0;  // the last position that was known then
    std::uint64_t epoch = 0;
  };
  struct Fact {
    std::uint64_t request;
    Place place;
    std::uint64_t number;  // how many facts were known before
  };
  struct Hashes {
    std::string hash;
    std::string root;
    Instant learned;
  };
  using StreamName = std::pair<std::string, std::string>;  // tenant, stream

  struct Original {
    const SentStream* stream;
    const SentEvent* event;
  };
  struct Tenant {
    std::uint64_t generation = 0;
    bool is_settled = false;
    std::uint64_t created_position = 0;
  };

  void fail(const std::string& what) { fail_(what); }
  // The event of a request by its index in it, which it has.
  Original original(std::uint64_t request, std::uint64_t index) const;
  void observed_subject(const std::string& tenant, const ServedEvent& event, const Expected& expected);
  // Forgets facts of the tenant for which this holds.
  void forget(const std::string& tenant, const std::function<bool(Place)>& is_gone);
  bool place_request(std::uint64_t number, std::uint64_t position, Instant now);
  void add_fact(const std::string& tenant, const std::string& stream, std::uint64_t revision,
                std::uint64_t request, Place place);
  void check_hash(std::uint64_t position, const std::string& hash, const std::string& root, Instant now);
  std::string describe(std::uint64_t request) const;

  Fail fail_;
  std::map<std::uint64_t, Request> requests_;
  std::map<std::string, std::pair<std::uint64_t, std::uint64_t>>
      by_data_;                                                  // data to request and event number in it
  std::map<StreamName, std::map<std::uint64_t, Fact>> streams_;  // by revision
  struct Known {
    std::string stream;
    std::uint64_t revision;
  };
  std::map<std::string, std::map<Place, Known>> places_;  // by tenant
  // Tenant, stream, subject: where it has events, and the revisions that were told.
  std::map<std::tuple<std::string, std::string, std::string>, std::map<Place, std::optional<std::uint64_t>>>
      subjects_;
  std::map<std::string, Tenant> tenants_;
  struct Position {
    std::uint64_t request;
    Instant learned;
  };
  std::map<std::uint64_t, Position> positions_;
  std::map<std::uint64_t, Hashes> hashes_;
  std::uint64_t last_position_ = 0;
  std::uint64_t fact_count_ = 0;
  std::uint64_t acked_count_ = 0;
  std::uint64_t lost_count_ = 0;
  std::uint64_t epoch_ = 0;
};

}  // namespace verity::sim
