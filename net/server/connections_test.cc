#include "net/server/testing/server_fixture.h"

namespace verity::server::testing {
namespace {

class Connections : public ServerFixture {
 protected:
  static std::string append_one_event() {
    return "POST /v1/tenants/acme/streams/s/events HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
           "Content-Length: " +
           std::to_string(one_event.size()) + "\r\n\r\n" + std::string(one_event);
  }
};

TEST_F(Connections, KeepAliveAndPipelining) {
  run([&](io::Wait& wait) {
    create_tenant(wait);
    TestClient client = connect(wait);
    std::string requests;
    for (int i = 0; i < 20; ++i) requests += append_one_event();
    client.send(requests);
    for (int i = 0; i < 20; ++i) {
      EXPECT_TRUE(client.receive().has("\"first_revision\":" + std::to_string(i) + ","));
    }
    client.send("HEAD /v1/head HTTP/1.1\r\nHost: a\r\n\r\nGET /health/live HTTP/1.0\r\n\r\n");
    const Answer head = client.receive(true);
    EXPECT_EQ(head.status, 200);
    EXPECT_FALSE(head.has("Content-Length: 0"));
    EXPECT_TRUE(client.receive().has("Connection: close"));
    EXPECT_TRUE(client.is_closed());
  });
}

TEST_F(Connections, ChunkedBodiesInSmallPieces) {
  run([&](io::Wait& wait) {
    create_tenant(wait);
    TestClient client = connect(wait);
    const std::string request =
        "POST /v1/tenants/acme/streams/s/events HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
        "Transfer-Encoding: chunked\r\n\r\n5;ext=1\r\n{\"typ\r\n10\r\ne\":\"x\",\"data\":1}\r\n0\r\nTrailer: "
        "t\r\n\r\n";
    for (const char c : request) {
      client.send(std::string_view(&c, 1));
      ASSERT_TRUE(wait.sleep(1ms));
    }
    EXPECT_EQ(client.receive().status, 201);
    client.send("GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_EQ(client.receive().status, 200);
  });
}

TEST_F(Connections, ExpectContinue) {
  run([&](io::Wait& wait) {
    create_tenant(wait);
    TestClient client = connect(wait);
    client.send(
        "POST /v1/tenants/acme/streams/s/events HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
        "Content-Type: application/json\r\nContent-Length: " +
        std::to_string(one_event.size()) + "\r\n\r\n");
    EXPECT_EQ(client.receive_until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
    client.send(one_event);
    EXPECT_EQ(client.receive().status, 201);
  });
}

TEST_F(Connections, SlowHeadersBodiesAndSilenceEnd) {
  run([&](io::Wait& wait) {
    const Instant start = wait.now();
    TestClient silent = connect(wait);
    EXPECT_TRUE(silent.is_closed());
    EXPECT_EQ(wait.now() - start, 10s);

    TestClient slow = connect(wait);
    loop_.spawn("drip", [&] {
      io::Wait own(loop_);
      for (int i = 0; i < 100 && slow.send("G"); ++i) {
        if (!own.sleep(1s)) return;
      }
    });
    EXPECT_EQ(slow.receive().status, 408);
    EXPECT_EQ(wait.now() - start, 20s);
    ASSERT_TRUE(wait.sleep(100s));  // lets the dripping end before its client

    // A byte now and then is not enough for a body either.
    TestClient drip = connect(wait);
    const Instant drip_start = wait.now();
    drip.send("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 10000\r\n\r\n");
    for (int i = 0; i < 3; ++i) {
      drip.send("x");
      ASSERT_TRUE(wait.sleep(9s));
    }
    EXPECT_EQ(drip.receive().status, 408);
    EXPECT_EQ(wait.now() - drip_start, 30s);

    TestClient idle = connect(wait);
    idle.send("GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_EQ(idle.receive().status, 200);
    const Instant idle_start = wait.now();
    EXPECT_TRUE(idle.is_closed());
    EXPECT_EQ(wait.now() - idle_start, 75s);
  });
}

TEST_F(Connections, HalfOpenAndVanishedPeers) {
  run([&](io::Wait& wait) {
    TestClient half = connect(wait);
    half.send("GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n");
    half.finish_sending();
    EXPECT_EQ(half.receive().status, 200);
    EXPECT_TRUE(half.is_closed());
    TestClient truncated = connect(wait);
    truncated.send("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhalf");
    truncated.finish_sending();
    EXPECT_TRUE(truncated.is_closed());
    TestClient gone = connect(wait);
    gone.send("GET /sta");
    gone.close();
    ASSERT_TRUE(wait.sleep(1s));
    EXPECT_EQ(server_->counters().connections, 0u);
  });
}

TEST_F(Connections, AFloodIsTurnedAway) {
  options_.connections_max = 3;
  run([&](io::Wait& wait) {
    std::vector<TestClient> clients;
    clients.reserve(3);
    for (int i = 0; i < 3; ++i) clients.push_back(connect(wait));
    ASSERT_TRUE(wait.sleep(1ms));
    TestClient extra = connect(wait);
    const Answer answer = extra.receive();
    EXPECT_EQ(answer.status, 503);
    EXPECT_TRUE(answer.has("too_many_connections"));
    extra.close();
    for (int i = 0; i < 300; ++i) clients.push_back(connect(wait));  // more than are told
    ASSERT_TRUE(wait.sleep(5s));
    clients.clear();
    ASSERT_TRUE(wait.sleep(1s));
    EXPECT_EQ(ask(wait, "GET", "/health/live").status, 200);
    EXPECT_EQ(server_->counters().connections_refused, 301u);
  });
}

TEST_F(Connections, TooMuchInMemoryIsRefused) {
  options_.memory_bytes_max = 100 * KiB;
  run([&](io::Wait& wait) {
    create_tenant(wait);
    const std::string head =
        "POST /v1/tenants/acme/streams/s/events HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
        "Content-Length: 60000\r\n\r\n";
    TestClient first = connect(wait);
    first.send(head);
    ASSERT_TRUE(wait.sleep(1ms));
    TestClient second = connect(wait);
    second.send(head);
    const Answer refused = second.receive();
    EXPECT_EQ(refused.status, 429);
    EXPECT_TRUE(refused.has("Retry-After: 1"));
    std::string body = R"({"type":"x","data":")" + std::string(60'000 - 22, 'y') + "\"}";
    ASSERT_EQ(body.size(), 60'000u);
    first.send(body);
    EXPECT_EQ(first.receive().status, 201);
    TestClient third = connect(wait);
    third.send(head + body);
    EXPECT_EQ(third.receive().status, 201);
  });
}

TEST_F(Connections, StopAnswersWhatIsUnderWay) {
  node_.append_delay = 2s;
  run([&](io::Wait& wait) {
    create_tenant(wait);
    TestClient busy = connect(wait);
    busy.send(append_one_event());
    TestClient idle = connect(wait);
    idle.send("GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_EQ(idle.receive().status, 200);
    const Instant start = wait.now();
    server_->stop(wait);
    EXPECT_EQ(wait.now() - start, 2s);
    const Answer answer = busy.receive();
    EXPECT_EQ(answer.status, 201);
    EXPECT_TRUE(answer.has("Connection: close"));
    EXPECT_TRUE(idle.is_closed());
    TestClient late = connect(wait);
    EXPECT_FALSE(late.is_connected());
  });
}

TEST_F(Connections, StopLosesPatience) {
  node_.append_delay = 1h;
  run([&](io::Wait& wait) {
    create_tenant(wait);
    TestClient busy = connect(wait);
    busy.send(append_one_event());
    ASSERT_TRUE(wait.sleep(1ms));
    const Instant start = wait.now();
    server_->stop(wait);
    EXPECT_EQ(wait.now() - start, 10s);
  });
}

}  // namespace
}  // namespace verity::server::testing
