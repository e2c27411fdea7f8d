// The client against a server over a network in memory.
#include "net/client/client.h"

#include "engine/node/forwarding_codec.h"
#include "net/server/testing/server_fixture.h"

namespace verity::client {
namespace {

using node::RefusalCode;
using server::testing::ServerFixture;

class ClientTest : public ServerFixture {
 protected:
  // Runs `body` with a client that knows the server, and a dead address before it.
  void with_client(const std::function<void(io::Wait&, Client&)>& body) {
    run([&](io::Wait& wait) {
      create_tenant(wait);
      ClientOptions options;
      options.nodes = {{"nobody", 7000}, server_->address()};
      options.request_timeout = 5s;
      Client client(world_, options);
      client.start();
      body(wait, client);
      client.stop(wait);
    });
  }

  static node::AppendRequest one(std::string_view data, std::string_view tenant = "acme") {
    return {.tenant = tenant, .streams = {{.stream = "s", .events = {{.type = "t", .data = data}}}}};
  }
};

TEST_F(ClientTest, AppendsReadsAndWaits) {
  with_client([&](io::Wait& wait, Client& client) {
    const auto receipt = client.append(wait, one(R"({"n": 1.0})"));
    ASSERT_TRUE(receipt) << receipt.error().describe();
    EXPECT_EQ(receipt->streams[0].first_revision, Revision{0});
    EXPECT_EQ(client.connected_to(), NodeId{1});
    const auto page = client.read(wait, {.tenant = "acme", .stream = "s"});
    ASSERT_TRUE(page) << page.error().describe();
    ASSERT_EQ(page->events.size(), 1u);
    EXPECT_EQ(page->events[0].data, R"({"n": 1.0})");
    // Nothing there yet: it is waited for.
    loop_.spawn("later", [&] {
      io::Wait own(loop_);
      ASSERT_TRUE(own.sleep(10s));
      EXPECT_TRUE(client.append(own, one("2")));
    });
    const Instant asked = wait.now();
    const auto next = client.read(wait, {.tenant = "acme", .stream = "s", .from = *page->next}, 30s);
    ASSERT_TRUE(next) << next.error().describe();
    ASSERT_EQ(next->events.size(), 1u);
    EXPECT_EQ(next->events[0].data, "2");
    EXPECT_GE(wait.now() - asked, 10s);
  });
}

TEST_F(ClientTest, WhoWaitsAtTheEndMissesNothing) {
  with_client([&](io::Wait& wait, Client& client) {
    ASSERT_TRUE(client.append(wait, one("1")));
    loop_.spawn("later", [&] {
      io::Wait own(loop_);
      ASSERT_TRUE(own.sleep(10s));
      EXPECT_TRUE(client.append(own, one("2")));
    });
    const auto page = client.read(wait, {.tenant = "acme", .from = {.kind = node::ReadFrom::Kind::end}}, 30s);
    ASSERT_TRUE(page) << page.error().describe();
    ASSERT_EQ(page->events.size(), 1u);
    EXPECT_EQ(page->events[0].data, "2");
  });
}

TEST_F(ClientTest, ManyAtOnceOverOneConnection) {
  node_.append_delay = 1s;
  with_client([&](io::Wait& wait, Client& client) {
    std::size_t answered = 0;
    const Instant begun = wait.now();
    for (int i = 0; i < 100; ++i) {
      client.submit(one("1"), [&](const node::Outcome<node::AppendReceipt>& outcome) {
        EXPECT_TRUE(outcome);
        ++answered;
      });
    }
    while (answered < 100) ASSERT_TRUE(wait.sleep(10ms));
    EXPECT_LT(wait.now() - begun, 3s);
    EXPECT_EQ(client.connections(), 1u);
  });
}

TEST_F(ClientTest, RefusalsArriveWithWhatTheyName) {
  with_client([&](io::Wait& wait, Client& client) {
    node::AppendRequest request = one("1");
    request.streams[0].expected = {node::Expectation::Kind::exists};
    const auto refused = client.append(wait, request);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, RefusalCode::expectation_failed);
    ASSERT_EQ(refused.error().failed_expectations.size(), 1u);
    EXPECT_EQ(refused.error().failed_expectations[0].stream, "s");
    EXPECT_EQ(client.append(wait, one("1", "nobody")).error().code, RefusalCode::tenant_not_found);
    const auto fault = client.append(wait, one("{\"n\":}"));
    ASSERT_FALSE(fault);
    EXPECT_EQ(fault.error().code, RefusalCode::invalid_request);
    EXPECT_NE(fault.error().detail.find("stream 's', event 0: data"), std::string::npos);
    EXPECT_TRUE(node_.events.empty());
  });
}

TEST_F(ClientTest, WhatIsRefusedForNowIsTriedAgain) {
  with_client([&](io::Wait& wait, Client& client) {
    ASSERT_TRUE(client.append(wait, one("1")));
    node_.refuse_next = node::Refusal{RefusalCode::not_leader, "an election is under way"};
    EXPECT_TRUE(client.append(wait, one("2")));
    EXPECT_EQ(client.retries(), 1u);
    EXPECT_EQ(node_.events.size(), 2u);
  });
}

TEST_F(ClientTest, WithoutAnAnswerTheOutcomeIsNotKnown) {
  with_client([&](io::Wait& wait, Client& client) {
    node_.append_delay = 1h;
    const auto outcome = client.append(wait, one("1"));
    ASSERT_FALSE(outcome);
    EXPECT_EQ(outcome.error().code, RefusalCode::outcome_unknown);
    io::Wait soon = wait.within(1s);
    EXPECT_EQ(client.append(soon, one("1")).error().code, RefusalCode::outcome_unknown);
  });
}

TEST_F(ClientTest, AServerThatStopsAnswersWhatIsUnderWay) {
  node_.append_delay = 1s;
  with_client([&](io::Wait& wait, Client& client) {
    std::optional<bool> carried_out;
    ASSERT_TRUE(client.append(wait, one("1")));
    client.submit(one("2"), [&](const node::Outcome<node::AppendReceipt>& outcome) {
      carried_out = outcome.has_value();
    });
    ASSERT_TRUE(wait.sleep(100ms));
    server_->stop(wait);
    EXPECT_EQ(carried_out, true);
  });
}

// ---- what no client of ours sends

class RawNative : public ServerFixture {
 protected:
  static std::string frame_of(native::Type type, std::uint64_t sequence, ByteView payload) {
    Bytes bytes;
    frame::append_frame(bytes, {.type = static_cast<std::uint16_t>(type), .sequence = sequence}, payload);
    return std::string(as_text(bytes));
  }
  static std::string hello() { return frame_of(native::Type::hello, 0, native::encode(native::Hello{})); }
  // The request with its number as its tag.
  static std::string request_of(native::Type type, std::uint64_t sequence, ByteView fields) {
    Bytes payload;
    put(payload, sequence);
    put_bytes(payload, fields);
    return frame_of(type, sequence, payload);
  }
  static Bytes append_of(std::string_view stream, std::string_view data) {
    return node::encode(
        node::AppendRequest{.tenant = "acme", .streams = {{stream, {}, {{.type = "t", .data = data}}}}});
  }
  // The refusal of the connection that ends it, or the last of a request.
  node::Refusal answer_to(io::Wait& wait, std::string_view bytes) {
    auto client = connect(wait);
    EXPECT_TRUE(client.send(bytes));
    const std::string all = client.receive_all();
    frame::Decoder decoder;
    std::optional<node::Refusal> last;
    for (std::size_t at = 0; at < all.size();) {
      const MutableByteView room = decoder.room();
      const std::size_t count = std::min(room.size(), all.size() - at);
      std::memcpy(room.data(), all.data() + at, count);
      decoder.added(count);
      at += count;
      while (const auto frame = decoder.next().value()) {
        if (frame->head.type != static_cast<std::uint16_t>(native::Type::refusal)) continue;
        EXPECT_EQ(ByteReader(frame->payload).get<std::uint64_t>(), 0u);
        last = node::decode_refusal(frame->payload.subspan(native::tag_bytes)).value();
      }
    }
    return last.value_or(node::Refusal{RefusalCode::cancelled, "closed without a word"});
  }
};

TEST_F(RawNative, WhatMakesNoSenseEndsTheConnectionWithAReason) {
  run([&](io::Wait& wait) {
    const std::string hello = frame_of(native::Type::hello, 0, native::encode(native::Hello{}));
    EXPECT_NE(answer_to(wait, "VERSION-CONTROL / HTTP/1.1\r\n\r\n").detail.find("no frame begins with"),
              std::string::npos);
    EXPECT_EQ(answer_to(wait, frame_of(native::Type::append, 0, {})).detail,
              "the first message is not a hello");
    EXPECT_EQ(
        answer_to(wait, frame_of(native::Type::hello, 0, native::encode(native::Hello{2, 9, ""}))).detail,
        "this server speaks version 1 of the native protocol");
    EXPECT_EQ(answer_to(wait, hello + frame_of(native::Type::append, 1, {})).detail,
              "a request without its tag");
    const std::uint64_t tag = 1;
    EXPECT_EQ(
        answer_to(wait, hello + frame_of(native::Type::page, 1, std::as_bytes(std::span(&tag, 1)))).detail,
        "a message of type 35 does not belong here");
    EXPECT_NE(answer_to(wait, hello + hello).detail.find("frame number 0 where 1 comes next"),
              std::string::npos);
  });
}

TEST_F(RawNative, NoRefusalIsLargerThanAFrame) {
  options_.batch_bytes_max = 16 * MiB;
  run([&](io::Wait& wait) {
    const Bytes fields = append_of(std::string(frame::payload_bytes_limit - 64, 's'), "{");
    auto client = connect(wait);
    ASSERT_TRUE(client.send(hello() + request_of(native::Type::append, 1, fields)));
    EXPECT_NE(client.receive_until("event 0: data").find("stream 'sss"), std::string::npos);
  });
}

TEST_F(RawNative, WhatIsLargerThanABatchIsRefusedBeforeItIsDecoded) {
  options_.batch_bytes_max = 1 * MiB;
  run([&](io::Wait& wait) {
    auto client = connect(wait);
    ASSERT_TRUE(client.send(hello() + request_of(native::Type::append, 1, Bytes(2 * MiB))));
    EXPECT_NE(client.receive_until("are taken").find("the request has 2 MB"), std::string::npos);
  });
}

TEST_F(RawNative, AServerTakesNoMoreThanItHasStacksFor) {
  options_.native_requests_all_max = 3;
  node_.append_delay = 10s;
  run([&](io::Wait& wait) {
    create_tenant(wait);
    const Bytes fields = append_of("s", "1");
    const std::string two =
        hello() + request_of(native::Type::append, 1, fields) + request_of(native::Type::append, 2, fields);
    auto first = connect(wait);
    auto second = connect(wait);
    ASSERT_TRUE(first.send(two));
    ASSERT_TRUE(wait.sleep(1s));
    ASSERT_TRUE(second.send(two));
    const Instant begun = wait.now();
    second.receive_until("too much is under way");
    EXPECT_LT(wait.now() - begun, 1s);
    ASSERT_TRUE(wait.sleep(20s));
    EXPECT_EQ(node_.events.size(), 3u);
  });
}

TEST_F(RawNative, WhoLeadsIsAnsweredWhileNothingElseIsTaken) {
  options_.native_requests_max = 1;
  node_.append_delay = 10s;
  run([&](io::Wait& wait) {
    create_tenant(wait);
    auto client = connect(wait);
    ASSERT_TRUE(client.send(hello() + request_of(native::Type::append, 1, append_of("s", "1"))));
    client.receive_until(options_.client_address.describe());  // the welcome
    ASSERT_TRUE(client.send(request_of(native::Type::who_leads, 2, {})));
    const Instant begun = wait.now();
    client.receive_until(options_.client_address.describe());
    EXPECT_LT(wait.now() - begun, 1s);
  });
}

TEST_F(RawNative, AConnectionOpensOnlySoManySessions) {
  run([&](io::Wait& wait) {
    std::string flood = hello();
    for (std::uint64_t i = 1; i <= 65; ++i) flood += request_of(native::Type::open_session, i, {});
    EXPECT_EQ(answer_to(wait, flood).detail, "a connection opens at most 64 sessions");
  });
}

TEST_F(RawNative, BegunFramesAndPagesAskTheBudget) {
  options_.memory_bytes_max = 256 * KiB;
  run([&](io::Wait& wait) {
    create_tenant(wait);
    const std::string data = '"' + std::string(100 * KiB, 'x') + '"';
    auto client = connect(wait);
    ASSERT_TRUE(client.send(hello()));
    for (std::uint64_t i = 1; i <= 3; ++i) {
      ASSERT_TRUE(client.send(request_of(native::Type::append, i, append_of("s", data))));
      ASSERT_TRUE(wait.sleep(1s));
    }
    ASSERT_EQ(node_.events.size(), 3u);
    const Bytes read = native::encode(native::Read{{.tenant = "acme", .stream = "s"}, {}});
    ASSERT_TRUE(client.send(request_of(native::Type::read, 4, read)));
    client.receive_until("too much is under way");
    const std::string large = request_of(native::Type::append, 1, append_of("s", std::string(MiB, '1')));
    EXPECT_EQ(answer_to(wait, hello() + large.substr(0, 270 * KiB)).code, RefusalCode::overloaded);
    EXPECT_TRUE(ask(wait, "GET", "/metrics").has("verity_http_memory_bytes 0"));
  });
}

TEST_F(RawNative, AClientThatTakesNothingHoldsUpNoStop) {
  options_.write_idle_timeout = 1h;
  options_.stop_patience = 10s;
  run([&](io::Wait& wait) {
    create_tenant(wait);
    const std::string data = '"' + std::string(100 * KiB, 'x') + '"';
    auto client = connect(wait);
    ASSERT_TRUE(client.send(hello() + request_of(native::Type::append, 1, append_of("s", data))));
    ASSERT_TRUE(wait.sleep(1s));
    const Bytes read = native::encode(native::Read{{.tenant = "acme", .stream = "s"}, {}});
    for (std::uint64_t i = 2; i < 9; ++i) ASSERT_TRUE(client.send(request_of(native::Type::read, i, read)));
    ASSERT_TRUE(wait.sleep(1s));
    const Instant begun = wait.now();
    server_->stop(wait);
    EXPECT_LT(wait.now() - begun, 15s);
  });
}

// A client that sends and sends: what is under way stays bounded, the rest waits in its own socket.
TEST_F(RawNative, NoMoreIsTakenThanMayBeUnderWay) {
  options_.native_requests_max = 4;
  node_.append_delay = 15s;
  run([&](io::Wait& wait) {
    create_tenant(wait);
    std::string flood = frame_of(native::Type::hello, 0, native::encode(native::Hello{}));
    node::AppendRequest request{.tenant = "acme",
                                .streams = {{.stream = "s", .events = {{.type = "t", .data = "1"}}}}};
    for (std::uint64_t tag = 1; tag <= 20; ++tag) {
      Bytes payload;
      put(payload, tag);
      put_bytes(payload, node::encode(request));
      flood += frame_of(native::Type::append, tag, payload);
    }
    auto client = connect(wait);
    ASSERT_TRUE(client.send(flood));
    ASSERT_TRUE(wait.sleep(10s));
    EXPECT_EQ(server_->counters().native_requests, 4u);
    ASSERT_TRUE(wait.sleep(10s));
    EXPECT_EQ(server_->counters().native_requests, 8u);
  });
}

}  // namespace
}  // namespace verity::client
