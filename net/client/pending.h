// What a client has asked for and not yet been told: what to send when, what to send again, and when to say that an outcome
// is not known. No clock, no sockets: the same code decides in an application, in a benchmark and in the simulator.
//
//   add ─► waiting ─► next(): on its way ─► answered(): done
//             ▲                │
//             └────────────────┘  refused for now, or the connection was lost: again, as a retry under the same number
//
// Appends go under a session with a number each, so that one that is sent again is carried out once.
#pragma once

#include "engine/node/request.h"
#include "io/base/bytes.h"
#include "io/base/prng.h"
#include "io/base/units.h"
#include "net/native/messages.h"

#include <algorithm>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string_view>

namespace verity::client {

struct PendingOptions {
  Duration retry_delay_min = 5ms;
  Duration retry_delay_max = 100ms;
  // How often another node is asked when one says that it cannot write or read at all.
  std::uint32_t other_nodes_max = 2;
};

// Nothing was done by this attempt, and soon it may be.
bool is_for_now(node::RefusalCode code);

class Pending {
 public:
  // The fields of the answer: a receipt or a page.
  using Done = std::move_only_function<void(node::Outcome<Bytes>)>;

  Pending(PendingOptions options, std::uint64_t seed) : options_(options), prng_(seed) {}

  // Returns the tag. `request` names no session.
  std::uint64_t add_append(const node::AppendRequest& request, Instant deadline, Done done);
  std::uint64_t add_read(const native::Read& read, Instant deadline, Done done);
  // Ends it now, as its deadline would.
  void give_up(std::uint64_t tag, std::string_view reason);
  void give_up_all(std::string_view reason);

  // A connection, with what may be under way on it: everything is to be sent (again).
  void connected(const native::Welcome& welcome);
  void disconnected();

  struct Outgoing {
    native::Type type;
    Bytes payload;
  };
  // What to send now, if anything.
  std::optional<Outgoing> next(Instant now);
  // When time alone lets next() say more.
  Instant sends_at() const;
  // Ends whatever has waited for too long.
  void expire(Instant now);
  Instant expires_at() const;

  enum class Advice : std::uint8_t {
    none,
    move_on,  // another node may be able to do what this one is not
  };
  // An answer of this connection; corrupt if it makes no sense.
  Result<Advice> answered(native::Type type, ByteView payload, Instant now);

  std::size_t count() const { return requests_.size(); }
  ByteCount bytes() const { return bytes_; }
  // What the client has been told of: no read goes back behind it.
  Position seen() const { return seen_; }
  void saw(Position position) { seen_ = std::max(seen_, position); }
  std::uint64_t retries() const { return retries_; }

 private:
  struct Request {
    bool is_append;
    bool waits = false;  // a read, for something to be there
    Bytes fields;        // of an append: without its session
    Instant deadline;
    Done done;
    Id128 session{};
    std::uint64_t number = 0;  // in `session`; 0: none yet
    bool on_its_way = false;
    bool may_be_done = false;  // an attempt was lost
    std::uint32_t attempts = 0;
    std::uint32_t other_nodes = 0;
    std::optional<node::Refusal> last_refusal{};
  };
  using Requests = std::map<std::uint64_t, Request>;

  std::uint64_t add(Request request);
  bool may_begin() const;
  bool may_wait() const;
  Outgoing outgoing(std::uint64_t tag, Request& request);
  std::optional<std::uint64_t> take_append();
  std::optional<std::uint64_t> take(std::deque<std::uint64_t>& queue);
  Advice refused(Requests::iterator at, node::Refusal refusal, Instant now);
  void lost_session(Requests::iterator at, node::Refusal refusal);
  void try_again(Requests::iterator at, Instant now, Duration delay);
  void finish(Requests::iterator at, node::Outcome<Bytes> outcome);
  void finish_unknown(Requests::iterator at, std::string_view reason);
  void leave(Request& request);
  Duration backoff(std::uint32_t attempts);
  std::deque<std::uint64_t>& queue_of(const Request& request);

  const PendingOptions options_;
  Prng prng_;
  std::uint64_t last_tag_ = 0;
  Requests requests_;
  ByteCount bytes_ = 0;
  Position seen_;
  std::uint64_t retries_ = 0;
  std::set<std::pair<Instant, std::uint64_t>> deadlines_;

  // Tags that wait to be sent; some may be done or on their way already.
  std::deque<std::uint64_t> numbered_;  // appends that have their number: nothing holds them up
  std::deque<std::uint64_t> appends_;
  std::deque<std::uint64_t> reads_;
  std::deque<std::uint64_t> waits_;  // reads that wait
  std::multimap<Instant, std::uint64_t> delayed_;

  bool connected_ = false;
  std::uint32_t requests_max_ = 0;
  ByteCount bytes_max_ = 0;
  std::uint64_t numbers_max_ = 0;  // of one session, from the lowest that is open
  std::uint32_t on_its_way_ = 0;
  std::uint32_t waits_on_their_way_ = 0;  // of those
  ByteCount bytes_on_its_way_ = 0;

  std::optional<Id128> session_;
  std::uint64_t opening_ = 0;  // the tag of the question for one, while it is on its way
  Instant open_at_;            // not before
  std::uint32_t open_attempts_ = 0;
  std::uint64_t next_number_ = 1;
  std::set<std::uint64_t> open_numbers_;  // of session_
};

}  // namespace verity::client
