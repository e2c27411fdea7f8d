// Which clients have registered a session, and which of its numbered requests are settled: a function of the entries
// applied so far. With it a request that is sent again is carried out once.
//
//   numbers of one session:   ... forgotten | kept: settled, or still open | new ...
//                                           ^ highest - requests_kept       ^ highest
//
// A number at or below the forgotten line is never carried out: what became of it cannot be said any more. When there are
// more than sessions_max sessions, the one whose last entry lies furthest back goes; its requests are refused from then
// on. Both bounds count entries alone, so that every node forgets the same at the same position.
// Section "sessions" of a checkpoint: docs/format/index.md.
#pragma once

#include "engine/index/record.h"
#include "io/base/ids.h"
#include "io/base/result.h"

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

namespace verity::index {

// Part of what the log means: the same on every node of a cluster.
struct SessionLimits {
  std::uint64_t sessions_max = 10'000;
  std::uint64_t requests_kept = 256;  // of each session, counted back from its highest number
};

// What is known of one request.
struct SettledRequest {
  enum class Fate : std::uint8_t {
    carried_out,  // by the entry at `position`
    given_up,     // refused for good, as the entry at `position` says
    forgotten,    // nobody knows any more
  };
  Fate fate = Fate::forgotten;
  Position position{};

  bool operator==(const SettledRequest&) const = default;
};

class SessionIndex {
 public:
  explicit SessionIndex(SessionLimits limits) : limits_(limits) {}

  bool contains(const Id128& session) const { return sessions_.contains(session); }
  // Nothing: it is new, or still under way. `session` is there.
  std::optional<SettledRequest> find(const Id128& session, std::uint64_t number) const;

  // Each with the position of a committed entry, later than all before. A session that is not there any more is passed
  // over.
  void add(Position position, const Id128& session);
  void settle(Position position, const Id128& session, std::uint64_t number, SettledRequest::Fate fate);

  std::uint64_t count() const { return sessions_.size(); }
  // About what it occupies, in bytes.
  std::size_t memory_bytes() const;

  Status encode(RecordSink& sink) const;
  // `applied`: the position the checkpoint speaks of; nothing in it may be later.
  static Result<SessionIndex> decode(RecordSource& source, Position applied, SessionLimits limits);

 private:
  struct Settled {
    std::uint64_t number;
    Position position;
    bool given_up;
  };
  struct Session {
    Position last;                 // its latest entry
    std::uint64_t highest = 0;     // number
    std::vector<Settled> settled;  // by number, those that are kept
  };

  std::uint64_t forgotten_up_to(const Session& session) const;
  void touch(const Id128& id, Session& session, Position position);

  SessionLimits limits_;
  // Invariant: by_last_ names each session under its `last`.
  std::map<Id128, Session> sessions_;
  std::map<Position, Id128> by_last_;
};

}  // namespace verity::index
