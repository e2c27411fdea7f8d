// What every connection of a server shares.
#pragma once

#include "engine/node/node.h"
#include "io/base/assert.h"
#include "io/base/units.h"
#include "io/fiber/wait.h"
#include "io/world.h"
#include "net/http/json_check.h"
#include "net/server/counters.h"
#include "net/server/memory_budget.h"
#include "net/server/options.h"

#include <functional>

namespace verity::server {

struct Context {
  Context(const io::World& the_world, ServerOptions the_options, Instant now)
      : world(the_world),
        options(std::move(the_options)),
        started_at(now),
        memory(options.memory_bytes_max) {}

  const io::World world;
  const ServerOptions options;
  const Instant started_at;

  // Waiting for something that may never come ends when the server stops ...
  io::CancelSource stopping;
  // ... and what is under way ends when its patience does.
  io::CancelSource aborting;

  MemoryBudget memory;
  http::JsonChecker json;  // nobody suspends while using it
  ServerCounters counters;
  std::uint64_t native_under_way = 0;  // requests, over all connections

  // None while it is starting: what it is waiting for is then known to `starting`.
  node::Node* started = nullptr;
  std::function<node::NodeStatus()> starting;

  node::Node& node() const {
    VERITY_ASSERT(started != nullptr);
    return *started;
  }
  node::NodeStatus status() const { return started != nullptr ? started->status() : starting(); }
};

}  // namespace verity::server
