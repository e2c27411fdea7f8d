#include "net/server/testing/server_fixture.h"

namespace verity::server::testing {
namespace {

using node::RefusalCode;

constexpr std::string_view one_event = R"({"type":"admitted","data":{"bed": 7.0 }})";

class Appends : public ServerFixture {};
class Reads : public ServerFixture {};
class Subscriptions : public ServerFixture {};
class BadInput : public ServerFixture {};
class Connections : public ServerFixture {};
class Operation : public ServerFixture {};

TEST_F(Appends, AnswersWithPositionAndRevisions) {
  run([&](io::Wait& wait) {
    create_tenant(wait);
    const Answer answer = ask(wait, "POST", "/v1/tenants/acme/streams/ward/events", one_event);
    EXPECT_EQ(answer.status, 201);
    EXPECT_TRUE(answer.has(R"({"position":2,"first_revision":0,"last_revision":0,"hash":")")) << answer.body;
    EXPECT_TRUE(answer.has(R"("recorded_at":"2024-01-15T10:30:00.000000Z"})")) << answer.body;
    ASSERT_EQ(node_.events.size(), 1u);
    EXPECT_EQ(node_.events[0].data, R"({"bed": 7.0 })");
  });
}

TEST_F(Appends, TakeArraysLinesAndCloudEvents) {
  run([&](io::Wait& wait) {
    create_tenant(wait);
    const std::string path = "/v1/tenants/acme/streams/ward%207/events";
    EXPECT_EQ(ask(wait, "POST", path, R"([{"type":"a","data":1},{"type":"b","data":[ ]}])").status, 201);
    EXPECT_EQ(ask(wait, "POST", path, "{\"type\":\"c\",\"data\":1e2}\r\n\n{\"type\":\"d\",\"data\":null}",
                  "Content-Type: application/x-ndjson\r\n")
                  .status,
              201);
    EXPECT_EQ(
        ask(wait, "POST", path, R"([{"specversion":"1.0","type":"e","id":"1","source":"/s","data":{}}])",
            "Content-Type: application/cloudevents-batch+json; charset=UTF-8\r\n")
            .status,
        201);
    ASSERT_EQ(node_.events.size(), 5u);
    EXPECT_EQ(node_.events[0].stream, "ward 7");
    EXPECT_EQ(node_.events[2].data, "1e2");
    EXPECT_EQ(node_.events[4].metadata, R"({"specversion":"1.0","source":"/s"})");
  });
}

TEST_F(Appends, ExpectedRevisionIsToldToTheNode) {
  run([&](io::Wait& wait) {
    create_tenant(wait);
    const std::string headers = "Content-Type: application/json\r\nexpected-revision: none\r\n";
    EXPECT_EQ(ask(wait, "POST", "/v1/tenants/acme/streams/s/events", one_event, headers).status, 201);
    const Answer answer = ask(wait, "POST", "/v1/tenants/acme/streams/s/events", one_event, headers);
    EXPECT_EQ(answer.status, 409);
    EXPECT_TRUE(answer.has("application/problem+json"));
    EXPECT_TRUE(answer.has(R"("code":"expectation_failed")"));
    EXPECT_TRUE(answer.has(R"("failed_expectations":[{"stream":"s","expected":"none","actual":0}])"))
        << answer.body;
  });
}

TEST_F(Appends, ReplayWithTheSameKeyAndBody) {
  run([&](io::Wait& wait) {
    create_tenant(wait);
    const std::string path = "/v1/tenants/acme/streams/s/events";
    const std::string headers = "Content-Type: application/json\r\nIdempotency-Key: k-1\r\n";
    const Answer first = ask(wait, "POST", path, one_event, headers);
    const Answer again = ask(wait, "POST", path, one_event, headers);
    EXPECT_EQ(first.status, 201);
    EXPECT_FALSE(first.has("Idempotent-Replayed"));
    EXPECT_EQ(again.status, 201);
    EXPECT_TRUE(again.has("Idempotent-Replayed: true"));
    EXPECT_EQ(first.body, again.body);
    // Another body, another stream, another expectation, another format: each is another request.
    EXPECT_EQ(ask(wait, "POST", path, R"({"type":"x","data":1})", headers).status, 422);
    EXPECT_EQ(ask(wait, "POST", "/v1/tenants/acme/streams/t/events", one_event, headers).status, 422);
    EXPECT_EQ(ask(wait, "POST", path, one_event, headers + "Expected-Revision: 0\r\n").status, 422);
    EXPECT_EQ(
        ask(wait, "POST", path, one_event, "Content-Type: application/x-ndjson\r\nIdempotency-Key: k-1\r\n")
            .status,
        422);
    EXPECT_EQ(node_.events.size(), 1u);
  });
}

TEST_F(Appends, SeveralStreamsReportAllFailedExpectations) {
  run([&](io::Wait& wait) {
    create_tenant(wait);
    const std::string path = "/v1/tenants/acme/events";
    const std::string good =
        R"({"streams":[{"stream":"a","expected_revision":"none","events":[{"type":"x","data":1}]},
        {"stream":"b","events":[{"type":"x","data":1},{"type":"y","data":2}]}]})";
    const Answer answer = ask(wait, "POST", path, good);
    EXPECT_EQ(answer.status, 201);
    EXPECT_TRUE(answer.has(R"("streams":[{"stream":"a","first_revision":0,"last_revision":0},)"))
        << answer.body;
    EXPECT_TRUE(answer.has(R"({"stream":"b","first_revision":0,"last_revision":1}])")) << answer.body;
    const std::string bad =
        R"({"streams":[{"stream":"a","expected_revision":5,"events":[{"type":"x","data":1}]},
        {"stream":"b","expected_revision":"none","events":[{"type":"x","data":1}]}]})";
    const Answer refused = ask(wait, "POST", path, bad);
    EXPECT_EQ(refused.status, 409);
    EXPECT_TRUE(refused.has(
        R"([{"stream":"a","expected":"5","actual":0},{"stream":"b","expected":"none","actual":1}])"))
        << refused.body;
  });
}

TEST_F(Reads, PagesForwardAndBackward) {
  run([&](io::Wait& wait) {
    create_tenant(wait);
    ask(wait, "POST", "/v1/tenants/acme/streams/s/events",
        R"([{"type":"a","data":0},{"type":"b","data":1},{"type":"c","data":2,"metadata":{"k":1.50},"id":"i","subject":"p"}])");
    Answer page = ask(wait, "GET", "/v1/tenants/acme/streams/s/events?limit=2");
    EXPECT_EQ(page.status, 200);
    EXPECT_TRUE(page.has(R"("next":"2.2","head":{"position":2,"revision":2}})")) << page.body;
    page = ask(wait, "GET", "/v1/tenants/acme/streams/s/events?from=2.2");
    EXPECT_EQ(
        page.body,
        R"({"events":[{"stream":"s","revision":2,"position":2,"index":2,"subject":"p","subject_revision":0,)"
        R"("type":"c","data":2,"metadata":{"k":1.50},"id":"i","recorded_at":"2024-01-15T10:30:00.000000Z"}],)"
        R"("next":"3.0","head":{"position":2,"revision":2}})"
        "\n");
    page = ask(wait, "GET", "/v1/tenants/acme/streams/s/events?direction=backward&limit=1");
    EXPECT_TRUE(page.has(R"("revision":2)")) << page.body;
    page = ask(wait, "GET", "/v1/tenants/acme/streams/s/events?direction=backward&from=0");
    EXPECT_TRUE(page.has(R"("revision":0)")) << page.body;
    EXPECT_TRUE(page.has(R"("next":null)")) << page.body;
    page = ask(wait, "GET", "/v1/tenants/acme/events?from=2");
    EXPECT_TRUE(page.has(R"("head":{"position":2}})")) << page.body;
  });
}

TEST_F(Reads, LongPollAnswersWhenAnEventComes) {
  run([&](io::Wait& wait) {
    create_tenant(wait);
    const std::string path = "/v1/tenants/acme/streams/s/events";
    ask(wait, "POST", path, one_event);
    TestClient poller = connect(wait);
    poller.send("GET " + path + "?from=1&wait=30s HTTP/1.1\r\nHost: t\r\n\r\n");
    const Instant start = wait.now();
    ASSERT_TRUE(wait.sleep(3s));
    ask(wait, "POST", path, one_event);
    const Answer answer = poller.receive();
    EXPECT_TRUE(answer.has(R"("revision":1,"position":3)")) << answer.body;
    EXPECT_EQ(wait.now() - start, 3s);
    // Nothing comes: an empty page when the time is up.
    poller.send("GET " + path + "?from=2&wait=30s HTTP/1.1\r\nHost: t\r\n\r\n");
    EXPECT_TRUE(poller.receive().has(R"({"events":[],"next":"4.0")"));
    EXPECT_EQ(wait.now() - start, 33s);
  });
}

TEST_F(Reads, LongPollWaitsForAStreamAndForARevision) {
  run([&](io::Wait& wait) {
    create_tenant(wait);
    const std::string path = "/v1/tenants/acme/streams/s/events";
    EXPECT_EQ(ask(wait, "GET", path).status, 404);
    EXPECT_EQ(ask(wait, "GET", "/v1/tenants/nobody/streams/s/events?wait=1s").status, 404);
    EXPECT_TRUE(
        ask(wait, "GET", path + "?wait=1s").has(R"({"events":[],"next":"2.0","head":{"position":1}})"));
    TestClient poller = connect(wait);
    TestClient far_poller = connect(wait);
    TestClient end_poller = connect(wait);
    end_poller.send("GET " + path + "?from=end&wait=30s HTTP/1.1\r\nHost: t\r\n\r\n");
    poller.send("GET " + path + "?wait=30s HTTP/1.1\r\nHost: t\r\n\r\n");
    far_poller.send("GET " + path + "?from=1&wait=5s HTTP/1.1\r\nHost: t\r\n\r\n");
    ASSERT_TRUE(wait.sleep(3s));
    ask(wait, "POST", path, one_event);
    EXPECT_TRUE(poller.receive().has(R"("revision":0,"position":2)"));
    EXPECT_TRUE(end_poller.receive().has(R"("revision":0,"position":2)")) << "it came while it waited";
    const Answer far = far_poller.receive();
    EXPECT_TRUE(far.has(R"({"events":[],"next":"3.0")")) << far.body;
    EXPECT_TRUE(ask(wait, "GET", path + "?from=7").has(R"({"events":[],"next":"7")"));
  });
}

TEST_F(Subscriptions, WaitForAStreamAndForARevision) {
  run([&](io::Wait& wait) {
    create_tenant(wait);
    const std::string path = "/v1/tenants/acme/streams/s/";
    EXPECT_EQ(ask(wait, "GET", "/v1/tenants/nobody/streams/s/subscribe").status, 404);
    TestClient reader = connect(wait);
    TestClient far_reader = connect(wait);
    reader.send("GET " + path + "subscribe HTTP/1.1\r\nHost: t\r\n\r\n");
    far_reader.send("GET " + path + "subscribe?from=2 HTTP/1.1\r\nHost: t\r\n\r\n");
    for (TestClient* const each : {&reader, &far_reader}) {
      EXPECT_TRUE(each->receive().has("Content-Type: text/event-stream"));
      EXPECT_NE(each->receive_until("\n\n").find(": subscribed"), std::string::npos);
    }
    for (int i = 0; i < 3; ++i) {
      ASSERT_TRUE(wait.sleep(1s));
      ask(wait, "POST", path + "events", one_event);
    }
    EXPECT_NE(reader.receive_until("\n\n").find("id: 2.0\n"), std::string::npos);
    EXPECT_NE(far_reader.receive_until("\n\n").find("id: 4.0\n"), std::string::npos);
  });
}

TEST_F(Subscriptions, ReplayPastEventsThenFollow) {
  run([&](io::Wait& wait) {
    create_tenant(wait);
    const std::string path = "/v1/tenants/acme/streams/s/";
    ask(wait, "POST", path + "events",
        "[{\"type\":\"a\",\"data\":{\r\n\"x\":1}},{\"type\":\"b\",\"data\":2}]");
    TestClient reader = connect(wait);
    reader.send("GET " + path + "subscribe HTTP/1.1\r\nHost: t\r\n\r\n");
    EXPECT_TRUE(reader.receive().has("Content-Type: text/event-stream"));
    EXPECT_NE(reader.receive_until("\n\n").find(": subscribed"), std::string::npos);
    const std::string first = reader.receive_until("\n\n");
    EXPECT_NE(first.find("id: 2.0\nevent: a\ndata: {\"stream\":\"s\""), std::string::npos) << first;
    EXPECT_NE(first.find("\"data\":{ \ndata: \"x\":1}"), std::string::npos) << first;
    EXPECT_NE(reader.receive_until("\n\n").find("id: 2.1\n"), std::string::npos);
    ask(wait, "POST", path + "events", one_event);
    EXPECT_NE(reader.receive_until("\n\n").find("id: 3.0\n"), std::string::npos);
    // Silence is filled with comments.
    const Instant start = wait.now();
    EXPECT_NE(reader.receive_until("\n\n").find(": heartbeat"), std::string::npos);
    EXPECT_EQ(wait.now() - start, 15s);
  });
}

TEST_F(Subscriptions, ResumeBehindTheLastEventAndEndWithTheServer) {
  run([&](io::Wait& wait) {
    create_tenant(wait);
    ask(wait, "POST", "/v1/tenants/acme/streams/s/events",
        R"([{"type":"a","data":1},{"type":"b","data":2}])");
    TestClient reader = connect(wait);
    reader.send("GET /v1/tenants/acme/subscribe HTTP/1.1\r\nHost: t\r\nLast-Event-ID: 2.0\r\n\r\n");
    reader.receive();
    reader.receive_until("\n\n");
    EXPECT_NE(reader.receive_until("\n\n").find("id: 2.1\n"), std::string::npos);
    const Instant start = wait.now();
    server_->stop(wait);
    EXPECT_TRUE(reader.receive_all().ends_with("0\r\n\r\n"));
    EXPECT_EQ(wait.now(), start);
  });
}

TEST_F(Subscriptions, RefusalsBeforeTheFirstEventAreOrdinaryAnswers) {
  run([&](io::Wait& wait) {
    EXPECT_EQ(ask(wait, "GET", "/v1/tenants/nobody/subscribe").status, 404);
    create_tenant(wait);
    EXPECT_EQ(ask(wait, "GET", "/v1/tenants/acme/subscribe", "", "Last-Event-ID: seven\r\n").status, 400);
    EXPECT_EQ(ask(wait, "HEAD", "/v1/tenants/acme/subscribe").status, 405);
  });
}

TEST_F(BadInput, NamesPlaceAndWhatIsAllowed) {
  run([&](io::Wait& wait) {
    create_tenant(wait);
    const std::string path = "/v1/tenants/acme/streams/s/events";
    const auto expect = [&](const Answer& answer, int status, std::string_view text) {
      EXPECT_EQ(answer.status, status) << answer.body;
      EXPECT_TRUE(answer.has(text)) << answer.body << " lacks " << text;
    };
    expect(ask(wait, "GET", "/v2"), 404, "not_found");
    expect(ask(wait, "GET", "/v1/tenants/"), 404, "not_found");
    expect(ask(wait, "GET", "/v1/tenants/acme/"), 404, "not_found");
    expect(ask(wait, "PUT", path, "1"), 405, "Allow: POST, GET, HEAD");
    expect(ask(wait, "PATCH", path, "1"), 405, "Allow: POST, GET, HEAD");
    expect(ask(wait, "GET", "/v1/tenants/%zz"), 400, "two hexadecimal digits");
    expect(ask(wait, "POST", path, one_event, "Content-Type: text/plain\r\n"), 415,
           "allowed: application/json");
    expect(ask(wait, "POST", path, one_event, ""), 415, "there is no Content-Type");
    expect(ask(wait, "POST", path, R"([{"type":"a","data":1},{"type":"b"}])"), 400,
           "event 1: the key \\\"data\\\" is missing");
    expect(ask(wait, "POST", path, R"([{"type":"a","data":1},{"type":"b")"), 400, "invalid JSON at byte");
    expect(ask(wait, "POST", path, "[]"), 400, "no events");
    expect(ask(wait, "POST", path, "{\"type\":\"a\",\"data\":1}\n{oops}\n",
               "Content-Type: application/x-ndjson\r\n"),
           400, "line 2: invalid JSON");
    for (const char* revision : {"-1", "1.5", "99999999999999999999", "latest", ""}) {
      expect(ask(wait, "POST", path, one_event,
                 "Content-Type: application/json\r\nExpected-Revision: " + std::string(revision) + "\r\n"),
             400, "Expected-Revision");
    }
    expect(ask(wait, "POST", path, one_event,
               "Content-Type: application/json\r\nIdempotency-Key: " + std::string(256, 'k') + "\r\n"),
           400, "256 bytes; allowed: 1 to 255");
    for (const char* from :
         {"-1", "99999999999999999999", "1.", "1.2.3", "abc", "4294967296.4294967296", ""}) {
      expect(ask(wait, "GET", path + "?from=" + from), 400, "the query parameter from is");
    }
    for (const char* limit : {"0", "1001", "-5", "ten", "99999999999"}) {
      expect(ask(wait, "GET", path + "?limit=" + limit), 400, "allowed: 1 to 1000");
    }
    for (const char* patience : {"61s", "2m", "1h", "-1s", "s", "99999999999s", "1.5s"}) {
      expect(ask(wait, "GET", path + "?wait=" + patience), 400, "the query parameter wait is");
    }
    expect(ask(wait, "GET", path + "?direction=sideways"), 400, "forward, backward");
    expect(ask(wait, "GET", path + "?form=1"), 400, "unknown query parameter form");
    expect(ask(wait, "GET", path + "?from=1&from=2"), 400, "twice");
    EXPECT_TRUE(node_.events.empty());
  });
}

TEST_F(BadInput, RefusalsOfTheNodeHaveTheirStatus) {
  run([&](io::Wait& wait) {
    create_tenant(wait);
    const auto status_of = [&](node::Refusal refusal) {
      node_.refuse_next = std::move(refusal);
      return ask(wait, "POST", "/v1/tenants/acme/streams/s/events", one_event);
    };
    EXPECT_EQ(status_of({RefusalCode::invalid_request, "bad name"}).status, 400);
    EXPECT_EQ(status_of({RefusalCode::limit_exceeded, "max_record_size"}).status, 413);
    EXPECT_EQ(
        status_of({.code = RefusalCode::limit_exceeded, .detail = "too many", .limits_count = true}).status,
        422);
    EXPECT_EQ(status_of({RefusalCode::read_only, "read-only"}).status, 503);
    EXPECT_EQ(status_of({RefusalCode::not_ready, "starting"}).status, 503);
    EXPECT_EQ(status_of({RefusalCode::outcome_unknown, "?"}).status, 503);
    EXPECT_EQ(status_of({RefusalCode::out_of_space, "full"}).status, 507);
    EXPECT_EQ(status_of({RefusalCode::io_error, "broken"}).status, 503);
    node::Refusal busy{RefusalCode::overloaded, "queue full"};
    busy.retry_after = 1500ms;
    const Answer overloaded = status_of(busy);
    EXPECT_EQ(overloaded.status, 429);
    EXPECT_TRUE(overloaded.has("Retry-After: 2\r\n"));
    node::Refusal damaged{RefusalCode::damaged, "rot"};
    damaged.position = Position{17};
    const Answer answer = status_of(damaged);
    EXPECT_EQ(answer.status, 500);
    EXPECT_TRUE(answer.has(R"("code":"damaged","detail":"rot","position":17)")) << answer.body;
  });
}

TEST_F(BadInput, MalformedHttpIsAnsweredAndClosed) {
  run([&](io::Wait& wait) {
    for (const auto& [text, status] : std::vector<std::pair<std::string, int>>{
             {"nonsense\r\n\r\n", 400},
             {"GET /x HTTP/3.0\r\n\r\n", 505},
             {"GET /x HTTP/1.1\r\n\r\n", 400},
             {"GET /x HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400},
             {"GET /x HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n", 400},
             {"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: "
              "chunked\r\n\r\n0\r\n\r\n",
              400},
             {"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello", 400},
             {"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: -5\r\n\r\n", 400},
             {"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n", 400},
             {"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", 501},
             {"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n", 400},
             {"POST /x HTTP/1.1\r\nHost: a\r\nExpect: wonders\r\nContent-Length: 1\r\n\r\n", 417},
             {"GET /" + std::string(20'000, 'x') + " HTTP/1.1\r\nHost: a\r\n\r\n", 431},
             {"GET / HTTP/1.1\r\nHost: a\r\nX: " + std::string(17'000, 'x'), 431},
         }) {
      TestClient client = connect(wait);
      client.send(text);
      const Answer answer = client.receive();
      EXPECT_EQ(answer.status, status) << text.substr(0, 80) << answer.body;
      EXPECT_TRUE(answer.has("Connection: close")) << answer.head;
      EXPECT_TRUE(answer.has("application/problem+json")) << answer.head;
      client.finish_sending();
      EXPECT_TRUE(client.is_closed());
    }
  });
}

TEST_F(BadInput, BodiesOverTheLimit) {
  options_.batch_bytes_max = 64 * KiB;  // bodies: 144 KB
  run([&](io::Wait& wait) {
    create_tenant(wait);
    // Announced: refused before a byte of it is read, and without "100 Continue".
    TestClient client = connect(wait);
    client.send(
        "POST /v1/tenants/acme/streams/s/events HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
        "Content-Type: application/json\r\nContent-Length: 1000000\r\n\r\n");
    const Answer answer = client.receive();
    EXPECT_EQ(answer.status, 413);
    EXPECT_TRUE(answer.has("1000000 bytes is over the limit of 144 KB (max_batch_size")) << answer.body;
    // In chunks: refused once it is too much.
    TestClient chunked = connect(wait);
    chunked.send(
        "POST /v1/tenants/acme/streams/s/events HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    const std::string chunk = "8000\r\n" + std::string(0x8000, ' ') + "\r\n";
    for (int i = 0; i < 5; ++i) chunked.send(chunk);
    EXPECT_EQ(chunked.receive().status, 413);
  });
}

TEST_F(BadInput, OtherProtocolsAreToldSo) {
  run([&](io::Wait& wait) {
    TestClient tls = connect(wait);
    tls.send(std::string("\x16\x03\x01\x02\x00\x01", 6));
    EXPECT_NE(tls.receive_until("https://.\n").find("has no TLS"), std::string::npos);
    TestClient postgres = connect(wait);
    postgres.send(std::string("\0\0\0\x08\x04\xd2\x16\x2f", 8));
    postgres.finish_sending();
    const std::string answer = postgres.receive_all();
    EXPECT_TRUE(answer.starts_with("E")) << answer;
    EXPECT_NE(answer.find("0A000"), std::string::npos);
  });
}

TEST_F(Connections, KeepAliveAndPipelining) {
  run([&](io::Wait& wait) {
    create_tenant(wait);
    TestClient client = connect(wait);
    std::string requests;
    for (int i = 0; i < 20; ++i) {
      requests +=
          "POST /v1/tenants/acme/streams/s/events HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
          "Content-Length: " +
          std::to_string(one_event.size()) + "\r\n\r\n" + std::string(one_event);
    }
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
    busy.send(
        "POST /v1/tenants/acme/streams/s/events HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
        "Content-Length: " +
        std::to_string(one_event.size()) + "\r\n\r\n" + std::string(one_event));
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
    busy.send(
        "POST /v1/tenants/acme/streams/s/events HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
        "Content-Length: " +
        std::to_string(one_event.size()) + "\r\n\r\n" + std::string(one_event));
    ASSERT_TRUE(wait.sleep(1ms));
    const Instant start = wait.now();
    server_->stop(wait);
    EXPECT_EQ(wait.now() - start, 10s);
  });
}

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
