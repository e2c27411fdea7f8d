#include "engine/log/segment.h"

#include <gtest/gtest.h>

namespace verity::log {
namespace {

SegmentHeader sample() {
  SegmentHeader header;
  header.block_bytes = 512;
  header.sequence = 3;
  header.first_position = Position{1200};
  header.size_bytes = 64 * MiB;
  return header;
}

TEST(Segment, HeaderSurvivesAnySingleFlippedBit) {
  Bytes block = encode_segment_header(sample());
  int damaged_copies = 0;
  for (std::size_t bit = 0; bit < block.size() * 8; ++bit) {
    block[bit / 8] ^= std::byte{1} << (bit % 8);
    const auto decoded = decode_segment_header(block);
    ASSERT_TRUE(decoded) << "bit " << bit;
    EXPECT_EQ(decoded->header.describe(), "segment 3 from position 1200");
    damaged_copies += decoded->one_copy_damaged ? 1 : 0;
    block[bit / 8] ^= std::byte{1} << (bit % 8);
  }
  EXPECT_EQ(damaged_copies, 2 * 112 * 8);  // exactly the bits of the two copies
}

TEST(Segment, SaysWhatIsWrong) {
  Bytes block(segment_header_bytes);
  EXPECT_EQ(decode_segment_header(block).error().code, ErrorCode::not_found);
  block[5] = std::byte{1};
  EXPECT_EQ(decode_segment_header(block).error().code, ErrorCode::corrupt);
  SegmentHeader future = sample();
  future.format = 2;
  EXPECT_EQ(decode_segment_header(encode_segment_header(future)).error().describe(),
            "unsupported: segment format 2; this release knows 1");
}

TEST(Segment, NamesHaveOneSpelling) {
  EXPECT_EQ(sealed_segment_name(7), "00000007.segment");
  EXPECT_EQ(sealed_segment_name(123456789), "123456789.segment");
  EXPECT_EQ(parse_sealed_segment_name("00000007.segment"), 7u);
  for (const char* name : {"7.segment", "000000007.segment", "current.segment", "next.segment",
                           "00000007.offsets", ".segment"}) {
    EXPECT_FALSE(parse_sealed_segment_name(name)) << name;
  }
}

}  // namespace
}  // namespace verity::log
