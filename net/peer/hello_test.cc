#include "net/peer/hello.h"

#include "net/peer/testing/recorder.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace verity::peer::testing {
namespace {

Id128 any_id() {
  Id128 id;
  for (auto& byte : id.bytes) byte = *rc::gen::arbitrary<std::uint8_t>();
  return id;
}

RC_GTEST_PROP(HelloTest, ComesBackAsItWas, ()) {
  HelloFrame frame;
  frame.lane = *rc::gen::element(Lane::control, Lane::bulk);
  frame.number_from = *rc::gen::arbitrary<std::uint64_t>();
  Hello& hello = frame.hello;
  hello.identity = {NodeId{*rc::gen::arbitrary<std::uint64_t>()}, any_id(),
                    *rc::gen::arbitrary<std::uint64_t>(), any_id()};
  hello.protocol_min = *rc::gen::arbitrary<std::uint16_t>();
  hello.protocol_max = *rc::gen::arbitrary<std::uint16_t>();
  hello.cluster_name = *rc::gen::string<std::string>();
  hello.cluster_id = any_id();
  hello.epoch = any_id();
  hello.release = *rc::gen::arbitrary<std::uint32_t>();
  hello.oldest_release = *rc::gen::arbitrary<std::uint32_t>();
  hello.active_release = *rc::gen::arbitrary<std::uint32_t>();
  hello.activated_by = Position{*rc::gen::arbitrary<std::uint64_t>()};
  hello.address = *rc::gen::string<std::string>();
  const Bytes bytes = encode_hello(frame);
  const auto decoded = decode_hello(bytes);
  RC_ASSERT(decoded.has_value());
  RC_ASSERT(*decoded == frame);
}

TEST(HelloTest, EveryTruncationIsRefused) {
  const Bytes bytes = encode_hello({hello_of(2), Lane::bulk, 77});
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    const auto decoded = decode_hello(ByteView(bytes).first(size));
    ASSERT_FALSE(decoded) << size;
    EXPECT_EQ(decoded.error().code, ErrorCode::corrupt);
  }
  EXPECT_EQ(decode_hello(ByteView(bytes).first(20)).error().message,
            "a hello of 20 bytes ends inside the field at byte 12");
}

TEST(HelloTest, WhatALaterVersionAddsIsSkipped) {
  Bytes bytes = encode_hello({hello_of(2), Lane::bulk, 77});
  put_bytes(bytes, as_bytes("more"));
  const auto decoded = decode_hello(bytes);
  ASSERT_TRUE(decoded);
  EXPECT_EQ(decoded->hello, hello_of(2));
}

TEST(HelloTest, ALaneThatIsNotThereIsRefused) {
  HelloFrame frame{hello_of(2), Lane::bulk, 77};
  frame.lane = static_cast<Lane>(7);
  EXPECT_EQ(decode_hello(encode_hello(frame)).error().message, "a hello names lane 7");
}

TEST(RefusalTest, ComesBackAlsoWithACodeOfALaterVersion) {
  const Refusal refusal{static_cast<RefusalCode>(4711), NodeId{3}, "no reason that you know"};
  EXPECT_EQ(decode_refusal(encode_refusal(refusal)).value(), refusal);
  EXPECT_EQ(describe(refusal.code), "unknown");
  EXPECT_EQ(describe(RefusalCode::stopping), "stopping");
  EXPECT_FALSE(decode_refusal(as_bytes("short")));
}

TEST(PrintableTest, IsBoundedAndHasNoControlCharacters) {
  EXPECT_EQ(printable("a\nb\x1b[31m"), "a?b?[31m");
  EXPECT_EQ(printable("abcdef", 3), "abc...");
}

}  // namespace
}  // namespace verity::peer::testing
