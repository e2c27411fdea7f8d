#include "net/frame/frame.h"

#include "io/base/prng.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <string>
#include <vector>

namespace verity::frame {
namespace {

using ::testing::HasSubstr;

struct Got {
  Head head;
  std::string payload;

  bool operator==(const Got&) const = default;
};

struct Outcome {
  std::vector<Got> frames;
  std::optional<Error> error;  // of the bytes, or of where they end
};

// Feeds the stream in pieces of at most `piece` bytes.
Outcome decode(ByteView stream, std::size_t piece, ByteCount payload_bytes_max = payload_bytes_limit) {
  Decoder decoder(payload_bytes_max);
  Outcome outcome;
  while (true) {
    auto frame = decoder.next();
    if (!frame) {
      outcome.error = frame.error();
      EXPECT_EQ(decoder.next().error().message, frame.error().message) << "the first error stays";
      return outcome;
    }
    if (*frame) {
      outcome.frames.push_back({(*frame)->head, std::string(as_text((*frame)->payload))});
      continue;
    }
    if (stream.empty()) break;
    const MutableByteView room = decoder.room();
    EXPECT_FALSE(room.empty());
    const ByteView part = stream.first(std::min({piece, stream.size(), room.size()}));
    std::ranges::copy(part, room.begin());
    decoder.added(part.size());
    stream = stream.subspan(part.size());
  }
  if (auto ended = decoder.check_end(); !ended) outcome.error = ended.error();
  return outcome;
}

Bytes one_frame(std::string_view payload, Head head = {1, 20, 0}) {
  Bytes bytes;
  append_frame(bytes, head, as_bytes(payload));
  return bytes;
}

RC_GTEST_PROP(FrameTest, WhatIsEncodedIsDecodedHoweverTheBytesArrive, ()) {
  const auto payloads = *rc::gen::container<std::vector<std::string>>(rc::gen::string<std::string>());
  const auto piece = *rc::gen::inRange<std::size_t>(1, 200);
  Bytes stream;
  std::vector<Got> sent;
  for (const std::string& payload : payloads) {
    const Head head{*rc::gen::arbitrary<std::uint8_t>(), *rc::gen::arbitrary<std::uint16_t>(), sent.size()};
    append_frame(stream, head, as_bytes(payload));
    sent.push_back({head, payload});
  }
  const Outcome outcome = decode(stream, piece);
  RC_ASSERT(outcome.frames == sent);
  RC_ASSERT(!outcome.error.has_value());
}

RC_GTEST_PROP(FrameTest, PartsMakeTheSameFrameAsOnePiece, ()) {
  const auto parts = *rc::gen::container<std::vector<std::string>>(rc::gen::string<std::string>());
  std::vector<ByteView> views;
  std::string whole;
  for (const std::string& part : parts) {
    views.push_back(as_bytes(part));
    whole += part;
  }
  const ByteView all = as_bytes(whole);
  RC_ASSERT(encode_header({1, 2, 3}, views) == encode_header({1, 2, 3}, std::span(&all, 1)));
}

RC_GTEST_PROP(FrameTest, AnyBytesAreJudgedTheSameHoweverTheyArrive, ()) {
  const auto garbage = *rc::gen::container<std::vector<std::uint8_t>>(rc::gen::arbitrary<std::uint8_t>());
  Bytes stream;
  if (*rc::gen::arbitrary<bool>()) stream = one_frame("before");
  put_bytes(stream, std::as_bytes(std::span(garbage)));
  const Outcome whole = decode(stream, stream.size() + 1);
  const Outcome pieces = decode(stream, *rc::gen::inRange<std::size_t>(1, 50));
  RC_ASSERT(whole.frames == pieces.frames);
  RC_ASSERT(whole.error.has_value() == pieces.error.has_value());
  if (whole.error) RC_ASSERT(whole.error->code == pieces.error->code);
}

TEST(FrameTest, EverySingleBitFlipIsNoticed) {
  const Bytes intact = one_frame("a payload of 27 bytes, flip");
  ASSERT_EQ(decode(intact, 1000).frames.size(), 1u);
  for (std::size_t bit = 0; bit < intact.size() * 8; ++bit) {
    Bytes flipped = intact;
    flipped[bit / 8] ^= static_cast<std::byte>(1u << bit % 8);
    const Outcome outcome = decode(flipped, 1000);
    EXPECT_TRUE(outcome.frames.empty()) << "bit " << bit;
    EXPECT_TRUE(outcome.error.has_value()) << "bit " << bit;
  }
}

TEST(FrameTest, EveryTruncationIsNoticedAndNamed) {
  Bytes stream = one_frame("first");
  const std::size_t first = stream.size();
  append_frame(stream, {1, 20, 1}, as_bytes("second"));
  for (std::size_t size = 0; size < stream.size(); ++size) {
    const Outcome outcome = decode(ByteView(stream).first(size), 7);
    EXPECT_EQ(outcome.frames.size(), size < first ? 0u : 1u);
    EXPECT_EQ(outcome.error.has_value(), size != 0 && size != first) << size;
    if (outcome.error) {
      EXPECT_EQ(outcome.error->describe(), "corrupt: byte " + std::to_string(size) +
                                               ": the stream ends inside the frame that begins at byte " +
                                               std::to_string(size < first ? 0 : first));
    }
  }
}

TEST(FrameTest, AnotherVersionIsRefusedByName) {
  Bytes stream = one_frame("first");
  Bytes later = one_frame("second", {1, 20, 1});
  later[4] = std::byte{9};
  put_bytes(stream, ByteView(later).first(5));  // the rest may have another form: it is not waited for
  const Outcome outcome = decode(stream, 3);
  EXPECT_EQ(outcome.frames.size(), 1u);
  ASSERT_TRUE(outcome.error);
  EXPECT_EQ(outcome.error->describe(), "unsupported: byte 49: frame version 9, this node speaks version 1");
}

TEST(FrameTest, GarbageIsNamedAtItsFirstByte) {
  const Outcome outcome = decode(as_bytes("GET / HTTP/1.1"), 1);
  ASSERT_TRUE(outcome.error);
  EXPECT_EQ(outcome.error->describe(), "corrupt: byte 0: no frame begins with 47, it would be 56");
}

TEST(FrameTest, TooLargeIsRefusedBeforeItIsReceived) {
  const Bytes frame = one_frame(std::string(1001, 'x'));
  EXPECT_EQ(decode(frame, 64, 1001).frames.size(), 1u);
  const Outcome outcome = decode(ByteView(frame).first(header_bytes), 64, 1000);
  ASSERT_TRUE(outcome.error);
  EXPECT_EQ(outcome.error->describe(), "limit_exceeded: byte 8: payload of 1001 bytes, the limit is 1000");
}

TEST(FrameTest, TheLargestFrameFits) {
  const std::string payload(payload_bytes_limit, 'x');
  const Outcome outcome = decode(one_frame(payload), 70'000);
  ASSERT_EQ(outcome.frames.size(), 1u);
  EXPECT_TRUE(outcome.frames[0].payload == payload);
}

TEST(FrameTest, AReplayedOrMissingFrameIsNoticed) {
  for (const std::uint64_t sequence : {0u, 2u}) {
    Bytes stream = one_frame("first");
    append_frame(stream, {1, 20, sequence}, as_bytes("again"));
    const Outcome outcome = decode(stream, 1000);
    EXPECT_EQ(outcome.frames.size(), 1u);
    ASSERT_TRUE(outcome.error);
    EXPECT_THAT(outcome.error->describe(),
                HasSubstr("byte 61: frame number " + std::to_string(sequence) + " where 1 comes next"));
  }
}

TEST(FrameTest, TheSequenceWrapsAround) {
  Decoder decoder;
  decoder.expect_sequence(UINT64_MAX);
  Bytes stream;
  append_frame(stream, {0, 16, UINT64_MAX}, {});
  append_frame(stream, {0, 16, 0}, {});
  std::ranges::copy(stream, decoder.room().begin());
  decoder.added(stream.size());
  EXPECT_TRUE(decoder.next().value().has_value());
  EXPECT_TRUE(decoder.next().value().has_value());
}

TEST(FrameTest, ALiarAboutItsSizeTakesNoMemory) {
  Bytes header = one_frame(std::string(payload_bytes_limit, 'x'));
  header.resize(header_bytes + 1);
  Decoder decoder;
  std::ranges::copy(header, decoder.room().begin());
  decoder.added(header.size());
  ASSERT_TRUE(decoder.next());
  EXPECT_LE(decoder.room().size(), 2 * MiB);
}

}  // namespace
}  // namespace verity::frame
