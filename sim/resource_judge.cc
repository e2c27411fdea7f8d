#include "sim/resource_judge.h"

#include "engine/node/node.h"
#include "net/server/counters.h"
#include "sim/network.h"

#include <algorithm>
#include <map>

namespace verity::sim {
namespace {

constexpr Duration interval = 20ms;
constexpr std::uint64_t own_entries = 8;  // that are proposed for the node itself, whatever is queued
constexpr std::uint64_t window_entries = 4096 + 8 * 100;  // ahead of a backup, and read for it from the disk
constexpr std::array<std::string_view, 6> names{"files",          "sockets",      "fibers",
                                                "queued entries", "queued bytes", "sessions"};

// As in ", 3 connection, 1 watch".
std::string describe_fibers(NodeHost& host) {
  std::map<std::string, std::uint64_t> counts;
  for (const std::string& name : host.process()->loop().fiber_names()) ++counts[name];
  std::string text;
  for (const auto& [name, how_many] : counts) text += ", " + std::to_string(how_many) + " " + name;
  return text;
}

}  // namespace

ResourceJudge::ResourceJudge(World& world, Cluster& cluster, const Scenario& scenario)
    : world_(world), cluster_(cluster), scenario_(scenario) {}

ResourceJudge::Amounts ResourceJudge::held_by(const NodeHost& host) const {
  Amounts held{};
  held[files] = host.disk().open_files();
  held[sockets] = world_.network().open_sockets(host.address().host);
  held[fibers] = host.process()->fiber_count();
  if (host.node() == nullptr) return held;
  const node::NodeMetrics& metrics = host.node()->metrics();
  held[queue_entries] = metrics.queue_entries;
  held[queue_bytes] = metrics.queue_bytes;
  held[sessions] = metrics.sessions;
  return held;
}

// Of files, sockets and fibers far more than the few clients of a run need at one time.
ResourceJudge::Amounts ResourceJudge::allowed() const {
  const node::Tuning& tuning = scenario_.setup.node.tuning;
  const bool is_alone = scenario_.nodes == 1;
  Amounts allowed{};
  allowed[files] = 40;
  allowed[sockets] = 100;
  // A native client has up to forty requests under way; those of its last connections wait as well while nobody leads.
  allowed[fibers] = 500 + 200 * scenario_.work.native_writers;
  // A backup takes what its leader sends ahead, and counts entries alone.
  allowed[queue_entries] = is_alone ? tuning.queue_entries_max + own_entries : window_entries;
  allowed[queue_bytes] = is_alone ? tuning.queue_bytes_max + 64 * KiB : UINT64_MAX;
  allowed[sessions] = tuning.sessions_max;
  return allowed;
}

// Sixteen sealed segments stay open for reading; what a node always has open and runs, and what it has for each of the others.
ResourceJudge::Amounts ResourceJudge::allowed_at_rest() const {
  const std::uint64_t others = scenario_.nodes - 1;
  Amounts allowed = this->allowed();
  allowed[files] = 16 + 8;
  allowed[sockets] = 4 * others;
  allowed[fibers] = 20 + 6 * others;  // two lanes: who dials, or reads what was accepted; who writes
  allowed[queue_entries] = 0;
  allowed[queue_bytes] = 0;
  return allowed;
}

std::string ResourceJudge::describe_unrest() const {
  const Amounts allowed = allowed_at_rest();
  for (const auto& node : cluster_.nodes()) {
    if (!node->host().is_serving()) continue;
    const Amounts held = held_by(node->host());
    for (std::size_t what = 0; what < count; ++what) {
      if (held[what] <= allowed[what]) continue;
      return node->host().address().host + " holds " + std::to_string(held[what]) + " " +
             std::string(names[what]) + " with nobody asking; it may hold " + std::to_string(allowed[what]) +
             (what == fibers ? describe_fibers(node->host()) : "");
    }
  }
  return {};
}

void ResourceJudge::look() {
  if (world_.now() < next_look_ || world_.failure()) return;
  next_look_ = world_.now() + interval;
  for (const auto& node : cluster_.nodes()) {
    NodeHost& host = node->host();
    if (!host.is_running()) continue;
    const Amounts held = held_by(host);
    const Amounts allowed = this->allowed();
    for (std::size_t what = 0; what < count; ++what) {
      most_[what] = std::max(most_[what], held[what]);
      if (held[what] <= allowed[what] || world_.failure()) continue;
      world_.fail(host.address().host + " holds " + std::to_string(held[what]) + " " +
                  std::string(names[what]) + "; it may hold " + std::to_string(allowed[what]) +
                  (what == fibers ? describe_fibers(host) : ""));
    }
  }
}

std::string ResourceJudge::describe() const {
  std::string text;
  for (std::size_t what = 0; what < count; ++what)
    text += (what == 0 ? "at most " : ", ") + std::to_string(most_[what]) + " " + std::string(names[what]);
  return text + " at one time on one node";
}

}  // namespace verity::sim
