// What every connection of a server shares.
#pragma once

#include "io/base/units.h"
#include "io/fiber/wait.h"
#include "io/world.h"
#include "net/http/json_check.h"
#include "net/server/counters.h"
#include "net/server/memory_budget.h"
#include "net/server/options.h"

namespace verity::node {
class Node;
}

namespace verity::server {

struct Context {
  Context(const io::World& the_world, node::Node& the_node, ServerOptions the_options, Instant now)
      : world(the_world),
        node(the_node),
        options(std::move(the_options)),
        started_at(now),
        memory(options.memory_bytes_max) {}

  const io::World world;
  node::Node& node;
  const ServerOptions options;
  const Instant started_at;

  // Waiting for something that may never come ends when the server stops ...
  io::CancelSource stopping;
  // ... and what is under way ends when its patience does.
  io::CancelSource aborting;

  MemoryBudget memory;
  http::JsonChecker json;  // nobody suspends while using it
  ServerCounters counters;
};

}  // namespace verity::server
