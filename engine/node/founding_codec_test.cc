#include "engine/node/founding_codec.h"

#include <gtest/gtest.h>

namespace verity::node {
namespace {

using consensus::FoundingMessage;

Id128 id(std::uint8_t number) {
  Id128 id;
  id.bytes.fill(number);
  return id;
}
consensus::FoundingRecord record() {
  consensus::FoundingRecord record{id(1), id(2), {}, Timestamp{77}};
  for (std::uint8_t node = 1; node <= 3; ++node) record.members.add({NodeId{node}, id(node)});
  return record;
}
std::vector<FoundingMessage> samples() {
  return {consensus::FoundingAsk{id(9)}, consensus::FoundingNoMember{id(9)},
          consensus::FoundingOffer{id(9), record()}, consensus::FoundingAccepted{record()},
          consensus::FoundingMember{record()}};
}

TEST(FoundingCodec, EveryKindArrivesAsItWas) {
  const std::vector<FoundingMessage> all = samples();
  ASSERT_EQ(all.size(), std::variant_size_v<FoundingMessage>);
  for (std::size_t i = 0; i < all.size(); ++i) {
    ASSERT_EQ(all[i].index(), i);
    const PeerMessage encoded = encode(all[i]);
    EXPECT_TRUE(is_founding(encoded.type));
    const Result<FoundingMessage> got = decode_founding(encoded.type, encoded.head);
    ASSERT_TRUE(got) << got.error().describe();
    EXPECT_EQ(describe(*got), describe(all[i]));
    EXPECT_EQ(encode(*got).head, encoded.head);
  }
  const PeerMessage offer = encode(all[2]);
  EXPECT_EQ(std::get<consensus::FoundingOffer>(*decode_founding(offer.type, offer.head)).record, record());
}

TEST(FoundingCodec, WhatIsCutOffTooLongOrOfAnotherVersionIsRefused) {
  for (const FoundingMessage& message : samples()) {
    PeerMessage encoded = encode(message);
    for (std::size_t size = 0; size < encoded.head.size(); ++size)
      EXPECT_FALSE(decode_founding(encoded.type, ByteView(encoded.head).first(size))) << describe(message);
    encoded.head.push_back(std::byte{0});
    EXPECT_FALSE(decode_founding(encoded.type, encoded.head)) << describe(message);
    encoded.head.pop_back();
    encoded.head[0] = std::byte{2};
    const auto later = decode_founding(encoded.type, encoded.head);
    ASSERT_FALSE(later);
    EXPECT_EQ(later.error().code, ErrorCode::unsupported);
  }
  EXPECT_FALSE(is_founding(63));
  EXPECT_FALSE(is_founding(69));
  EXPECT_FALSE(decode_founding(69, encode(samples()[0]).head));
}

TEST(FoundingCodec, MembersThatCannotBeAreRefused) {
  const PeerMessage good = encode(samples()[3]);
  const std::size_t members = 2 + 16 + 16 + 8;
  ASSERT_EQ(good.head[members], std::byte{3});
  const auto with = [&](std::size_t place, std::uint8_t value) {
    Bytes bytes = good.head;
    bytes[place] = std::byte{value};
    return decode_founding(good.type, bytes).has_value();
  };
  EXPECT_TRUE(with(members + 1, 1)) << "as it was";
  EXPECT_FALSE(with(members + 1, 0));
  EXPECT_FALSE(with(members + 1, 8));
  EXPECT_FALSE(with(members + 1, 2)) << "that one is there already";
  EXPECT_FALSE(with(members, 0));
}

}  // namespace
}  // namespace verity::node
