// A production node on a simulated disk, for tests that tell one story: start, do things, crash, start again.
#pragma once

#include "engine/node/node.h"
#include "io/directory.h"
#include "io/file.h"
#include "sim/disk.h"
#include "sim/process.h"
#include "sim/world.h"

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>

namespace verity::node {

class NodeFixture : public testing::Test {
 protected:
  static NodeOptions small_options() {
    NodeOptions options;
    options.segment_bytes = 64 * KiB;
    options.limits.record_bytes_max = 8 * KiB;
    options.limits.batch_bytes_max = 32 * KiB;
    options.tuning.scrub_pause = 1s;
    return options;
  }

  // One process: starts a node, hands it to `body`, stops it unless it crashed. Returns how the start went.
  Status boot(const std::function<void(io::Wait&, Node&)>& body) {
    Status started;
    sim::Process process(world, {.host = "node1", .boot = ++boots});
    process.spawn("main", [&](io::Wait& wait) {
      const auto data = disk.mount(process, "data");
      auto node = Node::start(wait, process.io_world(), *data, options);
      if (!node) {
        started = std::unexpected(node.error());
        return;
      }
      body(wait, **node);
      const Status stopped = (*node)->stop(wait);
      if (!process.is_crashed()) {
        EXPECT_TRUE(stopped) << stopped.error().describe();
      }
    });
    current = &process;
    EXPECT_TRUE(world.run_until([&] { return process.is_finished(); })) << world.failure().value_or("stuck");
    current = nullptr;
    return started;
  }

  static Outcome<AppendReceipt> append(io::Wait& wait, Node& node, std::string_view stream,
                                       std::string_view data, Expectation expected = {}) {
    return node.append(wait, {.tenant = "default",
                              .streams = {{.stream = stream,
                                           .expected = expected,
                                           .events = {{.type = "t", .data = data, .subject = {}}}}}});
  }

  static std::string read_all(io::Wait& wait, Node& node, std::string_view stream) {
    std::string text;
    ReadRequest request{.tenant = "default", .stream = stream, .limit = 7};
    while (true) {
      const auto page = node.read(wait, request);
      if (!page) return text + page.error().describe();
      for (const EventView& event : page->events) {
        text += event.revision.describe() + "=" + std::string(event.data) + " ";
      }
      if (page->at_end) return text;
      request.from = *page->next;
    }
  }

  sim::World world{{.seed = 7, .trace_sink = {}, .ready_swaps = 20}};
  sim::Disk disk{world, "disk1", {}};
  NodeOptions options = small_options();
  std::uint64_t boots = 0;
  sim::Process* current = nullptr;
};

}  // namespace verity::node
