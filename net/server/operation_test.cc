#include "net/server/testing/server_fixture.h"

namespace verity::server::testing {
namespace {

class Operation : public ServerFixture {};

TEST_F(Operation, HealthStatusHeadAndTenants) {
  run([&](io::Wait& wait) {
    create_tenant(wait);
    EXPECT_EQ(ask(wait, "GET", "/health/live").status, 200);
    EXPECT_EQ(ask(wait, "GET", "/health/ready").status, 200);
    node_.ready = false;
    node_.reason = "damage was found";
    const Answer not_ready = ask(wait, "GET", "/health/ready");
    EXPECT_EQ(not_ready.status, 503);
    EXPECT_TRUE(not_ready.has("damage was found"));
    const Answer status = ask(wait, "GET", "/status");
    for (const char* text :
         {R"("node_id":1)", R"("state":"read_only")", R"("view":0)", R"("commit_index":1)",
          R"("applied_index":1)", R"("cluster":{"peers":[],"members":[]})", R"("sync_mode":"fsync")",
          R"("io_backend":"unknown")", R"("cluster_name":"test")", R"("damage":[])"}) {
      EXPECT_TRUE(status.has(text)) << status.body << " lacks " << text;
    }
    EXPECT_EQ(ask(wait, "GET", "/v1/proofs/inclusion?position=1.2").body, "inclusion 1 2\n");
    EXPECT_EQ(ask(wait, "GET", "/v1/proofs/consistency?from=1&to=1").body, "consistency 1 1\n");
    EXPECT_TRUE(ask(wait, "GET", "/v1/proofs/inclusion?position=0").has("a position such as 42"));
    EXPECT_TRUE(ask(wait, "GET", "/v1/proofs/inclusion").has("the parameter position is missing"));
    EXPECT_TRUE(ask(wait, "GET", "/v1/proofs/consistency?from=1&size=2").has("is not known here"));
    EXPECT_TRUE(ask(wait, "POST", "/v1/cluster/transfer-leader?to=3").has("{\"leader\":3}"));
    EXPECT_TRUE(ask(wait, "POST", "/v1/cluster/transfer-leader").has("{\"leader\":2}"));
    EXPECT_TRUE(
        ask(wait, "POST", "/v1/cluster/activate-release").has("{\"active_release\":2,\"activated_by\":42}"));
    EXPECT_TRUE(ask(wait, "POST", "/v1/cluster/transfer-leader?to=8").has("the id of a node, 1 to 7"));
    EXPECT_TRUE(ask(wait, "POST", "/v1/cluster/transfer-leader?node=3").has("is not known here"));
    const auto change = ask(wait, "POST", "/v1/cluster/members?add=2=node2:7001,3=node3:7001&remove=4");
    EXPECT_TRUE(change.has(R"({"done":false,"waits_for":"node 2 is not connected","members":[1,2,3]})"));
    EXPECT_EQ(node_.last_members_change.add.at(1), std::pair(NodeId{3}, std::string("node3:7001")));
    EXPECT_EQ(node_.last_members_change.remove.at(0), NodeId{4});
    EXPECT_TRUE(ask(wait, "POST", "/v1/cluster/members?add=8=node8:7001").has("ids 1 to 7"));
    EXPECT_TRUE(ask(wait, "POST", "/v1/cluster/members?add=2=nowhere").has("addresses of cluster ports"));
    EXPECT_TRUE(ask(wait, "POST", "/v1/cluster/members").has("name who is to come in"));
    EXPECT_TRUE(ask(wait, "GET", "/v1/head").has(R"({"position":1,"hash":")"));
    EXPECT_TRUE(ask(wait, "GET", "/v1/tenants").has(R"({"tenants":[{"id":1,"name":"acme")"));
    for (const std::string_view path : {"/v1/head", "/v1/tenants", "/v1/tenants/acme"}) {
      EXPECT_EQ(ask(wait, "GET", std::string(path) + "?consistency=stale").status, 200) << path;
      EXPECT_TRUE(ask(wait, "GET", std::string(path) + "?consistancy=stale").has("allowed: consistency"))
          << path;
    }
    EXPECT_TRUE(
        ask(wait, "GET", "/status?of=2").has(R"(the parameter \"of\" is not known here; allowed: none)"));
    EXPECT_TRUE(ask(wait, "POST", "/v1/cluster/activate-release?release=3").has("is not known here"));
    EXPECT_TRUE(ask(wait, "PUT", "/v1/tenants/other?limit=1").has("is not known here"));
    EXPECT_TRUE(ask(wait, "DELETE", "/v1/tenants/acme?yes").has("is not known here"));
    EXPECT_EQ(ask(wait, "GET", "/health/live?probe=1").status, 200);
    const Answer with_body = ask(wait, "PUT", "/v1/tenants/other", R"({"quota":5})");
    EXPECT_EQ(with_body.status, 400);
    EXPECT_TRUE(with_body.has("the body has 11 bytes; allowed: none")) << with_body.body;
    EXPECT_EQ(ask(wait, "GET", "/v1/tenants/other").status, 404);
    EXPECT_EQ(ask(wait, "PUT", "/v1/tenants/acme").status, 409);
    EXPECT_EQ(ask(wait, "GET", "/v1/tenants/acme").status, 200);
    EXPECT_EQ(ask(wait, "DELETE", "/v1/tenants/acme").status, 200);
    EXPECT_EQ(ask(wait, "GET", "/v1/tenants/acme").status, 404);
  });
}

TEST_F(Operation, WhileTheNodeStartsItsStateIsTold) {
  bool is_done = false;
  loop_.spawn("test", [&] {
    io::Wait wait(loop_);
    auto listening = Server::listen(wait, world_, options_, [] {
      node::NodeStatus status;
      status.node_id = NodeId{2};
      status.state = "starting";
      status.reason = "waiting for node1:7001";
      status.peers.push_back({.id = NodeId{},
                              .address = "node1:7001",
                              .state = "unreachable",
                              .last_seen = {},
                              .round_trip = {},
                              .acknowledged = {},
                              .problem = "refused"});
      return status;
    });
    ASSERT_TRUE(listening);
    server_ = std::move(*listening);
    EXPECT_EQ(ask(wait, "GET", "/health/live").status, 200);
    const Answer ready = ask(wait, "GET", "/health/ready");
    EXPECT_EQ(ready.status, 503);
    EXPECT_TRUE(ready.has("waiting for node1:7001"));
    const Answer status = ask(wait, "GET", "/status");
    EXPECT_TRUE(status.has(R"("state":"starting")")) << status.body;
    EXPECT_TRUE(status.has(
        R"({"id":null,"address":"node1:7001","state":"unreachable","last_seen":null,"problem":"refused"})"))
        << status.body;
    EXPECT_TRUE(ask(wait, "GET", "/metrics").has("verity_peer_connected{peer=\"node1:7001\"} 0"));
    const Answer refused = ask(wait, "GET", "/v1/tenants");
    EXPECT_EQ(refused.status, 503);
    EXPECT_TRUE(refused.has("not_ready"));
    server_->serve(node_);
    EXPECT_EQ(ask(wait, "GET", "/health/ready").status, 200);
    EXPECT_EQ(ask(wait, "GET", "/v1/tenants").status, 200);
    server_->stop(wait);
    server_.reset();
    is_done = true;
  });
  ASSERT_TRUE(run_to_end(loop_, clock_));
  EXPECT_TRUE(is_done);
}

TEST_F(Operation, MetricsOnBothListeners) {
  options_.metrics_address = io::Address{"127.0.0.1", 9090};
  run([&](io::Wait& wait) {
    node_.counted.log_entries_total = 12;
    node_.counted.write_duration.observe(15us);
    EXPECT_TRUE(ask(wait, "GET", "/metrics").has("verity_log_entries_total 12"));
    TestClient scraper(wait, network_, *server_->metrics_address());
    scraper.send("GET /status HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_TRUE(
        scraper.receive().has("there is nothing at /status: this is the metrics port, with /metrics alone"));
    EXPECT_TRUE(ask(wait, "GET", "/nowhere").has("there is nothing at /nowhere\""));
    scraper.send("GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n");
    const Answer answer = scraper.receive();
    EXPECT_EQ(answer.status, 200);
    for (const char* text :
         {"# TYPE verity_log_entries_total counter", "verity_log_bytes_total 0",
          "verity_consensus_commits_total 0", "verity_consensus_view 0", "verity_consensus_leader 1",
          "# TYPE verity_write_duration_seconds histogram",
          "verity_write_duration_seconds_bucket{le=\"1e-05\"} 0",
          "verity_write_duration_seconds_bucket{le=\"2e-05\"} 1",
          "verity_write_duration_seconds_bucket{le=\"+Inf\"} 1", "verity_write_duration_seconds_sum 1.5e-05",
          "verity_active_tenants 0", "verity_http_requests_total{method=\"GET\",code=\"200\"} 1"}) {
      EXPECT_TRUE(answer.has(text)) << text << " is missing in\n" << answer.body;
    }
    scraper.send("GET /status HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_EQ(scraper.receive().status, 404);
  });
}

TEST_F(Operation, ABusyPortIsAnError) {
  run([&](io::Wait& wait) {
    const auto second = Server::start(wait, world_, node_, options_);
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code, ErrorCode::busy);
  });
}

}  // namespace
}  // namespace verity::server::testing
