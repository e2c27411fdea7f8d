#include "net/client/pending.h"

#include "engine/node/forwarding_codec.h"

#include <gtest/gtest.h>

#include <vector>

namespace verity::client {
namespace {

using native::Type;
using node::Refusal;
using node::RefusalCode;

class PendingTest : public testing::Test {
 protected:
  static constexpr Id128 session{{9}};

  std::uint64_t append(std::string_view data) {
    const std::size_t index = told.size();
    told.emplace_back("nothing yet");
    return pending.add_append(
        {.tenant = "t", .streams = {{.stream = "s", .events = {{.type = "e", .data = data}}}}}, now + 10s,
        [this, index](node::Outcome<Bytes> outcome) {
          told[index] = outcome ? "done" : std::string(node::describe(outcome.error().code));
        });
  }

  // What is sent now, as one word each: "open", "1:a" (number and data), "1:a!" (a retry).
  std::vector<std::string> sent() {
    std::vector<std::string> words;
    while (const auto out = pending.next(now)) {
      const std::uint64_t tag = *ByteReader(out->payload).get<std::uint64_t>();
      last_tag = tag;
      if (out->type == Type::open_session) {
        words.emplace_back("open");
        continue;
      }
      const Bytes fields(out->payload.begin() + native::tag_bytes, out->payload.end());
      const auto request = node::decode_append(fields);
      if (!request) return {request.error().describe()};
      words.push_back(std::to_string(request->session->number) + ":" +
                      std::string(request->streams[0].events[0].data) +
                      (request->session->is_retry ? "!" : ""));
    }
    return words;
  }

  void answer(std::uint64_t tag, Type type, ByteView fields) {
    Bytes payload;
    put(payload, tag);
    put_bytes(payload, fields);
    EXPECT_TRUE(pending.answered(type, payload, now));
  }
  void opened(Id128 id = session) {
    answer(last_tag, Type::session, ByteView(std::as_bytes(std::span(&id, 1))));
  }
  void done(std::uint64_t tag, std::uint64_t position = 5) {
    answer(tag, Type::receipt,
           node::encode(
               node::AppendReceipt{.position = {position}, .streams = {}, .hash = {}, .recorded_at = {}}));
  }
  void refused(std::uint64_t tag, RefusalCode code) {
    answer(tag, Type::refusal, node::encode(Refusal{code, "because"}));
  }
  void connect(std::uint32_t requests_max = 100) {
    pending.connected({.node = {1},
                       .cluster_id = {},
                       .requests_max = requests_max,
                       .bytes_max = 1 * MiB,
                       .numbers_kept = 3});
  }
  void begin() {
    connect();
    EXPECT_EQ(sent(), std::vector<std::string>{"open"});
    opened();
  }

  Instant now{1'000'000};
  Pending pending{{}, 7};
  std::vector<std::string> told;
  std::uint64_t last_tag = 0;
};

using Words = std::vector<std::string>;

TEST_F(PendingTest, ASessionFirstThenEachAppendWithItsNumber) {
  const auto a = append("1");
  append("2");
  EXPECT_EQ(sent(), Words{});
  begin();
  EXPECT_EQ(sent(), (Words{"1:1", "2:2"}));
  done(a, 7);
  EXPECT_EQ(told, (Words{"done", "nothing yet"}));
  EXPECT_EQ(pending.seen(), Position{7});
}

TEST_F(PendingTest, WhatWasLostIsSentAgainAsARetryUnderItsNumber) {
  append("1");
  const auto b = append("2");
  begin();
  EXPECT_EQ(sent().size(), 2u);
  done(b);
  pending.disconnected();
  append("3");
  EXPECT_EQ(sent(), Words{});
  connect();
  EXPECT_EQ(sent(), (Words{"1:1!", "3:3"}));
  EXPECT_EQ(pending.retries(), 1u);
}

TEST_F(PendingTest, NoMoreNumbersThanTheServerRemembers) {
  const auto a = append("1");
  const auto b = append("2");
  append("3");
  append("4");
  begin();
  EXPECT_EQ(sent(), (Words{"1:1", "2:2", "3:3"}));
  done(b);
  EXPECT_EQ(sent(), Words{});  // 4 would let 1 be forgotten
  done(a);
  EXPECT_EQ(sent(), Words{"4:4"});
}

TEST_F(PendingTest, NoMoreUnderWayThanTheConnectionTakes) {
  for (int i = 0; i < 3; ++i) append("1");
  connect(2);
  EXPECT_EQ(sent(), Words{"open"});
  opened();
  EXPECT_EQ(sent().size(), 2u);
}

TEST_F(PendingTest, ARefusalForNowIsTriedAgainLater) {
  const auto a = append("1");
  begin();
  sent();
  refused(a, RefusalCode::not_leader);
  EXPECT_EQ(sent(), Words{});
  EXPECT_LE(pending.sends_at(), now + 5ms);
  now = now + 5ms;
  EXPECT_EQ(sent(), Words{"1:1"});  // that attempt has done nothing: no retry that matters
  refused(a, RefusalCode::outcome_unknown);
  now = now + 100ms;
  EXPECT_EQ(sent(), Words{"1:1!"});
  refused(a, RefusalCode::expectation_failed);
  EXPECT_EQ(told, Words{"expectation_failed"});
  EXPECT_EQ(pending.count(), 0u);
  EXPECT_EQ(pending.bytes(), 0u);
}

TEST_F(PendingTest, AfterALostSessionOnlyWhatWasCertainlyNotDoneIsSentAgain) {
  const auto a = append("1");
  const auto b = append("2");
  begin();
  sent();
  refused(a, RefusalCode::outcome_unknown);
  now = now + 1s;
  EXPECT_EQ(sent(), Words{"1:1!"});
  refused(a, RefusalCode::session_unknown);
  refused(b, RefusalCode::session_unknown);
  EXPECT_EQ(told, (Words{"outcome_unknown", "nothing yet"}));
  EXPECT_EQ(sent(), Words{"open"});
  opened(Id128{{10}});
  EXPECT_EQ(sent(), Words{"1:2"});
}

TEST_F(PendingTest, WhatHasItsNumberDoesNotWaitForANewSession) {
  const auto a = append("a");
  append("b");
  begin();
  EXPECT_EQ(sent(), (Words{"1:a", "2:b"}));
  refused(a, RefusalCode::session_unknown);
  pending.disconnected();
  connect();
  EXPECT_EQ(sent(), (Words{"2:b!", "open"}));
}

TEST_F(PendingTest, ReadsThatWaitLeaveRoom) {
  connect(4);
  const auto read = [&](Duration wait) {
    pending.add_read({{.tenant = "t"}, wait}, now + 10s, [](const node::Outcome<Bytes>&) {});
  };
  const auto sends = [&] {
    std::size_t count = 0;
    while (pending.next(now)) ++count;
    return count;
  };
  for (int i = 0; i < 10; ++i) read(1s);
  EXPECT_EQ(sends(), 3u);
  read({});
  EXPECT_EQ(sends(), 1u);
}

TEST_F(PendingTest, AtTheDeadlineItIsSaidWhatIsKnown) {
  append("1");
  const auto b = append("2");
  begin();
  sent();
  refused(b, RefusalCode::overloaded);
  append("3");
  pending.disconnected();
  EXPECT_EQ(pending.expires_at(), now + 10s);
  now = now + 10s;
  pending.expire(now);
  EXPECT_EQ(told, (Words{"outcome_unknown", "overloaded", "cancelled"}));
  EXPECT_EQ(pending.expires_at(), Instant::never());
}

TEST_F(PendingTest, AnotherNodeIsTriedWhenThisOneCannot) {
  const auto a = append("1");
  begin();
  sent();
  Bytes payload;
  put(payload, a);
  put_bytes(payload, node::encode(Refusal{RefusalCode::read_only, "damage"}));
  EXPECT_EQ(pending.answered(Type::refusal, payload, now).value(), Pending::Advice::move_on);
  for (int i = 0; i < 2; ++i) {
    now = now + 1s;
    EXPECT_EQ(sent(), Words{"1:1"});
    refused(a, RefusalCode::read_only);
  }
  EXPECT_EQ(told, Words{"read_only"});
}

TEST_F(PendingTest, WhatFitsNoFrameIsRefusedHere) {
  append("\"" + std::string(16 * MiB, 'x') + "\"");
  EXPECT_LE(pending.expires_at(), now);
  pending.expire(now);
  EXPECT_EQ(told, Words{"limit_exceeded"});
}

}  // namespace
}  // namespace verity::client
