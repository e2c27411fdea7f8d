// A short life of a node (founding, appends over two segment switches, checkpoints, a clean stop, a second start) ended
// at every call it makes into the world, in turn: before the call takes effect, or while it is in flight; by a power cut
// or a kill; and ended again while it recovers. Whatever was acknowledged is there afterwards exactly once, whatever was
// not is there at most once, and the node goes on.
#include "engine/node/node.h"
#include "io/directory.h"
#include "io/fiber/loop.h"
#include "io/fiber/sanitizer.h"
#include "io/fiber/sync.h"
#include "io/file.h"
#include "sim/disk.h"
#include "sim/process.h"
#include "sim/world.h"

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

namespace verity::node {
namespace {

enum class When : std::uint8_t { before_the_call, during_the_call };

struct Crash {
  std::uint64_t call = 0;  // 0: none
  When when = When::before_the_call;
  sim::CrashKind kind = sim::CrashKind::power;

  std::string describe() const {
    return std::string(kind == sim::CrashKind::power ? "power" : "kill") +
           (when == When::before_the_call ? " before call " : " during call ") + std::to_string(call);
  }
};

NodeOptions tiny_options() {
  NodeOptions options;
  options.segment_bytes = 64 * KiB;
  options.limits.record_bytes_max = 24 * KiB;
  options.limits.batch_bytes_max = 32 * KiB;
  options.tuning.checkpoint_entries = 6;
  options.tuning.scrub_pause = 1h;
  options.tuning.read_cache_bytes = 0;
  return options;
}

// One machine and everything its clients know.
class Machine {
 public:
  explicit Machine(std::uint64_t seed) : world_({.seed = seed, .trace_sink = {}, .ready_swaps = 20}) {}

  // One process that appends and stops, unless the crash comes first. Returns the calls it made.
  std::uint64_t live(const Crash& crash, int appends) {
    return boot(crash, [&](io::Wait& wait, Node& node) {
      io::WaitGroup clients;
      for (int client = 0; client < 3; ++client) {
        clients.add();
        wait.loop().spawn("client", [&, client] {
          io::Wait mine(wait.loop());
          // Of several sizes, so that flushes have one block and many.
          for (int i = client; i < appends; i += 3)
            append(mine, node, attempted_++, i % 4 == 0 ? 11'000 : 300);
          clients.done();
        });
      }
      ASSERT_TRUE(clients.wait(wait));
    });
  }

  // Starts, which must succeed, and compares what is there with what clients know.
  void check() {
    bool started = false;
    boot({}, [&](io::Wait& wait, Node& node) {
      started = true;
      std::map<std::string, std::uint64_t> seen = read_all(wait, node);
      for (const auto& [id, position] : acknowledged_) {
        ASSERT_TRUE(seen.contains(id)) << "lost: " << id << " at " << position;
        EXPECT_EQ(seen[id], position) << "moved: " << id;
      }
      // Every client that got no answer asks again with the same key.
      for (int i = 0; i < attempted_; ++i) append(wait, node, i, 100);
      seen = read_all(wait, node);
      EXPECT_EQ(seen.size(), static_cast<std::size_t>(attempted_));
      EXPECT_EQ(seen, acknowledged_);
      append(wait, node, attempted_++, 100);
    });
    EXPECT_TRUE(started) << refused_;
  }

 private:
  static std::string id_of(int number) { return "e" + std::to_string(number); }

  void append(io::Wait& wait, Node& node, int number, std::size_t size) {
    const std::string id = id_of(number);
    const std::string data = "\"" + std::string(size, 'x') + "\"";
    const auto receipt =
        node.append(wait, {.tenant = "default",
                           .streams = {{.stream = "s", .events = {{.type = "t", .data = data, .id = id}}}},
                           .idempotency = IdempotencyKey{id, sha256({as_bytes(id)})}});
    if (!receipt) return;
    const auto [known, is_new] = acknowledged_.emplace(id, receipt->position.value);
    EXPECT_EQ(known->second, receipt->position.value) << id << " was acknowledged twice";
    EXPECT_TRUE(is_new || receipt->replayed) << id << " was written twice";
  }

  // Events by id, each at most once and with consecutive revisions.
  static std::map<std::string, std::uint64_t> read_all(io::Wait& wait, Node& node) {
    std::map<std::string, std::uint64_t> seen;
    ReadRequest request{.tenant = "default", .stream = "s", .limit = 7};
    std::uint64_t revision = 0;
    while (true) {
      const auto page = node.read(wait, request);
      if (!page) {
        EXPECT_EQ(page.error().code, RefusalCode::stream_not_found) << page.error().describe();
        return seen;
      }
      for (const EventView& event : page->events) {
        EXPECT_EQ(event.revision.value, revision++);
        EXPECT_TRUE(seen.emplace(event.id, event.position.value).second) << "twice: " << event.id;
      }
      if (page->at_end) return seen;
      request.from = *page->next;
    }
  }

  std::uint64_t boot(const Crash& crash, const std::function<void(io::Wait&, Node&)>& body) {
    sim::Process process(world_, {.host = "node1", .boot = ++boots_});
    process.spawn("main", [&](io::Wait& wait) {
      const auto data = disk_.mount(process, "data");
      auto node = Node::start(wait, process.io_world(), *data, tiny_options());
      if (!node) {
        refused_ = node.error().describe();
        EXPECT_TRUE(process.is_crashed()) << refused_;
        return;
      }
      body(wait, **node);
      const Status stopped = (*node)->stop(wait);
      EXPECT_TRUE(stopped || process.is_crashed()) << stopped.error().describe();
    });
    if (crash.call != 0 && crash.when == When::before_the_call) process.crash_at_call(crash.call, crash.kind);
    const auto crash_is_due = [&] {
      return crash.call != 0 && crash.when == When::during_the_call && process.call_count() >= crash.call;
    };
    EXPECT_TRUE(world_.run_until([&] { return process.is_finished() || crash_is_due(); }))
        << world_.failure().value_or("stuck");
    if (!process.is_finished()) {
      process.crash("during a call", crash.kind);
      EXPECT_TRUE(world_.run_until([&] { return process.is_finished(); }))
          << world_.failure().value_or("stuck");
    }
    EXPECT_EQ(disk_.open_files(), 0u);
    return process.call_count();
  }

  sim::World world_;
  sim::Disk disk_{world_, "disk1", {}};
  std::uint64_t boots_ = 0;
  int attempted_ = 0;
  std::map<std::string, std::uint64_t> acknowledged_;  // position by id
  std::string refused_;
};

constexpr int appends = 24;

// Under a sanitizer everything takes many times as long: it sees a sample.
#if defined(VERITY_ASAN)
constexpr std::uint64_t sanitized_stride = 23;
#elif defined(VERITY_TSAN)
constexpr std::uint64_t sanitized_stride = 37;
#else
constexpr std::uint64_t sanitized_stride = 1;
#endif

void for_every_crash(std::uint64_t calls, std::uint64_t step, std::uint64_t first,
                     const std::function<void(const Crash&)>& run) {
  for (std::uint64_t call = first; call <= calls; call += step) {
    for (const When when : {When::before_the_call, When::during_the_call}) {
      for (const sim::CrashKind kind : {sim::CrashKind::power, sim::CrashKind::kill}) {
        run({call, when, kind});
        if (testing::Test::HasFailure()) return;
      }
    }
  }
}

TEST(CrashEverywhere, TheFirstLife) {
  const std::uint64_t calls = Machine(1).live({}, appends);
  ASSERT_GT(calls, 100u);
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    for_every_crash(calls, sanitized_stride, 1, [&](const Crash& crash) {
      SCOPED_TRACE("seed " + std::to_string(seed) + ": " + crash.describe());
      Machine machine(seed);
      machine.live(crash, appends);
      machine.check();
      machine.check();
    });
  }
}

// Every call of the recovery after a sample of first crashes. A kill leaves in memory what no disk has yet, and the power
// cut afterwards takes it away.
TEST(CrashEverywhere, TheRecoveryToo) {
  const std::uint64_t calls = Machine(1).live({}, appends);
  std::uint64_t seed = 100;
  for_every_crash(calls, 7 * sanitized_stride, 1, [&](const Crash& first) {
    ++seed;
    Machine probe(seed);
    probe.live(first, appends);
    const std::uint64_t recovery_calls = probe.live({}, 0);
    for_every_crash(recovery_calls, 5, 1 + seed % 5, [&](const Crash& second) {
      SCOPED_TRACE("seed " + std::to_string(seed) + ": " + first.describe() + ", then " + second.describe());
      Machine machine(seed);
      machine.live(first, appends);
      machine.live(second, 0);
      machine.live({second.call, second.when, sim::CrashKind::power}, 3);
      machine.check();
    });
  });
}

}  // namespace
}  // namespace verity::node
