// A log on a simulated disk without a node around it: start, do things, crash, start again.
#pragma once

#include "engine/log/log.h"
#include "io/directory.h"
#include "io/fiber/loop.h"
#include "io/fiber/sanitizer.h"
#include "io/file.h"
#include "io/world.h"
#include "sim/disk.h"
#include "sim/process.h"
#include "sim/world.h"

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

namespace verity::log {

struct Crash {
  std::uint64_t call = 0;  // 0: none
  bool during = false;     // the call is in flight; else it has not begun
  sim::CrashKind kind = sim::CrashKind::power;

  std::string describe() const {
    return std::string(kind == sim::CrashKind::power ? "power" : "kill") + (during ? " during" : " before") +
           " call " + std::to_string(call);
  }
};

// Under AddressSanitizer everything takes many times as long: it sees a sample.
#ifdef VERITY_ASAN
inline constexpr std::uint64_t crash_stride = 11;
#else
inline constexpr std::uint64_t crash_stride = 1;
#endif

inline void for_every_crash(std::uint64_t calls, const std::function<void(const Crash&)>& run) {
  for (std::uint64_t call = 1; call <= calls; call += crash_stride) {
    for (const bool during : {false, true}) {
      for (const sim::CrashKind kind : {sim::CrashKind::power, sim::CrashKind::kill}) {
        const Crash crash{call, during, kind};
        SCOPED_TRACE(crash.describe());
        run(crash);
        if (testing::Test::HasFailure()) return;
      }
    }
  }
}

class LogMachine {
 public:
  // What one process sees. `recovered` lacks the files, which the log has.
  struct Running {
    io::Wait& wait;
    Log& log;
    const Recovered& found;
    const std::vector<EntryPtr>& applied;  // handed out by recovery
    sim::Process& process;
    io::Directory& directory;
  };

  explicit LogMachine(std::uint64_t seed = 1) : world({.seed = seed, .trace_sink = {}, .ready_swaps = 20}) {
    cluster_id.bytes.fill(7);
  }

  // One process: recovers the log, runs `body` on it, stops it. Returns the calls it made. If recovery refuses without a
  // crash, `refused` says why.
  std::uint64_t boot(const Crash& crash, const std::function<void(Running&)>& body) {
    refused.clear();
    sim::Process process(world, {.host = "node1", .boot = ++boots_});
    process.spawn("main", [&](io::Wait& wait) {
      const auto directory = disk.mount(process, "log");
      const Status done = run(wait, process, *directory, body);
      if (!done && !process.is_crashed()) refused = done.error().describe();
    });
    if (crash.call != 0 && !crash.during) process.crash_at_call(crash.call, crash.kind);
    const auto crash_is_due = [&] {
      return crash.call != 0 && crash.during && process.call_count() >= crash.call;
    };
    EXPECT_TRUE(world.run_until([&] { return process.is_finished() || crash_is_due(); }))
        << world.failure().value_or("stuck");
    if (!process.is_finished()) {
      process.crash("during a call", crash.kind);
      EXPECT_TRUE(world.run_until([&] { return process.is_finished(); }))
          << world.failure().value_or("stuck");
    }
    EXPECT_EQ(disk.open_files(), 0u);
    return process.call_count();
  }

  static EntryPtr propose(Log& log, std::string_view body, View view = {}) {
    EntryHeader header;
    header.view = view;
    return log.propose(header, as_bytes(body));
  }

  // An entry as somebody else would have made it after `before` (null: the first one).
  EntryPtr make(const EntryPtr& before, std::string_view body) const {
    EntryHeader header;
    header.cluster_id = cluster_id;
    header.position = Position{1};
    header.view = View{3};
    if (before) {
      header.position = before->position().next();
      header.parent = before->hash();
      header.timestamp = before->header().timestamp;
    }
    return Entry::make(header, as_bytes(body));
  }

  sim::World world;
  sim::Disk disk{world, "disk1", {}};
  Id128 cluster_id;
  RecoveryInput input;
  LogOptions options;
  std::string refused;
  std::function<void(const std::vector<EntryPtr>&, const FlushReport&)> on_durable;

 private:
  Status run(io::Wait& wait, sim::Process& process, io::Directory& directory,
             const std::function<void(Running&)>& body) {
    VERITY_TRY_ASSIGN(const auto files, directory.list(wait));
    if (std::none_of(files.begin(), files.end(), [](const io::DirectoryEntry& file) {
          return file.name == current_segment_name || parse_sealed_segment_name(file.name);
        })) {
      VERITY_TRY(create_first_segment(wait, directory, cluster_id, segment_bytes_min));
    }
    std::vector<EntryPtr> applied;
    input.cluster_id = cluster_id;
    input.apply = [&](const EntryPtr& entry) -> Status {
      applied.push_back(entry);
      return {};
    };
    VERITY_TRY_ASSIGN(Recovered recovered, recover(wait, directory, input));
    Recovered found;
    found.last = recovered.last;
    found.head = recovered.head;
    found.applied = recovered.applied;
    found.committed = recovered.committed;
    found.tail = recovered.tail;
    found.damage = recovered.damage;
    found.notes = recovered.notes;
    options.cluster_id = cluster_id;
    options.segment_bytes = segment_bytes_min;
    Log log(process.io_world(), directory, options, std::move(recovered));
    log.on_durable = on_durable;
    log.start();
    Running running{wait, log, found, applied, process, directory};
    body(running);
    log.stop(wait);
    return log.failure() ? Status(std::unexpected(*log.failure())) : Status();
  }

  std::uint64_t boots_ = 0;
};

}  // namespace verity::log
