#include "engine/log/body.h"

#include "engine/log/varint.h"
#include "io/base/prng.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <deque>
#include <string>

namespace verity::log {
namespace {

// Keeps the text that a generated body looks at.
struct OwnedEvents {
  std::deque<std::string> texts;
  EventsBody body;

  std::string_view keep(std::string text) { return texts.emplace_back(std::move(text)); }
};

std::string some_name(std::size_t size_max = 12) {
  const auto size = *rc::gen::inRange<std::size_t>(1, size_max + 1);
  return *rc::gen::container<std::string>(size, rc::gen::arbitrary<char>());
}

OwnedEvents some_events() {
  OwnedEvents owned;
  auto& body = owned.body;
  if (*rc::gen::arbitrary<bool>()) {
    Sha256Digest digest;
    digest.bytes.fill(*rc::gen::arbitrary<std::uint8_t>());
    body.idempotency = BodyKey{owned.keep(some_name(255)), digest};
  }
  const auto stream_count = *rc::gen::inRange(1, 5);
  for (int s = 0; s < stream_count; ++s) {
    const auto first = *rc::gen::inRange<std::uint64_t>(0, std::uint64_t{1} << 60);
    body.add_stream(owned.keep(std::to_string(s) + some_name(200)), {first});
    const auto event_count = *rc::gen::inRange(1, 6);
    for (int e = 0; e < event_count; ++e) {
      BodyEvent event;
      event.type = owned.keep(some_name(255));
      event.data = owned.keep(*rc::gen::arbitrary<std::string>());
      if (*rc::gen::arbitrary<bool>()) event.id = owned.keep(some_name());
      if (*rc::gen::arbitrary<bool>()) {
        event.subject = owned.keep(some_name());
        event.subject_revision = {*rc::gen::arbitrary<std::uint64_t>()};
      }
      if (*rc::gen::arbitrary<bool>()) event.metadata = owned.keep(some_name());
      body.add_event(event);
    }
  }
  return owned;
}

Bytes encoded(const EventsBody& body) {
  Bytes out;
  encode(body, out);
  return out;
}

EventsBody one_event() {
  EventsBody body;
  body.add_stream("orders", {7});
  body.add_event({.type = "placed", .data = "{}"});
  return body;
}

std::string error_of(ByteView bytes) {
  EventsBody body;
  const auto status = decode(bytes, body);
  if (status) return "fine";
  EXPECT_EQ(status.error().code, ErrorCode::corrupt);
  return status.error().message;
}

RC_GTEST_PROP(Varint, RoundTripsInItsShortestForm, (std::uint64_t wide)) {
  const auto value = wide >> *rc::gen::inRange(0, 64);
  Bytes out;
  put_varint(out, value);
  RC_ASSERT(out.size() == varint_bytes(value));
  ByteView rest = out;
  RC_ASSERT(take_varint(rest) == value);
  RC_ASSERT(rest.empty());
  // Cut short: nothing.
  ByteView cut = ByteView(out).first(out.size() - 1);
  RC_ASSERT(!take_varint(cut));
}

TEST(Varint, RefusesLongerFormsAndOverflow) {
  for (const char* hex : {"8000", "ff00", "ffffffffffffffffff02", "80808080808080808080", ""}) {
    const auto bytes = from_hex(hex).value();
    ByteView rest = bytes;
    EXPECT_FALSE(take_varint(rest)) << hex;
    EXPECT_EQ(rest.size(), bytes.size());
  }
  const auto most = from_hex("ffffffffffffffffff01").value();
  ByteView rest = most;
  EXPECT_EQ(take_varint(rest), UINT64_MAX);
}

RC_GTEST_PROP(EventsBody, DecodesWhatItEncoded, ()) {
  const auto owned = some_events();
  const auto bytes = encoded(owned.body);
  RC_ASSERT(bytes.size() == encoded_bytes(owned.body));
  EventsBody decoded;
  RC_ASSERT(decode(bytes, decoded).has_value());
  RC_ASSERT(decoded == owned.body);
}

RC_GTEST_PROP(EventsBody, AcceptsOneFormOnly, ()) {
  // Whatever a flipped bit leads to, if it is accepted it is the encoding of what was read.
  auto bytes = encoded(some_events().body);
  const auto bit = *rc::gen::inRange<std::size_t>(0, bytes.size() * 8);
  bytes[bit / 8] ^= std::byte(1 << (bit % 8));
  EventsBody decoded;
  const auto status = decode(bytes, decoded);
  if (status) {
    RC_ASSERT(encoded(decoded) == bytes);
  } else {
    RC_ASSERT(status.error().code == ErrorCode::corrupt);
  }
}

RC_GTEST_PROP(EventsBody, RefusesEveryPrefix, ()) {
  const auto bytes = encoded(some_events().body);
  const auto size = *rc::gen::inRange<std::size_t>(0, bytes.size());
  EventsBody decoded;
  RC_ASSERT(!decode(ByteView(bytes).first(size), decoded).has_value());
}

TEST(EventsBody, HasThePublishedBytes) {
  EXPECT_EQ(to_hex(encoded(one_event())),
            "0100"
            "01"
            "066f7264657273"
            "07"
            "01"
            "00"
            "06706c61636564"
            "027b7d");
  auto body = one_event();
  body.clear();
  body.idempotency = BodyKey{.key = "k", .request_digest = {}};
  body.add_stream("s", {300});
  body.add_event(
      {.subject_revision = {5}, .type = "t", .id = "i", .subject = "u", .metadata = "1", .data = ""});
  EXPECT_EQ(to_hex(encoded(body)),
            "0101"
            "016b" +
                std::string(64, '0') +
                "01"
                "0173"
                "ac02"
                "01"
                "07"
                "0174"
                "0169"
                "0175"
                "05"
                "0131"
                "00");
}

TEST(EventsBody, CountsRevisionsFromTheStreamsFirst) {
  EventsBody body;
  body.add_stream("a", {10});
  body.add_event({.type = "t", .data = "1"});
  body.add_event({.type = "t", .data = "2"});
  body.add_stream("b", {0});
  body.add_event({.type = "t", .data = "3"});
  EventsBody decoded;
  const auto bytes = encoded(body);
  ASSERT_TRUE(decode(bytes, decoded));
  EXPECT_EQ(decoded.events[1].revision.value, 11u);
  EXPECT_EQ(decoded.events[2].stream, 1u);
  EXPECT_EQ(decoded.streams[0].last_revision().value, 11u);
  EXPECT_EQ(decoded.events_of(decoded.streams[1])[0].data, "3");
}

TEST(EventsBody, NamesOffsetFieldAndWhatIsAllowed) {
  auto bytes = encoded(one_event());
  auto changed = [&](std::size_t at, int value) {
    auto copy = bytes;
    copy[at] = std::byte(value);
    return error_of(copy);
  };
  EXPECT_EQ(error_of({}), "events body at 0: version needs 1 bytes, but only 0 are left");
  EXPECT_EQ(changed(0, 2), "events body at 0: version is 2, allowed is 1");
  EXPECT_EQ(changed(1, 2), "events body at 1: flags is 2, allowed are 0 to 1");
  EXPECT_EQ(changed(2, 0), "events body at 2: stream count is 0, allowed are 1 to 18446744073709551615");
  EXPECT_EQ(changed(3, 0), "events body at 3: stream name is 0 bytes long, allowed are 1 to 255");
  EXPECT_EQ(changed(3, 0x7f), "events body at 3: stream name is 127 bytes long, but only 19 are left");
  EXPECT_EQ(changed(11, 0), "events body at 11: event count is 0, allowed are 1 to 18446744073709551615");
  EXPECT_EQ(changed(11, 0x70), "events body at 11: event count is 112, but only 11 bytes are left");
  EXPECT_EQ(changed(12, 8), "events body at 12: event flags is 8, allowed are 0 to 7");
  bytes.push_back(std::byte{0});
  EXPECT_EQ(error_of(bytes), "events body at 23: 1 bytes follow the last field, allowed are none");
}

TEST(EventsBody, RefusesAStreamTwiceAndImpossibleRevisions) {
  const auto twice = from_hex(
                         "0100"
                         "02"
                         "0161"
                         "00"
                         "01"
                         "00"
                         "0174"
                         "00"
                         "0161"
                         "01"
                         "01"
                         "00"
                         "0174"
                         "00")
                         .value();
  EXPECT_EQ(error_of(twice), "events body at 19: stream 'a' stands there twice");
  const auto last = from_hex(
                        "0100"
                        "01"
                        "0161"
                        "ffffffffffffffffff01"
                        "01"
                        "00"
                        "0174"
                        "00")
                        .value();
  EXPECT_EQ(error_of(last), "events body at 15: event count 1 leads past the last revision there can be");
}

TEST(EventsBody, SurvivesArbitraryBytes) {
  Prng prng(20);
  EventsBody body;
  for (int i = 0; i < 20'000; ++i) {
    Bytes bytes(prng.below(64));
    prng.fill(bytes);
    if (bytes.size() > 1) bytes[0] = std::byte{1}, bytes[1] &= std::byte{1};
    if (decode(bytes, body)) {
      EXPECT_EQ(encoded(body), bytes);
    }
  }
}

TEST(TenantBody, RoundTripsAndRefuses) {
  Bytes bytes;
  encode(TenantBody{.action = TenantBody::Action::remove, .id = {300}, .name = "acme"}, bytes);
  EXPECT_EQ(to_hex(bytes), "0102ac020461636d65");
  TenantBody body;
  ASSERT_TRUE(decode(bytes, body));
  EXPECT_EQ(body, (TenantBody{.action = TenantBody::Action::remove, .id = {300}, .name = "acme"}));
  for (std::size_t size = 0; size < bytes.size(); ++size)
    EXPECT_FALSE(decode(ByteView(bytes).first(size), body));
  bytes[1] = std::byte{3};
  EXPECT_EQ(decode(bytes, body).error().message, "tenant body at 1: action is 3, allowed are 1 to 2");
  bytes[1] = std::byte{1};
  bytes.push_back(std::byte{});
  EXPECT_FALSE(decode(bytes, body));
}

TEST(FoundingBody, RoundTripsAndRefuses) {
  FoundingBody founding{
      .cluster_id = {}, .epoch = {}, .cluster_name = "verity", .members = {{{1}, {}}, {{3}, {}}}};
  founding.cluster_id.bytes.fill(0xaa);
  founding.epoch.bytes.fill(0xbb);
  founding.members[1].incarnation.bytes.fill(0xcc);
  Bytes bytes;
  encode(founding, bytes);
  FoundingBody body;
  ASSERT_TRUE(decode(bytes, body));
  EXPECT_EQ(body, founding);
  for (std::size_t size = 0; size < bytes.size(); ++size)
    EXPECT_FALSE(decode(ByteView(bytes).first(size), body));
  bytes[bytes.size() - 17] = std::byte{1};
  EXPECT_EQ(decode(bytes, body).error().message, "founding body at 58: node id 1 does not follow 1");
  bytes[bytes.size() - 17] = std::byte{8};
  EXPECT_EQ(decode(bytes, body).error().message, "founding body at 58: node id is 8, allowed are 1 to 7");
}

TEST(MembersBody, RoundTripsAndRefuses) {
  const MembersBody members{.seats = {{{{1}, {}}, ""}, {{{3}, {}}, "node3:7001"}}};
  Bytes bytes;
  encode(members, bytes);
  MembersBody body;
  ASSERT_TRUE(decode(bytes, body));
  EXPECT_EQ(body, members);
  for (std::size_t size = 0; size < bytes.size(); ++size)
    EXPECT_FALSE(decode(ByteView(bytes).first(size), body));
  bytes[20] = std::byte{1};
  EXPECT_EQ(decode(bytes, body).error().message, "members body at 20: node id 1 does not follow 1");
}

TEST(SettledBody, RoundTripsAndRefuses) {
  Bytes bytes;
  encode(SettledBody{Position{300}}, bytes);
  SettledBody body;
  ASSERT_TRUE(decode(bytes, body));
  EXPECT_EQ(body.change, Position{300});
  EXPECT_FALSE(decode(ByteView(bytes).first(2), body));
  const Bytes none{std::byte{1}, std::byte{0}};
  EXPECT_FALSE(decode(none, body));
}

TEST(ReleaseBody, RoundTripsAndRefuses) {
  Bytes bytes;
  encode(ReleaseBody{300}, bytes);
  ReleaseBody body;
  ASSERT_TRUE(decode(bytes, body));
  EXPECT_EQ(body.release, 300u);
  EXPECT_FALSE(decode(ByteView(bytes).first(2), body));
  const Bytes none{std::byte{1}, std::byte{0}};
  EXPECT_FALSE(decode(none, body));
}

}  // namespace
}  // namespace verity::log
