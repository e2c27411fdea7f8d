// verity-bench: how fast do appends become durable, and how long does a node take to start?
//
//   verity-bench append --data-dir DIR            in this process, straight to the node
//   verity-bench append --server 127.0.0.1:7000   over HTTP, to a server that runs already
//   verity-bench append --nodes 3 --data-dir DIR  over the native protocol, to servers started here
//   verity-bench append --native A,B,C            the same, to servers that run already
//   verity-bench failover --data-dir DIR          how long after the leader's death an append is acknowledged
//   verity-bench start --data-dir DIR             start-up time on an existing data directory
//
// Prints figures for people, or one JSON object with --json. `tools/dev bench` runs it beside the bare disk, the
// bare loopback and PostgreSQL; a figure alone says little.
#include "bench/in_process.h"
#include "bench/local_cluster.h"
#include "bench/over_http.h"
#include "bench/over_native.h"
#include "io/linux/runtime.h"

#include <CLI/CLI.hpp>

#include <sched.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>

namespace verity::bench {
namespace {

struct Options {
  Load load;
  double seconds = 3;
  double gigabytes = 0;
  std::string data_dir;
  std::string server;
  std::string native;
  std::string server_binary;
  std::uint64_t nodes = 0;
  std::uint64_t connections = 1;
  int core = -1;
  int repeat = 5;
  bool json = false;
};

int complain(const Error& error) {
  std::fprintf(stderr, "verity-bench: %s\n", error.describe().c_str());
  return 1;
}

// Keeps this process on one core.
bool pin(int core) {
  if (core < 0) return true;
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(static_cast<std::size_t>(core), &set);
  return sched_setaffinity(0, sizeof set, &set) == 0;
}

// The most memory this process ever had resident, in bytes.
ByteCount peak_resident_bytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("VmHWM:")) return std::stoull(line.substr(6)) * KiB;
  return 0;
}

void print(const Options& options, const char* way, const std::string& backend, Figures& figures,
           ByteCount log_bytes, ByteCount payload_bytes) {
  const double p50 = figures.latency.percentile_us(500);
  const double p99 = figures.latency.percentile_us(990);
  const double ratio =
      payload_bytes == 0 ? 0 : static_cast<double>(log_bytes) / static_cast<double>(payload_bytes);
  if (options.json) {
    std::printf(
        "{\"way\":\"%s\",\"clients\":%lu,\"batch\":%lu,\"payload_bytes\":%lu,\"requests\":%lu,\"refused\":%"
        "lu,"
        "\"events_s\":%.0f,\"p50_us\":%.1f,\"p99_us\":%.1f,\"log_ratio\":%.3f,\"peak_rss_mb\":%.1f,"
        "\"backend\":\"%s\"}\n",
        way, options.load.clients, options.load.batch, options.load.payload_bytes, figures.requests,
        figures.refused, figures.events_per_second(), p50, p99, ratio,
        static_cast<double>(peak_resident_bytes()) / 1e6, backend.c_str());
    return;
  }
  std::printf("%s, %lu client(s), %lu event(s) of %lu B a request, %s\n", way, options.load.clients,
              options.load.batch, options.load.payload_bytes, backend.c_str());
  std::printf("  %.0f events/s, %lu requests (%lu refused as overloaded), p50 %.1f us, p99 %.1f us\n",
              figures.events_per_second(), figures.requests, figures.refused, p50, p99);
  if (ratio > 0) std::printf("  log space: %.3f bytes per payload byte\n", ratio);
  std::printf("  peak resident memory of this process: %.1f MB\n",
              static_cast<double>(peak_resident_bytes()) / 1e6);
}

// "a:1,b:2"
Result<std::vector<io::Address>> parse_addresses(std::string_view text) {
  std::vector<io::Address> addresses;
  while (true) {
    const auto comma = text.find(',');
    VERITY_TRY_ASSIGN(addresses.emplace_back(), io::Address::parse(text.substr(0, comma)));
    if (comma == std::string_view::npos) return addresses;
    text.remove_prefix(comma + 1);
  }
}

int append_natively(const Options& options, io::Runtime& runtime) {
  std::optional<LocalCluster> cluster;
  Result<std::vector<io::Address>> nodes;
  if (options.nodes > 0) {
    auto started = LocalCluster::start(options.server_binary, options.data_dir, options.nodes);
    if (!started) return complain(started.error());
    cluster.emplace(std::move(*started));
    nodes = cluster->addresses();
  } else {
    nodes = parse_addresses(options.native);
  }
  if (!nodes) return complain(nodes.error());
  auto figures = append_over_native(runtime, *nodes, options.connections, options.load);
  if (!figures) return complain(figures.error());
  print(options, "native", runtime.backend_name(), *figures, 0, 0);
  return 0;
}

int failover(const Options& options) {
  auto cluster = LocalCluster::start(options.server_binary, options.data_dir, options.nodes);
  if (!cluster) return complain(cluster.error());
  Samples samples;
  std::uint64_t acknowledged = 0;
  for (int n = 0; n < options.repeat; ++n) {
    auto runtime = io::Runtime::create({});
    if (!runtime) return complain(runtime.error());
    NodeId killed;
    auto took = time_of_failover(
        **runtime, cluster->addresses(),
        [&](NodeId leader) {
          killed = leader;
          cluster->kill(leader);
        },
        acknowledged);
    if (!took) return complain(took.error());
    samples.add(*took);
    if (auto back = cluster->restart(killed); !back) return complain(back.error());
  }
  const double median = samples.percentile_us(500) / 1e3;
  const double worst = samples.percentile_us(1000) / 1e3;
  if (options.json)
    std::printf("{\"rounds\":%d,\"failover_ms\":%.0f,\"worst_ms\":%.0f,\"appends\":%lu}\n", options.repeat,
                median, worst, acknowledged);
  else
    std::printf(
        "leader killed %d times: next acknowledgement after %.0f ms (median), %.0f ms at worst; all %lu "
        "appends are there once\n",
        options.repeat, median, worst, acknowledged);
  return 0;
}

int append(const Options& options) {
  auto runtime = io::Runtime::create({});
  if (!runtime) return complain(runtime.error());
  if (options.nodes > 0 || !options.native.empty()) return append_natively(options, **runtime);
  if (options.server.empty()) {
    auto result = append_in_process(**runtime, options.data_dir, options.load);
    if (!result) return complain(result.error());
    print(options, "in process", result->backend, result->figures, result->log_bytes, result->payload_bytes);
    return 0;
  }
  auto address = io::Address::parse(options.server);
  if (!address) return complain(address.error());
  auto result = append_over_http(**runtime, *address, options.load);
  if (!result) return complain(result.error());
  print(options, "over HTTP", (*runtime)->backend_name(), *result, 0, 0);
  return 0;
}

int start(const Options& options) {
  Samples samples;
  std::uint64_t head = 0;
  for (int n = 0; n < options.repeat; ++n) {
    auto runtime = io::Runtime::create({});
    if (!runtime) return complain(runtime.error());
    auto took = start_up(**runtime, options.data_dir, head);
    if (!took) return complain(took.error());
    samples.add(*took);
  }
  const double ms = samples.percentile_us(500) / 1e3;
  if (options.json)
    std::printf("{\"start_ms\":%.1f,\"position\":%lu}\n", ms, head);
  else
    std::printf("started in %.1f ms (median of %d) at position %lu\n", ms, options.repeat, head);
  return 0;
}

}  // namespace

int run(int argc, char** argv) {
  Options options;
  CLI::App app("Measures how fast appends become durable", "verity-bench");
  app.require_subcommand(1);
  auto* append_command = app.add_subcommand(
      "append", "Append events: in this process, over HTTP, or over the native protocol to a cluster");
  auto* way = append_command->add_option_group("where");
  auto* folder =
      way->add_option("--data-dir", options.data_dir, "Append in this process to the node in this folder");
  way->add_option("--server", options.server, "Append over HTTP to the server at host:port");
  way->add_option("--native", options.native, "Append natively to the servers at host:port,host:port,...");
  way->require_option(1);
  const auto add_cluster = [&](CLI::App* command) {
    command->add_option("--nodes", options.nodes, "Servers to start, with their data in the folder")
        ->check(CLI::IsMember({1, 3, 5, 7}));
    command->add_option("--server-binary", options.server_binary,
                        "verity-server; beside this program if not given");
  };
  add_cluster(append_command);
  append_command->get_option("--nodes")->needs(folder);
  append_command->get_option("--server-binary")->needs("--nodes");
  auto* connections =
      append_command
          ->add_option("--connections", options.connections, "Connections the clients share (native)")
          ->check(CLI::Range(1, 1024))
          ->capture_default_str();
  append_command->add_option("--clients", options.load.clients, "Clients, one request under way each")
      ->check(CLI::Range(1, 4096))
      ->capture_default_str();
  append_command->add_option("--batch", options.load.batch, "Events of one request")
      ->check(CLI::Range(1, 100000))
      ->capture_default_str();
  append_command->add_option("--streams", options.load.streams, "Streams the clients are spread over")
      ->check(CLI::Range(1, 100000))
      ->capture_default_str();
  append_command->add_option("--payload", options.load.payload_bytes, "Bytes of each event's data")
      ->check(CLI::Range(32, 1 << 20))
      ->capture_default_str();
  append_command->add_option("--warm-up", options.load.warm_up, "Requests of each client before counting")
      ->capture_default_str();
  auto* seconds = append_command->add_option("--seconds", options.seconds, "How long to go on")
                      ->check(CLI::Range(0.1, 86400.0))
                      ->capture_default_str();
  append_command
      ->add_option("--gigabytes", options.gigabytes, "Go on until so much payload (in 10^9 bytes) is in")
      ->check(CLI::Range(0.001, 10000.0))
      ->excludes(seconds);
  auto* failover_command = app.add_subcommand("failover", "Kill the leader, time the next acknowledgement");
  failover_command->add_option("--data-dir", options.data_dir, "Where the servers keep their data")
      ->required();
  failover_command->add_option("--repeat", options.repeat, "How often")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  add_cluster(failover_command);
  auto* start_command = app.add_subcommand("start", "Start-up time on an existing data directory");
  start_command->add_option("--data-dir", options.data_dir, "The data directory")->required();
  start_command->add_option("--repeat", options.repeat, "How often")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  for (auto* command : {append_command, failover_command, start_command}) {
    command->add_option("--core", options.core, "Keep this process on one core");
    command->add_flag("--json", options.json, "Print one JSON object");
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  if (connections->count() > 0 && options.nodes == 0 && options.native.empty()) {
    std::fprintf(stderr, "verity-bench: --connections is for --native and --nodes\n");
    return 2;
  }
  if (!pin(options.core)) {
    std::fprintf(stderr, "verity-bench: there is no core %d for this process\n", options.core);
    return 2;
  }
  options.load.duration = Duration(static_cast<std::int64_t>(options.seconds * 1e9));
  if (options.gigabytes > 0) {
    options.load.payload_bytes_max = static_cast<ByteCount>(options.gigabytes * 1e9);
    options.load.duration = 24h;
  }
  if (options.server_binary.empty())
    options.server_binary = std::filesystem::path(argv[0]).parent_path() / "verity-server";
  if (failover_command->parsed()) {
    if (options.nodes == 0) options.nodes = 3;
    return failover(options);
  }
  return append_command->parsed() ? append(options) : start(options);
}

}  // namespace verity::bench

int main(int argc, char** argv) {
  return verity::bench::run(argc, argv);
}
