#include "tools/server/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

namespace verity::tools {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

LoadedConfig from_file(std::string text) {
  return load_config(ConfigFile{"config.toml", std::move(text)}, {}, {});
}
LoadedConfig from_environment(const Environment& environment) {
  return load_config(std::nullopt, environment, {});
}

CommandLine parse(std::vector<std::string_view> arguments) {
  return parse_command_line(arguments);
}

// The one problem of a file.
std::string problem_of(std::string text) {
  const LoadedConfig loaded = from_file(std::move(text));
  EXPECT_EQ(loaded.problems.size(), 1U) << ::testing::PrintToString(loaded.problems);
  return loaded.problems.empty() ? "" : loaded.problems.front();
}

// ---- defaults and precedence

TEST(Config, DefaultsAreTheGuidesButOnLoopback) {
  const LoadedConfig loaded = load_config(std::nullopt, {}, {});
  EXPECT_THAT(loaded.problems, IsEmpty());
  EXPECT_THAT(loaded.notes, IsEmpty());
  const ServerConfig& config = loaded.config;
  EXPECT_EQ(config.bind_address.describe(), "127.0.0.1:7000");
  EXPECT_EQ(config.metrics_address.describe(), "127.0.0.1:9090");
  EXPECT_EQ(config.data_dir, "/var/lib/verity");
  EXPECT_EQ(config.log_level, io::LogLevel::info);
  EXPECT_EQ(config.node.node_id, NodeId{1});
  EXPECT_EQ(config.node.cluster_name, "production");
  EXPECT_EQ(config.node.sync_mode, node::SyncMode::fsync);
  EXPECT_FALSE(config.node.read_only);
  EXPECT_EQ(config.node.segment_bytes, 64 * MiB);
  EXPECT_EQ(config.node.limits.tenants_max, 1000U);
  EXPECT_EQ(config.node.limits.streams_per_tenant_max, 100'000U);
  EXPECT_EQ(config.node.limits.record_bytes_max, 1 * MiB);
  EXPECT_EQ(config.node.limits.batch_bytes_max, 10 * MiB);
  EXPECT_THAT(keys_acting_later(config), IsEmpty());
}

TEST(Config, EnvironmentOverridesFileAndFlagsOverrideBoth) {
  const ConfigFile file{"config.toml",
                        "[server]\nnode_id = 2\ncluster_name = \"file\"\n[storage]\ndata_dir = \"/a\"\n"};
  const LoadedConfig loaded =
      load_config(file, {{"VERITY_NODE_ID", "3"}, {"VERITY_DATA_DIR", "/b"}}, {{Key::node_id, "4"}});
  ASSERT_THAT(loaded.problems, IsEmpty());
  EXPECT_EQ(loaded.config.node.node_id, NodeId{4});
  EXPECT_EQ(loaded.config.data_dir, "/b");
  EXPECT_EQ(loaded.config.node.cluster_name, "file");
  EXPECT_THAT(describe_config(loaded.config),
              AllOf(HasSubstr("[server] node_id = 4  (flag --node-id)\n"),
                    HasSubstr("[storage] data_dir = \"/b\"  (environment VERITY_DATA_DIR)\n"),
                    HasSubstr("[server] cluster_name = \"file\"  (config.toml:3)\n"),
                    HasSubstr("[storage] segment_size = \"64MB\"  (default)\n")));
}

TEST(Config, EveryKeyCanBeSetInTheFileAndInTheEnvironment) {
  for (const KeyRow& row : key_table()) {
    SCOPED_TRACE(row.describe());
    EXPECT_THAT(row.environment, StartsWith("VERITY_"));
    EXPECT_EQ(find_key(row.section, row.name), &row);
    EXPECT_EQ(find_environment(row.environment), &row);
    const LoadedConfig defaults = load_config(std::nullopt, {}, {});
    const LoadedConfig loaded =
        from_environment({{std::string(row.environment), std::string(row.default_text)}});
    EXPECT_THAT(loaded.problems, IsEmpty());
    EXPECT_TRUE(loaded.config.settings.at(row.key).given);
    EXPECT_TRUE(loaded.config.settings.at(row.key).value == defaults.config.settings.at(row.key).value);

    // What --validate prints can be written into the file.
    const std::string value = describe_value(row, defaults.config.settings.at(row.key).value);
    const LoadedConfig again =
        from_file("[" + std::string(row.section) + "]\n" + std::string(row.name) + " = " + value + "\n");
    EXPECT_THAT(again.problems, IsEmpty());
    EXPECT_TRUE(again.config.settings.at(row.key).value == defaults.config.settings.at(row.key).value);
  }
}

TEST(Config, TheGuidesFileIsRefusedOnlyForWhatThisVersionCannotKeep) {
  const LoadedConfig loaded = from_file(R"([server]
bind_address = "0.0.0.0:7000"
cluster_address = "0.0.0.0:7001"
node_id = 1
cluster_name = "production"
[storage]
data_dir = "/var/lib/verity"
segment_size = "64MB"
sync_mode = "fsync"
[consensus]
heartbeat_interval = "100ms"
election_timeout_min = "150ms"
election_timeout_max = "300ms"
max_entries_per_rpc = 100
[projections]
cache_size = "1GB"
checkpoint_interval = 10000
[security]
tls_cert = "/etc/verity/server.crt"
tls_key = "/etc/verity/server.key"
tls_ca = "/etc/verity/ca.crt"
require_client_cert = true
[encryption]
enabled = true
kms_provider = "aws-kms"
kms_key_id = "arn:aws:kms:us-east-1:123456789:key/abc123"
[limits]
max_tenants = 1000
max_streams_per_tenant = 100
max_record_size = "1MB"
max_batch_size = "10MB"
[telemetry]
metrics_address = "0.0.0.0:9090"
tracing_enabled = true
tracing_endpoint = "http://jaeger:14268/api/traces"
)");
  EXPECT_THAT(loaded.problems,
              ElementsAre(HasSubstr("[security] tls_cert"), HasSubstr("[security] tls_key"),
                          HasSubstr("[security] tls_ca"), HasSubstr("[security] require_client_cert"),
                          HasSubstr("[encryption] enabled"), HasSubstr("[telemetry] tracing_enabled"),
                          HasSubstr("[server] bind_address"), HasSubstr("[telemetry] metrics_address")));
  for (const std::string& problem : loaded.problems) EXPECT_THAT(problem, StartsWith("config.toml:"));
}

// ---- what acts later is named, what is refused says why

TEST(Config, KeysActingLaterAreCheckedAndNamed) {
  const LoadedConfig loaded = from_file(
      "[encryption]\nkms_key_id = \"k\"\n"
      "[projections]\ncache_size = \"2GB\"\n");
  ASSERT_THAT(loaded.problems, IsEmpty());
  EXPECT_THAT(keys_acting_later(loaded.config),
              ElementsAre("[projections] cache_size", "[encryption] kms_key_id"));
  EXPECT_THAT(describe_config(loaded.config),
              HasSubstr("[projections] cache_size: accepted, has no effect in this version\n"));
  EXPECT_THAT(
      problem_of("[projections]\ncache_size = \"2 apples\"\n"),
      AllOf(
          StartsWith("config.toml:2: [projections] cache_size: \"2 apples\" is not allowed; allowed: a size"),
          HasSubstr("KB, MB, GB")));
}

TEST(Config, OffValuesOfRefusedKeysAreAccepted) {
  const LoadedConfig loaded = from_file(
      "[server]\ncluster_peers = \"\"\n[security]\ntls_cert = \"\"\ntls_key = \"\"\ntls_ca = \"\"\n"
      "require_client_cert = false\n[encryption]\nenabled = false\n[telemetry]\ntracing_enabled = false\n");
  EXPECT_THAT(loaded.problems, IsEmpty());
  EXPECT_THAT(from_file("[server]\ncluster_peers = []\n").problems, IsEmpty());
}

TEST(Config, RefusedKeysSayWhy) {
  EXPECT_EQ(problem_of("[security]\ntls_cert = \"/etc/verity/server.crt\"\n"),
            "config.toml:2: [security] tls_cert: \"/etc/verity/server.crt\" is refused: this version does "
            "not speak "
            "TLS; keep it on loopback or behind a proxy that does, and leave this key empty");
  EXPECT_THAT(problem_of("[security]\nrequire_client_cert = true\n"),
              HasSubstr("client certificates come with TLS"));
  EXPECT_THAT(problem_of("[encryption]\nenabled = true\n"), HasSubstr("stores data unencrypted"));
  EXPECT_THAT(problem_of("[telemetry]\ntracing_enabled = true\n"), HasSubstr("sends no traces"));
}

// ---- a cluster

std::vector<std::string> peer_problems(std::string_view peers, std::string_view more = {}) {
  return from_file("[server]\nnode_id = 1\ncluster_peers = " + std::string(peers) + "\n" + std::string(more))
      .problems;
}

TEST(Config, PeersAndConsensusKeysAct) {
  const LoadedConfig loaded = from_file(
      "[server]\nnode_id = 3\ncluster_address = \"127.0.0.1:7009\"\ncluster_peers = [\"localhost:7001\", "
      "\"127.0.0.1:7002\"]\n"
      "[consensus]\nheartbeat_interval = \"50ms\"\nelection_timeout_min = \"200ms\"\n"
      "election_timeout_max = \"2s\"\nmax_entries_per_rpc = 7\n");
  EXPECT_THAT(loaded.problems, IsEmpty());
  EXPECT_THAT(loaded.notes, IsEmpty());
  EXPECT_EQ(loaded.config.cluster_address.describe(), "127.0.0.1:7009");
  EXPECT_THAT(loaded.config.cluster_peers,
              ElementsAre(io::Address{"localhost", 7001}, io::Address{"127.0.0.1", 7002}));
  const node::ConsensusOptions& consensus = loaded.config.node.consensus;
  EXPECT_EQ(consensus.heartbeat_interval, 50ms);
  EXPECT_EQ(consensus.election_timeout_min, 200ms);
  EXPECT_EQ(consensus.election_timeout_max, 2s);
  EXPECT_EQ(consensus.entries_per_message_max, 7u);
  const LoadedConfig flags =
      load_config(std::nullopt, {{"VERITY_NODE_ID", "2"}}, {{Key::cluster_peers, "node1:7001,node3:7001"}});
  EXPECT_THAT(flags.problems, IsEmpty());
  EXPECT_EQ(flags.config.cluster_peers.size(), 2u);
}

TEST(Config, PeersThatMakeNoClusterAreRefused) {
  EXPECT_THAT(peer_problems("\"a:1,b:1\""), IsEmpty());
  EXPECT_THAT(peer_problems("\"a:1,b:1,c:1,d:1,e:1,f:1\""), IsEmpty());
  EXPECT_THAT(peer_problems("\"a:1\""),
              ElementsAre(HasSubstr("makes a cluster of 2; allowed are 1, 3, 5 and 7")));
  EXPECT_THAT(peer_problems("\"a:1,b:1,c:1,d:1,e:1,f:1,g:1,h:1\""),
              ElementsAre(HasSubstr("makes a cluster of 9")));
  EXPECT_THAT(peer_problems("\"a:1,a:1\""), ElementsAre(HasSubstr("lists a:1 twice")));
  EXPECT_THAT(peer_problems("\"127.0.0.1:7001,b:1\""),
              ElementsAre(HasSubstr("lists 127.0.0.1:7001, which is this node itself")));
  EXPECT_THAT(
      peer_problems("\"localhost:7001,b:1\"", "cluster_address = \"0.0.0.0:7001\"\nallow_insecure = true\n"),
      ElementsAre(HasSubstr("lists localhost:7001, which is this node itself")));
  EXPECT_THAT(peer_problems("\"a:0,b:1\""), ElementsAre(HasSubstr("nobody can be reached at port 0")));
  EXPECT_THAT(peer_problems("\"a,b:1\""), ElementsAre(HasSubstr("no port")));
  EXPECT_THAT(peer_problems("\"a:1,b:1\"", "cluster_address = \"127.0.0.1:0\"\n"),
              ElementsAre(HasSubstr("the other nodes have to know the port")));
  EXPECT_THAT(peer_problems("\"a:1,b:1\"", "cluster_address = \"10.0.0.1:7001\"\n"),
              ElementsAre(HasSubstr("--allow-insecure")));
  EXPECT_THAT(load_config(std::nullopt, {}, {{Key::cluster_peers, "a:1,b:1"}}).problems,
              ElementsAre(HasSubstr("nothing says which number this one has")));
}

TEST(Config, AClusterAddressThatHelpsNobodyIsNoted) {
  const LoadedConfig alone = from_file("[server]\ncluster_address = \"0.0.0.0:7001\"\n");
  EXPECT_THAT(alone.problems, IsEmpty());
  EXPECT_THAT(alone.notes, ElementsAre(HasSubstr("the node is alone")));
  // It may let others in.
  EXPECT_THAT(from_file("[server]\ncluster_address = \"127.0.0.1:7001\"\n").notes, IsEmpty());
  const LoadedConfig unheard =
      from_file("[server]\nnode_id = 1\ncluster_peers = \"node2:7001,node3:7001\"\n");
  EXPECT_THAT(unheard.problems, IsEmpty());
  EXPECT_THAT(unheard.notes, ElementsAre(HasSubstr("nodes elsewhere cannot connect to this one")));
}

// ---- unknown names

TEST(Config, UnknownKeysNameLineAndNearest) {
  EXPECT_EQ(problem_of("[storage]\n\n# comment\nsegmentsize = \"64MB\"\n"),
            "config.toml:4: unknown key \"segmentsize\" in [storage]; did you mean \"segment_size\"?");
  EXPECT_EQ(problem_of("[storage]\ncolour = \"blue\"\n"),
            "config.toml:2: unknown key \"colour\" in [storage]; known keys there: data_dir, segment_size, "
            "sync_mode, io_backend");
  EXPECT_EQ(problem_of("[server]\nlog_level = \"info\"\n"),
            "config.toml:2: unknown key \"log_level\" in [server]; it belongs to [telemetry]");
  EXPECT_EQ(
      problem_of("[storrage]\ndata_dir = \"/a\"\n"),
      "config.toml:2: unknown section [storrage]; did you mean [storage]? Known sections: server, storage, "
      "consensus, projections, security, encryption, limits, telemetry");
  EXPECT_THAT(problem_of("[kitchen]\n"), HasSubstr("unknown section [kitchen]; known sections: server"));
  EXPECT_THAT(problem_of("[server.inner]\nnode_id = 1\n"), HasSubstr("unknown section [server.inner]"));
  EXPECT_EQ(problem_of("node_id = 1\n"),
            "config.toml:1: key \"node_id\" stands outside any section; it belongs to [server]");
  EXPECT_THAT(problem_of("nonsense = 1\n"), HasSubstr("stands outside any section; known sections: server"));
}

TEST(Config, UnknownVariablesAreRefusedWhenTheyLookLikeKeys) {
  EXPECT_THAT(from_environment({{"VERITY_DATADIR", "/a"}}).problems,
              ElementsAre("environment VERITY_DATADIR: no such key; did you mean VERITY_DATA_DIR?"));
  // A container platform puts these there for a service called "verity".
  const LoadedConfig loaded = from_environment({{"VERITY_PORT", "tcp://10.0.0.1:7000"},
                                                {"VERITY_SERVICE_HOST", "10.0.0.1"},
                                                {"VERITY_PORT_7000_TCP_PROTO", "tcp"}});
  EXPECT_THAT(loaded.problems, IsEmpty());
  EXPECT_EQ(loaded.notes.size(), 3U);
  EXPECT_THAT(loaded.notes.front(), HasSubstr("environment VERITY_PORT: no such key, it has no effect"));
  EXPECT_THAT(from_environment({{"VERITY_SERVER", "x"}, {"VERITY_CONFIG", "y"}, {"HOME", "/root"}}).notes,
              IsEmpty());
}

// ---- values

TEST(Config, BadValuesNameValueAndWhatIsAllowed) {
  EXPECT_EQ(problem_of("[server]\nnode_id = 8\n"),
            "config.toml:2: [server] node_id: 8 is not allowed; allowed: a whole number of 1..7");
  EXPECT_THAT(problem_of("[server]\nnode_id = \"1\"\n"), HasSubstr("a number stands without quotes"));
  EXPECT_THAT(problem_of("[server]\nnode_id = -1\n"), HasSubstr("-1 is not allowed"));
  EXPECT_THAT(problem_of("[server]\nnode_id = 1.5\n"), HasSubstr("1.5 is not allowed"));
  EXPECT_THAT(problem_of("[server]\nnode_id = [1]\n"), HasSubstr("a list of something else than strings"));
  EXPECT_THAT(problem_of("[server]\nnode_id = 2020-01-01\n"), HasSubstr("a date is not allowed"));
  EXPECT_THAT(problem_of("[server]\ncluster_name = \"\"\n"), HasSubstr("\"\" is not allowed"));
  EXPECT_THAT(problem_of("[server]\ncluster_name = \"a b\"\n"), HasSubstr("1 to 63 letters"));
  EXPECT_THAT(problem_of("[server]\nbind_address = \"7000\"\n"), HasSubstr("expected host:port"));
  EXPECT_THAT(problem_of("[server]\nbind_address = \"localhost:70000\"\n"), HasSubstr("0..65535"));
  EXPECT_THAT(problem_of("[server]\nallow_insecure = \"true\"\n"), HasSubstr("allowed: true or false"));
  EXPECT_EQ(problem_of("[storage]\nsync_mode = \"sometimes\"\n"),
            "config.toml:2: [storage] sync_mode: \"sometimes\" is not allowed; allowed: one of fsync, async");
  EXPECT_THAT(problem_of("[storage]\nsegment_size = \"1KB\"\n"), HasSubstr("a size of 64KB..1GB"));
  EXPECT_THAT(problem_of("[storage]\nsegment_size = 70001\n"),
              HasSubstr("a size of 64KB..1GB in multiples of 4KB"));
  EXPECT_THAT(problem_of("[storage]\nsegment_size = \"2GB\"\n"), HasSubstr("is not allowed"));
  EXPECT_THAT(problem_of("[server]\nnode_id = 1\ncluster_peers = \"node2:7001,node3:7001,\"\n"),
              HasSubstr("nothing follows the last comma"));
  EXPECT_THAT(problem_of("[server]\nnode_id = 1\ncluster_peers = \",\"\n"), HasSubstr("host:port"));
  EXPECT_THAT(problem_of("[storage]\nsegment_size = \"99999999999999999999GB\"\n"),
              HasSubstr("is not allowed"));
  EXPECT_THAT(problem_of("[storage]\nsegment_size = \"17592186044417GB\"\n"), HasSubstr("is not allowed"));
  EXPECT_THAT(problem_of("[storage]\ndata_dir = \"data\"\n"),
              HasSubstr("\"data\" is not allowed (it is relative)"));
  EXPECT_THAT(problem_of("[storage]\ndata_dir = \"\"\n"), HasSubstr("an absolute path"));
  EXPECT_THAT(problem_of("[storage]\ndata_dir = \"/a\\nb\"\n"), HasSubstr("\"/a\\x0ab\" is not allowed"));
  EXPECT_THAT(problem_of("[consensus]\nheartbeat_interval = 100\n"), HasSubstr("the unit is missing"));
  EXPECT_THAT(problem_of("[consensus]\nheartbeat_interval = \"100 years\"\n"),
              HasSubstr("a duration of 1ms..1h"));
  EXPECT_THAT(problem_of("[telemetry]\ntracing_endpoint = \"jaeger\"\n"), HasSubstr("http:// or https://"));
  EXPECT_THAT(problem_of("[telemetry]\nlog_level = \"loud\"\n"),
              HasSubstr("one of trace, debug, info, warn, error"));
  EXPECT_THAT(problem_of("[encryption]\nkms_provider = \"mine\"\n"), HasSubstr("azure-keyvault"));
  EXPECT_THAT(
      from_environment({{"VERITY_NODE_ID", "one"}}).problems,
      ElementsAre("environment VERITY_NODE_ID: [server] node_id: \"one\" is not allowed; allowed: a whole "
                  "number of 1..7"));
  EXPECT_THAT(from_environment({{"VERITY_READ_ONLY", "maybe"}}).problems,
              ElementsAre(HasSubstr("\"maybe\" is not allowed")));
}

TEST(Config, UnitsArePowersOf1024AndBooleansOfTheEnvironmentAreForgiving) {
  EXPECT_EQ(from_file("[storage]\nsegment_size = \"1 MB\"\n").config.node.segment_bytes, 1024U * 1024);
  EXPECT_EQ(from_file("[storage]\nsegment_size = 131072\n").config.node.segment_bytes, 131072U);
  EXPECT_EQ(from_environment({{"VERITY_SEGMENT_SIZE", "128KB"}}).config.node.segment_bytes, 131072U);
  for (const char* yes : {"true", "1", "yes", "on"}) {
    EXPECT_TRUE(from_environment({{"VERITY_READ_ONLY", yes}}).config.node.read_only);
  }
  EXPECT_FALSE(from_environment({{"VERITY_READ_ONLY", "off"}}).config.node.read_only);
}

TEST(Config, TheBackendCanBeInsistedOn) {
  EXPECT_EQ(from_file("").config.io_backend, IoBackend::automatic);
  EXPECT_EQ(from_file("[storage]\nio_backend = \"io_uring\"\n").config.io_backend, IoBackend::io_uring);
  EXPECT_EQ(from_environment({{"VERITY_IO_BACKEND", "fallback"}}).config.io_backend, IoBackend::fallback);
}

TEST(Config, RelativeDataDirectoriesAreForFlagsAndTheEnvironment) {
  EXPECT_EQ(load_config(std::nullopt, {}, {{Key::data_dir, "./data"}}).config.data_dir, "./data");
  EXPECT_EQ(from_environment({{"VERITY_DATA_DIR", "data"}}).config.data_dir, "data");
}

TEST(Config, KeysThatContradictEachOtherAreNamedTogether) {
  EXPECT_EQ(problem_of("[consensus]\nheartbeat_interval = \"150ms\"\n"),
            "config.toml:2: [consensus] heartbeat_interval = \"150ms\" is not shorter than [consensus] "
            "election_timeout_min = \"150ms\"");
  EXPECT_THAT(
      problem_of("[consensus]\nelection_timeout_max = \"120ms\"\n"),
      AllOf(StartsWith("config.toml:2: "), HasSubstr("is longer than [consensus] election_timeout_max")));
  EXPECT_THAT(problem_of("[limits]\nmax_record_size = \"20MB\"\n"),
              HasSubstr("larger than [limits] max_batch_size = \"10MB\""));
  EXPECT_THAT(problem_of("[telemetry]\nmetrics_address = \"127.0.0.1:7000\"\n"),
              HasSubstr("[server] bind_address and [telemetry] metrics_address are both 127.0.0.1:7000"));
  EXPECT_THAT(
      from_file("[server]\nbind_address = \"127.0.0.1:0\"\n[telemetry]\nmetrics_address = \"127.0.0.1:0\"\n")
          .problems,
      IsEmpty());
}

TEST(Config, WhatOthersAreToldHasAHostAndAPort) {
  const auto with = [](std::string_view told) {
    return "[server]\nnode_id = 1\nallow_insecure = true\nbind_address = \"0.0.0.0:7000\"\n"
           "cluster_peers = [\"b:7001\", \"c:7001\"]\nadvertise_address = \"" +
           std::string(told) + "\"\n";
  };
  const LoadedConfig loaded = from_file(with("node1:7100"));
  EXPECT_THAT(loaded.problems, IsEmpty());
  EXPECT_EQ(loaded.config.advertise_address, (io::Address{"node1", 7100}));
  EXPECT_THAT(problem_of(with("0.0.0.0:7000")), HasSubstr("nobody can connect there"));
  EXPECT_THAT(problem_of(with("node1:0")), HasSubstr("nobody can connect there"));
  EXPECT_THAT(problem_of(with("node1")), HasSubstr("[server] advertise_address: "));
  const LoadedConfig untold = from_file(with(""));
  EXPECT_EQ(untold.config.advertise_address, std::nullopt);
  EXPECT_THAT(untold.notes, testing::Contains(HasSubstr("set [server] advertise_address")));
}

// As a start would.
TEST(Config, ABatchThatDoesNotFitIntoASegmentIsRefused) {
  EXPECT_THAT(problem_of("[storage]\nsegment_size = \"1MB\"\n"),
              AllOf(HasSubstr("[limits] max_batch_size = \"10MB\" does not fit into [storage] segment_size = "
                              "\"1MB\""),
                    HasSubstr("bytes do")));
}

TEST(Config, BatchesThatMayNotFitIntoASegmentAreNoticed) {
  const LoadedConfig loaded = from_file("[storage]\nsegment_size = \"11MB\"\n");
  EXPECT_THAT(loaded.problems, IsEmpty());
  EXPECT_THAT(loaded.notes, ElementsAre(AllOf(HasSubstr("[limits] max_batch_size = \"10MB\""),
                                              HasSubstr("[storage] segment_size = \"11MB\""))));
  EXPECT_THAT(from_file("[storage]\nsegment_size = \"1MB\"\n[limits]\nmax_record_size = \"64KB\"\n"
                        "max_batch_size = \"512KB\"\n")
                  .notes,
              IsEmpty());
}

TEST(Config, OtherAddressesThanLoopbackNeedConsent) {
  const std::string problem = problem_of("[server]\nbind_address = \"0.0.0.0:7000\"\n");
  EXPECT_THAT(problem, AllOf(HasSubstr("does not speak TLS"), HasSubstr("127.0.0.1:7000"),
                             HasSubstr("--allow-insecure"), HasSubstr("[server] allow_insecure = true"),
                             HasSubstr("VERITY_ALLOW_INSECURE=true")));
  EXPECT_THAT(problem_of("[telemetry]\nmetrics_address = \"192.168.1.5:9090\"\n"),
              AllOf(HasSubstr("metrics_address"), HasSubstr("--allow-insecure")));
  EXPECT_THAT(from_file("[server]\nbind_address = \"0.0.0.0:7000\"\nallow_insecure = true\n").problems,
              IsEmpty());
  EXPECT_THAT(
      load_config(std::nullopt, {{"VERITY_BIND_ADDRESS", "0.0.0.0:7000"}}, {{Key::allow_insecure, "true"}})
          .problems,
      IsEmpty());
  EXPECT_THAT(from_file("[server]\nbind_address = \"[::1]:7000\"\n").problems, IsEmpty());
}

TEST(Config, AllProblemsAreReportedAtOnceInTheOrderOfTheFile) {
  const LoadedConfig loaded = load_config(
      ConfigFile{"c.toml", "[server]\nnode_id = 9\nport = 1\n[storage]\nsync_mode = \"no\"\n[x]\ny = 1\n"},
      {{"VERITY_LOG_LEVEL", "loud"}}, {{Key::bind_address, "nowhere"}});
  EXPECT_THAT(loaded.problems,
              ElementsAre(StartsWith("c.toml:2: "), StartsWith("c.toml:3: "), StartsWith("c.toml:5: "),
                          StartsWith("c.toml:7: "), StartsWith("environment VERITY_LOG_LEVEL: "),
                          StartsWith("flag --bind: ")));
}

TEST(Config, StrangeNamesAndAddressesStayOnOneLine) {
  EXPECT_EQ(problem_of("[server]\n\"node\\nid\" = 1\n"),
            "config.toml:2: unknown key \"node\\x0aid\" in [server]; did you mean \"node_id\"?");
  EXPECT_THAT(problem_of("[\"a\\nb\"]\nc = 1\n"), HasSubstr("unknown section [a\\x0ab]"));
  EXPECT_THAT(problem_of("[server]\nbind_address = \"local\\nhost:1\"\n"),
              HasSubstr("white space has no place there"));
  const std::string long_id(4000, 'k');
  const LoadedConfig loaded = from_file("[encryption]\nkms_key_id = \"" + long_id + "\"\n");
  EXPECT_EQ(describe_value(row_of(Key::kms_key_id), loaded.config.settings.at(Key::kms_key_id).value),
            "\"" + long_id + "\"");
}

TEST(Config, TextThatIsNotTomlNamesTheLine) {
  EXPECT_THAT(problem_of("[server]\nnode_id = \n"), StartsWith("config.toml:2: not TOML: "));
  EXPECT_THAT(problem_of("[server]\nnode_id = 1\nnode_id = 2\n"), StartsWith("config.toml:3: not TOML: "));
  EXPECT_THAT(problem_of("[server\n"), StartsWith("config.toml:1: not TOML: "));
  EXPECT_THAT(problem_of("\xff\xfe"), HasSubstr("not TOML: "));
  EXPECT_THAT(problem_of("a = " + std::string(10'000, '[')), HasSubstr("not TOML: "));
}

RC_GTEST_PROP(ConfigProperty, ArbitraryTextNeverBreaksTheLoader, ()) {
  const auto pieces = *rc::gen::container<std::vector<std::string>>(rc::gen::element<std::string>(
      "[server]", "[", "]", "\n", "=", "node_id", "\"", "'", "1", "true", "{", "}", ".", ",", " ", "\xc3",
      "1979-05-27", "[storage]\n", "data_dir = \"/a\"\n", "#", "\"\"\"", "inf", "0x1"));
  std::string text;
  for (const std::string& piece : pieces) text += piece;
  const LoadedConfig loaded = from_file(text);
  for (const std::string& problem : loaded.problems) RC_ASSERT(problem.starts_with("config.toml:"));
}

// ---- command line

TEST(CommandLine, TakesTheGuidesFlags) {
  const CommandLine line =
      parse({"--config", "/etc/verity/config.toml", "--node-id", "1", "--bind=127.0.0.1:7070", "--data-dir",
             "/var/lib/verity", "--log-level", "debug", "--allow-insecure", "--read-only", "--validate"});
  EXPECT_THAT(line.problems, IsEmpty());
  EXPECT_EQ(line.action, CommandLine::Action::validate);
  EXPECT_EQ(line.config_path, "/etc/verity/config.toml");
  EXPECT_EQ(line.settings, (std::map<Key, std::string>{{Key::node_id, "1"},
                                                       {Key::bind_address, "127.0.0.1:7070"},
                                                       {Key::data_dir, "/var/lib/verity"},
                                                       {Key::log_level, "debug"},
                                                       {Key::allow_insecure, "true"},
                                                       {Key::read_only, "true"}}));
  EXPECT_EQ(parse({"-h"}).action, CommandLine::Action::help);
  EXPECT_EQ(parse({"-V"}).action, CommandLine::Action::version);
  EXPECT_EQ(parse({"--version", "--help"}).action, CommandLine::Action::help);
  EXPECT_EQ(parse({}).action, CommandLine::Action::run);
}

TEST(CommandLine, WrongUseIsNamed) {
  EXPECT_THAT(parse({"--data-dri", "/a"}).problems,
              ElementsAre("unknown option --data-dri; did you mean --data-dir?",
                          "unexpected argument \"/a\"; verity-server takes options only"));
  EXPECT_THAT(parse({"--frobnicate"}).problems, ElementsAre("unknown option --frobnicate"));
  EXPECT_THAT(parse({"--node-id"}).problems, ElementsAre("--node-id needs a value"));
  EXPECT_THAT(parse({"--config", "--validate"}).problems, ElementsAre("--config needs a value"));
  EXPECT_THAT(parse({"--validate=yes"}).problems,
              ElementsAre("--validate takes no value, but was given \"yes\""));
  EXPECT_THAT(parse({"--read-only=no"}).problems,
              ElementsAre("--read-only takes no value, but was given \"no\""));
  EXPECT_THAT(parse({"--bind", "a:1", "--bind", "b:2"}).problems, ElementsAre("--bind is given twice"));
  EXPECT_THAT(parse({"--config", "a", "--config", "b"}).problems, ElementsAre("--config is given twice"));
}

// ---- texts made from the table

TEST(Texts, HelpHasTheGuidesLines) {
  EXPECT_THAT(help_text(),
              StartsWith("Usage: verity-server [OPTIONS]\n\nOptions:\n"
                         "    --config <PATH>          Configuration file path\n"
                         "    --node-id <ID>           Node identifier (overrides config)\n"
                         "    --bind <ADDR>            Bind address (overrides config)\n"
                         "    --data-dir <PATH>        Data directory (overrides config)\n"
                         "    --cluster-peers <PEERS>  Comma-separated peer addresses\n"
                         "    --log-level <LEVEL>      Log level: trace, debug, info, warn, error\n"));
  EXPECT_THAT(help_text(), HasSubstr("\n    -h, --help               Print help\n"
                                     "    -V, --version            Print version\n"));
  for (const KeyRow& row : key_table()) {
    if (!row.has_flag()) continue;
    EXPECT_THAT(help_text(), HasSubstr("\n    " + std::string(row.flag.name) + " "));
  }
}

// docs/configuration.md is the table, printed. VERITY_BLESS=1 writes it anew.
TEST(Texts, TheDocumentIsWhatTheTableSays) {
  const char* root = std::getenv("VERITY_SOURCE_ROOT");
  if (root == nullptr) GTEST_SKIP() << "VERITY_SOURCE_ROOT is not set; meson sets it";
  const std::string path = std::string(root) + "/docs/configuration.md";
  if (std::getenv("VERITY_BLESS") != nullptr) std::ofstream(path) << configuration_document();
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  EXPECT_EQ(text.str(), configuration_document())
      << "run the test with VERITY_BLESS=1 and look at the difference";
}

TEST(Texts, TheFileInTheDocumentIsAccepted) {
  const std::string document = configuration_document();
  const auto begin = document.find("```toml\n") + 8;
  EXPECT_THAT(from_file(document.substr(begin, document.find("```\n", begin) - begin)).problems, IsEmpty());
}

}  // namespace
}  // namespace verity::tools
