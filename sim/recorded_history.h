// A history that was recorded elsewhere, of real servers say, judged by the checkers of the simulator. One JSON object a
// line, in the order in which it happened; `at` is microseconds since 1970, on one clock that is right:
//
//   {"clocks":"kept"}                                       first line, if a majority's clocks are: dates are near the truth
//   {"append":7,"at":..,"tenant":"default","stream":"s","key":"k","expected":"none","events":[{"type":"t","data":1}]}
//   {"answer":7,"at":..,"replayed":false,"body":{..}}       201; the append may be sent again and answered once more
//   {"refused":7}                                           it has certainly not happened, and must not
//   {"failed":7,"body":{..}}                                409; only if no attempt before it may be under way
//   {"read":3,"process":"2:4711","consistency":"stale","tenant":"default","stream":"s","direction":"backward",
//    "from":"7","limit":10}                                 from: a revision, a token 12.3, end, or left out
//   {"page":3,"at":..,"body":{..}}                          200
//   {"missing":3}                                           404: there is no such stream
//   {"whole":"default","pages":[{..},..]}                   everything of a tenant, as one node told it when all was quiet
//
// `key`, `expected`, `stream` (of a read), `direction`, `from` may be left out. What is neither answered nor refused may
// have happened or not. A linearizable read sees everything that was known when it was sent. The others may be behind, but
// one process never goes back: `process` is one run of one server. Two processes never contradict each other.
#pragma once

#include "sim/dates.h"
#include "sim/history.h"
#include "sim/json_scan.h"
#include "sim/read_judge.h"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace verity::sim {

class RecordedHistory {
 public:
  // Nothing is taken any more once there is a failure().
  void take(std::string_view line);

  // The line, from 1, and what is wrong with it, or with what it says.
  const std::optional<std::string>& failure() const { return failure_; }
  std::string describe() const;  // how much was seen

 private:
  struct Append {
    std::uint64_t request = 0;
    Instant sent;
    LastRevisions known_before;
  };
  struct Asked {
    Read read;
    ReadFloor floor;
    std::string process;
  };

  void fail(const std::string& what);
  void append(JsonValue line);
  void answer(JsonValue line);
  void refuse(JsonValue line);
  void ask(JsonValue line);
  void page(JsonValue line);
  void missing(JsonValue line);
  std::optional<Asked> take_read(JsonValue number);
  void whole(JsonValue line);
  Append* append_of(JsonValue number);

  History history_{[this](const std::string& what) { fail(what); }};
  std::optional<Dates> dates_{std::in_place, false};
  std::uint64_t lines_ = 0;
  std::uint64_t reads_ = 0;
  std::uint64_t served_ = 0;
  std::map<std::uint64_t, Append> appends_;
  std::map<std::uint64_t, Asked> asked_;
  std::map<std::string, std::uint64_t> heads_;  // the last of each process
  std::optional<std::string> failure_;
};

}  // namespace verity::sim
