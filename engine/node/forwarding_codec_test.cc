#include "engine/node/forwarding_codec.h"

#include <gtest/gtest.h>

namespace verity::node {
namespace {

AppendRequest sample_request() {
  AppendRequest request{.tenant = "clinic",
                        .streams = {},
                        .idempotency = IdempotencyKey{"key", {}},
                        .session = SessionRequest{Id128{{7}}, 300, true}};
  request.idempotency->request_digest = sha256({as_bytes("body")});
  request.streams.push_back({.stream = "ward",
                             .expected = {Expectation::Kind::exact, Revision{41}},
                             .events = {{.type = "moved",
                                         .data = "{\"bed\":  7.0}",
                                         .metadata = "{}",
                                         .id = "i",
                                         .subject = "p-17",
                                         .subject_expected = {Expectation::Kind::none}},
                                        {.type = "left", .data = "null"}}});
  request.streams.push_back({.stream = "archive", .events = {{.type = "t", .data = "1"}}});
  return request;
}

Refusal sample_refusal() {
  Refusal refusal{.code = RefusalCode::expectation_failed, .detail = "no"};
  refusal.failed_expectations.push_back({"ward", "p-17", {Expectation::Kind::exists}, std::nullopt});
  refusal.failed_expectations.push_back({"ward", "", {Expectation::Kind::exact, Revision{3}}, Revision{9}});
  refusal.position = Position{7};
  refusal.limits_count = true;
  refusal.retry_after = 5s;
  refusal.leader = NodeId{3};
  return refusal;
}

TEST(ForwardingCodec, AnAppendArrivesAsItWas) {
  const AppendRequest request = sample_request();
  const Bytes bytes = encode(request);
  const Result<AppendRequest> got = decode_append(bytes);
  ASSERT_TRUE(got) << got.error().describe();
  EXPECT_EQ(encode(*got), bytes);
  EXPECT_EQ(got->tenant, "clinic");
  ASSERT_EQ(got->streams.size(), 2u);
  EXPECT_EQ(got->streams[0].expected, request.streams[0].expected);
  ASSERT_EQ(got->streams[0].events.size(), 2u);
  EXPECT_EQ(got->streams[0].events[0].data, "{\"bed\":  7.0}");
  EXPECT_EQ(got->streams[0].events[0].subject_expected.kind, Expectation::Kind::none);
  EXPECT_EQ(got->streams[1].events[0].type, "t");
  EXPECT_EQ(got->idempotency->key, "key");
  EXPECT_EQ(got->session->session, request.session->session);
  EXPECT_EQ(got->session->number, 300u);
  EXPECT_TRUE(got->session->is_retry);
  EXPECT_EQ(got->idempotency->request_digest, request.idempotency->request_digest);
}

TEST(ForwardingCodec, OutcomesArriveAsTheyWere) {
  AppendReceipt receipt{.position = Position{42},
                        .streams = {{"ward", Revision{1}, Revision{2}}},
                        .hash = sha256({as_bytes("entry")}),
                        .recorded_at = Timestamp{99},
                        .replayed = true};
  const Bytes receipt_bytes = encode(receipt);
  const Result<AppendReceipt> got = decode_receipt(receipt_bytes);
  ASSERT_TRUE(got);
  EXPECT_EQ(encode(*got), receipt_bytes);
  EXPECT_EQ(got->streams[0].last_revision, Revision{2});
  EXPECT_TRUE(got->replayed);

  const Result<Refusal> refusal = decode_refusal(encode(sample_refusal()));
  ASSERT_TRUE(refusal);
  EXPECT_EQ(encode(*refusal), encode(sample_refusal()));
  EXPECT_EQ(refusal->code, RefusalCode::expectation_failed);
  EXPECT_EQ(refusal->failed_expectations[1].actual, Revision{9});
  EXPECT_EQ(refusal->retry_after, Duration(5s));
  EXPECT_EQ(refusal->leader, NodeId{3});

  const TenantInfo info{TenantId{5}, "clinic", Timestamp{1}, Position{2}, 3, 4};
  const Result<TenantInfo> tenant = decode_tenant(encode(info));
  ASSERT_TRUE(tenant);
  EXPECT_EQ(encode(*tenant), encode(info));
  EXPECT_EQ(tenant->name, "clinic");
}

TEST(ForwardingCodec, ARefusalFitsAnAnswerWhateverItNames) {
  Refusal refusal{.code = RefusalCode::expectation_failed, .detail = std::string(17 * MiB, 'n')};
  refusal.detail.replace(refusal_text_bytes_max - 1, 2, "\u00e9");
  for (int i = 0; i < 30'000; ++i)
    refusal.failed_expectations.push_back({std::string(16'000, 's'), "", {}, std::nullopt});
  const Bytes bytes = encode(refusal);
  EXPECT_LT(bytes.size(), MiB);
  const Result<Refusal> got = decode_refusal(bytes);
  ASSERT_TRUE(got) << got.error().describe();
  EXPECT_EQ(got->detail, std::string(refusal_text_bytes_max - 1, 'n')) << "not within a character";
  EXPECT_EQ(got->failed_expectations.size(), failed_expectations_max);
}

TEST(ForwardingCodec, NoMoreEventsAreDecodedThanAreTaken) {
  AppendRequest request{.tenant = "t",
                        .streams = {{.stream = "s", .events = {}}, {.stream = "r", .events = {}}}};
  request.streams[0].events.resize(append_events_max);
  EXPECT_TRUE(decode_append(encode(request)));
  request.streams[1].events.resize(1);
  EXPECT_FALSE(decode_append(encode(request)));
}

TEST(ForwardingCodec, AReportNamesAState) {
  NodeReport report{"follower", View{3}, Position{9}, Position{8}, "127.0.0.1:7000"};
  const Result<NodeReport> got = decode_report(encode(report));
  ASSERT_TRUE(got);
  EXPECT_EQ(encode(*got), encode(report));
  report.state = "emperor";
  EXPECT_FALSE(decode_report(encode(report)));
}

TEST(ForwardingCodec, AQuestionForTheTimeComesBackInTheAnswer) {
  const auto question = decode_clock_question(encode(ClockQuestion{Instant{17}}));
  ASSERT_TRUE(question);
  EXPECT_EQ(question->sent, Instant{17});
  const Bytes encoded = encode(ClockAnswer{Instant{17}, Timestamp{-4}});
  const auto answer = decode_clock_answer(encoded);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->sent, Instant{17});
  EXPECT_EQ(answer->shows, Timestamp{-4});
  for (std::size_t size = 0; size < encoded.size(); ++size)
    EXPECT_FALSE(decode_clock_answer(ByteView(encoded).first(size))) << size;
}

TEST(ForwardingCodec, WhatIsCutOffOrOfAnotherVersionIsRefused) {
  const Bytes append = encode(sample_request());
  const Bytes refusal = encode(sample_refusal());
  for (std::size_t size = 0; size < append.size(); ++size)
    EXPECT_FALSE(decode_append(ByteView(append).first(size))) << size;
  for (std::size_t size = 0; size < refusal.size(); ++size)
    EXPECT_FALSE(decode_refusal(ByteView(refusal).first(size))) << size;
  Bytes longer = append;
  longer.push_back(std::byte{0});
  EXPECT_FALSE(decode_append(longer));
  Bytes later = append;
  later[0] = std::byte{2};
  EXPECT_FALSE(decode_append(later));
}

TEST(ForwardingCodec, ChangesOfMembersComeOutAsTheyWentIn) {
  const MembersChange change{.add = {{NodeId{2}, "node2:7001"}, {NodeId{3}, ""}}, .remove = {NodeId{5}}};
  const Bytes bytes = encode(change);
  const Result<MembersChange> decoded = decode_members_change(bytes);
  ASSERT_TRUE(decoded);
  EXPECT_EQ(decoded->add, change.add);
  EXPECT_EQ(decoded->remove, change.remove);
  for (std::size_t size = 0; size < bytes.size(); ++size)
    EXPECT_FALSE(decode_members_change(ByteView(bytes).first(size)));
  const MembersProgress progress{.done = true, .waits_for = "", .members = {NodeId{1}, NodeId{2}, NodeId{3}}};
  const Result<MembersProgress> told = decode_members_progress(encode(progress));
  ASSERT_TRUE(told);
  EXPECT_TRUE(told->done);
  EXPECT_EQ(told->members, progress.members);
}

}  // namespace
}  // namespace verity::node
