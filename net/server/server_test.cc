#include "net/server/testing/server_fixture.h"

namespace verity::server::testing {
namespace {

using node::RefusalCode;

class Appends : public ServerFixture {};
class Reads : public ServerFixture {};
class Subscriptions : public ServerFixture {};
class BadInput : public ServerFixture {};

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

}  // namespace
}  // namespace verity::server::testing
