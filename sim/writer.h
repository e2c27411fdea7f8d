// Appends, and repeats what was acknowledged under a key: as it was, or with another body, which must be refused.
#pragma once

#include "sim/client.h"

#include <cstdint>
#include <utility>
#include <vector>

namespace verity::sim {

class Writer {
 public:
  enum class Temper : std::uint8_t {
    hasty,  // now and then it does not wait for an answer
    patient,
  };
  explicit Writer(Client& client, Temper temper = Temper::hasty) : client_(client), temper_(temper) {}

  void append(io::Wait& wait);
  bool can_repeat() const { return !repeatable_.empty(); }
  void repeat(io::Wait& wait);
  void conflict(io::Wait& wait);

  // Sends until the outcome is known or it gives up; true when acknowledged.
  bool carry_out(io::Wait& wait, std::uint64_t id, const HttpRequest& http, int attempts_max);

 private:
  enum class Step : std::uint8_t {
    again,
    give_up,
    acknowledged,
    settled,  // the history knows it, or nobody ever will
  };
  struct Attempts {
    std::uint64_t id;
    bool may_be_under_way = false;
  };
  Step attempt(io::Wait& wait, Attempts& attempts, const HttpRequest& http);
  void judge_refusal(std::uint64_t id, const HttpResponse& response, const LastRevisions& known_before);
  bool may_be_deposed(const HttpResponse& response) const;
  void judge_date(const Ack& ack, Instant sent);
  bool acknowledge(std::uint64_t id, const HttpResponse& response, Instant sent);

  Client& client_;
  const Temper temper_;
  // Recent requests with keys that were acknowledged.
  std::vector<std::pair<std::uint64_t, HttpRequest>> repeatable_;
};

}  // namespace verity::sim
