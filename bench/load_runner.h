// Runs a load: every client on a fiber of its own, counting once all of them are warm.
#pragma once

#include "bench/load.h"
#include "io/base/result.h"
#include "io/fiber/loop.h"
#include "io/fiber/sync.h"
#include "io/fiber/wait.h"

#include <cstdint>
#include <utility>

namespace verity::bench {

// `make_client(wait, number)` gives a Result of something that can be dereferenced to an object with
// `Status append(io::Wait&, Figures&)`: one request, tried again (and counted as refused) while the other side
// is overloaded. The first failure ends the run and is its result.
template <class MakeClient>
Result<Figures> run_load(io::Wait& wait, const Load& load, MakeClient make_client) {
  Figures figures, ignored;
  std::uint64_t warming = load.clients;
  io::Event all_warm;
  Instant begin{}, end{};
  Status failure{};
  io::CancelSource give_up;  // so that nobody waits for a failed one to warm up
  io::WaitGroup group;

  auto run_client = [&](io::Wait& own, std::uint64_t number) -> Status {
    VERITY_TRY_ASSIGN(auto client, make_client(own, number));
    for (std::uint64_t n = 0; n < load.warm_up; ++n) VERITY_TRY(client->append(own, ignored));
    if (--warming == 0) {
      begin = now();
      all_warm.set();
    }
    VERITY_TRY(all_warm.wait(own));
    while (now() - begin < load.duration) {
      if (load.payload_bytes_max != 0 && figures.events * load.payload_bytes >= load.payload_bytes_max) break;
      const Instant asked = now();
      VERITY_TRY(client->append(own, figures));
      const Instant answered = now();
      figures.latency.add(answered - asked);
      figures.events += load.batch;
      ++figures.requests;
      end = answered;
    }
    return {};
  };

  for (std::uint64_t number = 0; number < load.clients; ++number) {
    group.add();
    wait.loop().spawn("client", [&, number] {
      io::Wait own(wait.loop(), &give_up);
      if (auto status = run_client(own, number); !status && failure) {
        failure = std::move(status);
        give_up.cancel();
      }
      group.done();
    });
  }
  VERITY_TRY(group.wait(wait));
  VERITY_TRY(failure);
  figures.elapsed = end - begin;
  return figures;
}

}  // namespace verity::bench
