#include "net/server/metrics.h"

#include "engine/node/node.h"
#include "io/clock.h"
#include "net/server/context.h"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <limits>
#include <map>
#include <sstream>

namespace verity::server {

namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

double seconds(Duration duration) {
  return static_cast<double>(duration.count()) / 1e9;
}
double upper_bound(Duration bound) {
  return seconds(bound);
}
double upper_bound(ByteCount bound) {
  return static_cast<double>(bound);
}

class Families {
 public:
  void counter(const char* name, const char* help, std::uint64_t value) {
    ClientMetric metric;
    metric.counter.value = static_cast<double>(value);
    add(name, help, MetricType::Counter).metric.push_back(metric);
  }

  void gauge(const char* name, const char* help, double value) {
    ClientMetric metric;
    metric.gauge.value = value;
    add(name, help, MetricType::Gauge).metric.push_back(metric);
  }
  void gauge(const char* name, const char* help, std::uint64_t value) {
    gauge(name, help, static_cast<double>(value));
  }

  template <class Histogram>
  void histogram(const char* name, const char* help, const Histogram& observed) {
    ClientMetric metric;
    std::uint64_t cumulative = 0;
    for (std::size_t bucket = 0; bucket < Histogram::bucket_count; ++bucket) {
      cumulative += observed.count(bucket);
      metric.histogram.bucket.push_back({cumulative, upper_bound(Histogram::bound(bucket))});
    }
    cumulative += observed.count(Histogram::bucket_count);
    metric.histogram.bucket.push_back({cumulative, std::numeric_limits<double>::infinity()});
    metric.histogram.sample_count = cumulative;
    metric.histogram.sample_sum = upper_bound(observed.sum());
    add(name, help, MetricType::Histogram).metric.push_back(metric);
  }

  // One sample for each value of one label.
  void counters(const char* name, const char* help, const char* label,
                const std::map<std::string, std::uint64_t>& values) {
    MetricFamily& family = add(name, help, MetricType::Counter);
    for (const auto& [value, count] : values) {
      ClientMetric metric;
      metric.label.push_back({label, value});
      metric.counter.value = static_cast<double>(count);
      family.metric.push_back(metric);
    }
  }

  MetricFamily& add(const char* name, const char* help, MetricType type) {
    MetricFamily& family = families_.emplace_back();
    family.name = name;
    family.help = help;
    family.type = type;
    return family;
  }

  const std::vector<MetricFamily>& all() const { return families_; }

 private:
  std::vector<MetricFamily> families_;
};

void add_node(Families& families, const node::NodeStatus& status, const node::NodeMetrics& metrics) {
  families.counter("verity_log_entries_total", "Log entries written by this process",
                   metrics.log_entries_total);
  families.counter("verity_log_bytes_total", "Log bytes written by this process, with headers and padding",
                   metrics.log_bytes_total);
  families.counter("verity_consensus_commits_total", "Entries committed", metrics.consensus_commits_total);
  families.gauge("verity_consensus_view", "Current consensus view", status.view.value);
  families.gauge("verity_consensus_leader", "Current leader node ID, 0 if none", status.leader.value);
  families.counter("verity_consensus_view_changes_total",
                   "Views this process has entered, as leader or follower", metrics.view_changes_total);
  families.counter("verity_consensus_handovers_total", "Times this node has given the lead to another",
                   metrics.handovers_total);
  families.histogram("verity_consensus_duration_seconds",
                     "On the leader: from an entry's proposal until it is committed",
                     metrics.consensus_duration);
  families.gauge("verity_commit_position", "Position of the last committed entry", status.commit_index.value);
  families.gauge("verity_applied_position", "Position of the last applied entry", status.applied_index.value);
  families.gauge("verity_active_tenants", "Tenants that exist", status.tenants);
  families.gauge("verity_disk_free_bytes", "Room left on the file system of the data directory",
                 status.disk_free_bytes);
  families.gauge("verity_node_writable", "1 while the node is ready: it takes writes, or knows who does",
                 status.reason.empty() ? 1.0 : 0.0);
  families.gauge("verity_acknowledges_early", "1 while writes are acknowledged before they are durable",
                 status.acknowledges_early ? 1.0 : 0.0);
  families.histogram("verity_write_duration_seconds",
                     "From an append's arrival at this node to its answer, whoever leads",
                     metrics.write_duration);
  families.histogram("verity_durable_write_duration_seconds", "Time of one durable write of the log",
                     metrics.durable_write_duration);
  families.histogram("verity_flush_size_bytes", "Size of one durable write of the log", metrics.flush_bytes);
  families.gauge("verity_queue_entries", "Entries proposed and not yet durable", metrics.queue_entries);
  families.gauge("verity_queue_bytes", "Bytes proposed and not yet durable", metrics.queue_bytes);
  families.counter("verity_refused_overloaded_total", "Requests refused because too much was queued",
                   metrics.refused_overloaded_total);
  families.counter("verity_idempotent_replays_total",
                   "Appends answered from an earlier one with the same key",
                   metrics.idempotent_replays_total);
  families.counter("verity_session_replays_total", "Appends of sessions answered from an earlier attempt",
                   metrics.session_replays_total);
  families.gauge("verity_sessions", "Sessions of native clients that are known", metrics.sessions);
  families.counter("verity_scrub_bytes_total", "Log bytes read again by the scrubber",
                   metrics.scrubbed_bytes_total);
  families.counter("verity_scrub_rounds_total", "Complete rounds of the scrubber",
                   metrics.scrub_rounds_total);
  families.counter("verity_damaged_entries_total", "Damaged entries found by start, reads or the scrubber",
                   metrics.damaged_entries_total);
  families.gauge("verity_damaged_segments", "Damaged segments that are to be repaired from the other nodes",
                 metrics.damaged_segments);
  families.counter("verity_repaired_entries_total",
                   "Entries fetched from other nodes to repair damaged segments",
                   metrics.repaired_entries_total);
  families.counter("verity_repair_served_entries_total",
                   "Entries sent to other nodes that repair damaged segments",
                   metrics.repair_served_entries_total);
  families.counter("verity_repaired_bytes_total", "Bytes of those entries", metrics.repaired_bytes_total);
}

// By address: the id of a node that has never answered is not known.
void add_peers(Families& families, const node::NodeStatus& status, const node::NodeMetrics& metrics) {
  families.gauge("verity_clock_offset_seconds",
                 "Of the time that a majority of the nodes shows from what the clock of this node shows",
                 seconds(metrics.clock_offset));
  families.gauge("verity_clock_agreed", "1 while the clocks of a majority of the nodes agree",
                 metrics.clock_is_agreed ? 1.0 : 0.0);
  MetricFamily& connected =
      families.add("verity_peer_connected", "1 while the other node is connected", MetricType::Gauge);
  for (const node::NodePeer& peer : status.peers) {
    ClientMetric metric;
    metric.label.push_back({"peer", peer.address});
    metric.gauge.value = peer.connected ? 1.0 : 0.0;
    connected.metric.push_back(metric);
  }
  MetricFamily lag{"verity_peer_lag_entries",
                   "On the leader: committed entries that the other node has not acknowledged",
                   MetricType::Gauge,
                   {}};
  for (const node::NodePeer& peer : status.peers) {
    if (!peer.acknowledged) continue;
    ClientMetric metric;
    metric.label.push_back({"peer", peer.address});
    metric.gauge.value = static_cast<double>(status.commit_index.value) -
                         static_cast<double>(std::min(status.commit_index, *peer.acknowledged).value);
    lag.metric.push_back(metric);
  }
  if (!lag.metric.empty()) families.add(lag.name.c_str(), lag.help.c_str(), lag.type).metric = lag.metric;
  families.counter("verity_requests_forwarded_total",
                   "Requests that the leader was asked on behalf of a client",
                   metrics.requests_forwarded_total);
  families.counter("verity_peer_messages_dropped_total",
                   "Messages to other nodes that were dropped: not connected, queue full, or connection lost",
                   status.messages_dropped);
}

void add_traffic(Families& families, const node::PeerTraffic& traffic) {
  const auto by_lane = [&](std::uint64_t node::LaneTraffic::*count) {
    return std::map<std::string, std::uint64_t>{{"control", traffic.lanes[0].*count},
                                                {"bulk", traffic.lanes[1].*count}};
  };
  using Lane = node::LaneTraffic;
  families.counters("verity_peer_received_messages_total", "Messages from other nodes", "lane",
                    by_lane(&Lane::messages_in));
  families.counters("verity_peer_sent_messages_total", "Messages to other nodes", "lane",
                    by_lane(&Lane::messages_out));
  families.counters("verity_peer_received_bytes_total", "Bytes from other nodes, with all framing", "lane",
                    by_lane(&Lane::bytes_in));
  families.counters("verity_peer_sent_bytes_total", "Bytes to other nodes, with all framing", "lane",
                    by_lane(&Lane::bytes_out));
  families.counters("verity_peer_connections_total", "Connections with other nodes that came about", "lane",
                    by_lane(&Lane::connections));
  families.counters("verity_peer_connections_lost_total", "Those of them that have ended", "lane",
                    by_lane(&Lane::connections_lost));
  families.counters("verity_peer_refused_total", "Connections that this node refused", "code",
                    traffic.refused);
  families.counters("verity_peer_refused_by_total", "Connections that other nodes refused to this one",
                    "code", traffic.refused_by);
  families.counter("verity_peer_connect_failures_total", "Attempts to connect another node that failed",
                   traffic.connect_failures);
  families.counter("verity_peer_handshake_failures_total",
                   "Connections that ended before both sides had said who they are, by timeout or nonsense",
                   traffic.handshake_failures);
  families.counter("verity_peer_bad_frames_total", "Connections ended for what was in their bytes",
                   traffic.bad_frames);
  families.counter("verity_peer_turned_away_total",
                   "Connections closed at once, while too many others had not said who they are",
                   traffic.turned_away);
}

void add_server(Families& families, const Context& context) {
  const ServerCounters& counters = context.counters;
  MetricFamily& requests = families.add("verity_http_requests_total",
                                        "HTTP requests answered, by method and status", MetricType::Counter);
  for (const auto& [key, count] : counters.requests) {
    ClientMetric metric;
    metric.label.push_back({"method", std::string(describe(key.first))});
    metric.label.push_back({"code", std::to_string(key.second)});
    metric.counter.value = static_cast<double>(count);
    requests.metric.push_back(metric);
  }
  families.gauge("verity_http_connections", "Client connections open now", counters.connections);
  families.gauge("verity_http_subscriptions", "Subscriptions open now", counters.subscriptions);
  families.counter("verity_http_connections_refused_total", "Connections refused over the limit",
                   counters.connections_refused);
  families.gauge("verity_native_connections", "Client connections that speak the native protocol, now",
                 counters.native_connections);
  families.counter("verity_native_requests_total", "Requests taken over the native protocol",
                   counters.native_requests);
  families.gauge("verity_http_memory_bytes", "Request bodies and answers in memory now",
                 context.memory.held());
  families.gauge("verity_uptime_seconds", "Time since this server started",
                 seconds(context.world.clock.monotonic() - context.started_at));
}

}  // namespace

std::string render_metrics(const Context& context) {
  Families families;
  const node::NodeStatus status = context.status();
  static const node::NodeMetrics none_yet;
  const node::NodeMetrics& metrics = context.started != nullptr ? context.node().metrics() : none_yet;
  add_node(families, status, metrics);
  if (!status.peers.empty()) add_peers(families, status, metrics);
  // Until then nobody has counted.
  if (!status.peers.empty() && context.started != nullptr) add_traffic(families, metrics.peer_traffic);
  add_server(families, context);
  std::ostringstream out;
  prometheus::TextSerializer().Serialize(out, families.all());
  return std::move(out).str();
}

}  // namespace verity::server
