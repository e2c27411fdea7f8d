// What the clients of one run were told, and whether it can all be true. Every observation becomes a fact; a
// later one that contradicts it fails the run. One history lives through all crashes of the node.
//
//   sent        a request with events whose bytes occur nowhere else
//   acked       it is at this position for ever, with these revisions and this hash
//   refused     it is nowhere
//   unknown     it is nowhere or once
//   observed    an event was served: exactly as sent, at the place it has had ever since
//
// Checked on the way: exactly once per request, no gap in revisions, expectations, reads that include whatever
// was acknowledged before they began, heads and hashes that never change, nothing lost at a restart.
#pragma once

#include "io/base/units.h"

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace verity::sim {

struct SentEvent {
  std::string type;
  std::string data;      // unique in the run
  std::string metadata;  // or empty
  std::string id;        // or empty
  std::string subject;   // or empty
};

enum class ExpectationKind : std::uint8_t { any, none, exists, exact };

struct SentStream {
  std::string stream;
  ExpectationKind expected = ExpectationKind::any;
  std::uint64_t expected_revision = 0;
  std::vector<SentEvent> events;
};

struct SentRequest {
  std::string tenant;
  std::vector<SentStream> streams;
  std::string idempotency_key;  // or empty
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
  // Refused because of these; checked against what is known. `known_last` as of the moment it was sent.
  void refused_expectations(std::uint64_t request, const std::vector<FailedExpectationSeen>& failed,
                            const std::map<std::string, std::uint64_t>& known_before);
  const SentRequest& request(std::uint64_t number) const { return requests_.at(number).sent; }
  std::optional<std::uint64_t> position_of(std::uint64_t request) const {
    return requests_.at(request).position;
  }

  // ---- reads

  // The last revision of a stream that somebody has been told of.
  std::optional<std::uint64_t> last_revision(const std::string& tenant, const std::string& stream) const;
  std::map<std::string, std::uint64_t> last_revisions(const std::string& tenant) const;
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

  // Chain hash and tree root of a position, as a head told them.
  void observed_hash(std::uint64_t position, const std::string& hash, const std::string& root, Instant now) {
    check_hash(position, hash, root, now);
  }

  // ---- restarts

  // The node serves again and says that this is its head. Facts beyond it are lost: allowed only for those
  // learned at or after `may_lose_since`.
  void recovered(std::uint64_t head, const std::string& hash, Instant may_lose_since, Instant now);

  // ---- at the end

  // All events of a tenant, as a full read gave them, in order. `damaged` positions could not be read; what was
  // not `known` when the last page was asked for may be missing.
  void check_whole(const std::string& tenant, const std::vector<ServedEvent>& all,
                   const std::set<std::uint64_t>& damaged, Mark known);

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

  void fail(const std::string& what) { fail_(what); }
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
