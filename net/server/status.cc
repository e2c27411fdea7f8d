#include "net/server/status.h"

#include "engine/node/node.h"
#include "io/clock.h"
#include "net/http/json_writer.h"
#include "net/server/context.h"

#include <algorithm>

namespace verity::server {

namespace {

void add(std::string& out, std::string_view key, std::uint64_t number) {
  out += key;
  http::append_json_number(out, number);
}

void add(std::string& out, std::string_view key, std::string_view text) {
  out += key;
  http::append_json_string(out, text);
}

void add_peer(std::string& out, const node::NodePeer& peer, Position commit) {
  out += "{\"id\":";
  peer.id.value == 0 ? out += "null" : out += peer.id.describe();
  add(out, ",\"address\":", peer.address);
  add(out, ",\"state\":", peer.state);
  out += ",\"last_seen\":";
  peer.last_seen == Timestamp{} ? out += "null" : out += '"' + peer.last_seen.describe() + '"';
  if (peer.round_trip) add(out, ",\"round_trip_us\":", static_cast<std::uint64_t>(*peer.round_trip / 1us));
  if (peer.view) {
    add(out, ",\"client_address\":", peer.client_address);
    add(out, ",\"view\":", peer.view->value);
    add(out, ",\"commit_index\":", peer.commit_index.value);
    add(out, ",\"applied_index\":", peer.applied_index.value);
    add(out, ",\"release\":", std::uint64_t{peer.release});
    add(out, ",\"disk_free_bytes\":", peer.disk_free_bytes);
    out += peer.has_room ? ",\"has_room\":true" : ",\"has_room\":false";
  }
  if (peer.acknowledged) {
    add(out, ",\"acknowledged_index\":", peer.acknowledged->value);
    add(out, ",\"lag\":", commit.value - std::min(commit, *peer.acknowledged).value);
  }
  if (!peer.connected && !peer.problem.empty()) add(out, ",\"problem\":", peer.problem);
  out += '}';
}

// What --force-recover has done, in numbers and in words.
void add_refounding(std::string& out, const node::Refounding& refounding) {
  add(out, ",\"force_recovered\":{\"position\":", refounding.at.value);
  add(out, ",\"at\":", refounding.founded_at.describe());
  add(out, ",\"epoch\":", refounding.epoch.describe());
  add(out, ",\"epoch_before\":", refounding.epoch_before.describe());
  add(out, ",\"kept_to\":", refounding.kept().value);
  add(out, ",\"committed_to\":", refounding.committed.value);
  add(out, ",\"confirmed_to\":", refounding.confirmed.value);
  if (refounding.heard.value > 0) add(out, ",\"heard_to\":", refounding.heard.value);
  if (refounding.unknown_from) add(out, ",\"unknown_from\":", refounding.unknown_from->value);
  std::string_view separator = ",\"report\":[";
  for (const std::string& sentence : refounding.sentences()) {
    add(out, separator, sentence);
    separator = ",";
  }
  out += "]}";
}

}  // namespace

void append_status(std::string& out, const Context& context) {
  const node::NodeStatus status = context.status();
  const bool is_stopping = context.stopping.is_cancelled();
  const Duration uptime = context.world.clock.monotonic() - context.started_at;
  add(out, "{\"node_id\":", status.node_id.value);
  add(out, ",\"state\":", is_stopping ? "stopping" : std::string_view(status.state));
  if (!status.reason.empty()) add(out, ",\"reason\":", status.reason);
  add(out, ",\"view\":", status.view.value);
  add(out, ",\"commit_index\":", status.commit_index.value);
  add(out, ",\"applied_index\":", status.applied_index.value);
  out += ",\"leader\":";
  status.leader.value == 0 ? out += "null" : out += status.leader.describe();
  out += ",\"cluster\":{";
  if (!status.cluster_address.empty()) {
    add(out, "\"address\":", status.cluster_address);
    out += ',';
  }
  out += "\"peers\":[";
  bool is_first = true;
  for (const node::NodePeer& peer : status.peers) {
    if (!is_first) out += ',';
    is_first = false;
    add_peer(out, peer, status.commit_index);
  }
  out += "],\"members\":[";
  is_first = true;
  for (const consensus::Member& member : status.voters) {
    add(out, is_first ? "" : ",", member.id.value);
    is_first = false;
  }
  out += ']';
  if (!status.members_change.empty()) add(out, ",\"members_change\":", status.members_change);
  out += '}';
  add(out, ",\"durable_position\":", status.durable_position.value);
  out += status.is_syncing ? ",\"syncing\":true" : ",\"syncing\":false";
  add(out, ",\"sync_mode\":", status.sync_mode == node::SyncMode::fsync ? "fsync" : "async");
  out += status.acknowledges_early ? ",\"acknowledges_early\":true" : ",\"acknowledges_early\":false";
  add(out, ",\"io_backend\":", context.options.io_backend);
  add(out, ",\"cluster_name\":", status.cluster_name);
  add(out, ",\"cluster_id\":", status.cluster_id.describe());
  add(out, ",\"epoch\":", status.epoch.describe());
  if (status.refounding) add_refounding(out, *status.refounding);
  add(out, ",\"tenants\":", status.tenants);
  add(out, ",\"release\":", status.releases.newest);
  add(out, ",\"oldest_release\":", status.releases.oldest);
  add(out, ",\"active_release\":", status.active_release.number);
  add(out, ",\"activated_by\":", status.active_release.at.value);
  if (!status.release_obstacle.empty()) add(out, ",\"release_obstacle\":", status.release_obstacle);
  add(out, ",\"disk_free_bytes\":", status.disk_free_bytes);
  out += ",\"index_ready\":";
  out += status.index_ready ? "true" : "false";
  out += ",\"damage\":[";
  is_first = true;
  for (const std::string& line : status.damage) {
    add(out, is_first ? "" : ",", line);
    is_first = false;
  }
  add(out, "],\"version\":", context.options.version);
  add(out, ",\"uptime_seconds\":", static_cast<std::uint64_t>(uptime.count() / 1'000'000'000));
  out += "}\n";
}

void append_members_progress(std::string& out, const node::MembersProgress& progress) {
  out += "{\"done\":";
  out += progress.done ? "true" : "false";
  if (!progress.waits_for.empty()) add(out, ",\"waits_for\":", progress.waits_for);
  out += ",\"members\":[";
  bool is_first = true;
  for (const NodeId id : progress.members) {
    add(out, is_first ? "" : ",", id.value);
    is_first = false;
  }
  out += "]}\n";
}

}  // namespace verity::server
