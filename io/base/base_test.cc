#include "io/base/aligned_buffer.h"
#include "io/base/bytes.h"
#include "io/base/ids.h"
#include "io/base/prng.h"
#include "io/base/result.h"
#include "io/base/units.h"

#include <gtest/gtest.h>

namespace verity {
namespace {

Result<int> halve(int n) {
  if (n % 2 != 0) return fail(ErrorCode::invalid_argument, "odd: " + std::to_string(n));
  return n / 2;
}

Result<int> quarter(int n) {
  VERITY_TRY_ASSIGN(const int half, halve(n));
  VERITY_TRY(halve(half));
  return half / 2;
}

TEST(Result, TryPassesValuesAndErrors) {
  EXPECT_EQ(quarter(8).value(), 2);
  EXPECT_EQ(quarter(6).error().describe(), "invalid_argument: odd: 3");
  EXPECT_EQ(quarter(7).error().message, "odd: 7");
}

TEST(Units, TimestampPrintsMicrosecondsUtc) {
  EXPECT_EQ(Timestamp{1705314600123456789}.describe(), "2024-01-15T10:30:00.123456Z");
  EXPECT_EQ(Timestamp{-1}.describe(), "1969-12-31T23:59:59.999999Z");
}

TEST(Units, BytesPrintInPowersOf1024) {
  EXPECT_EQ(describe_bytes(64 * MiB), "64 MB");
  EXPECT_EQ(describe_bytes(1536), "1.5 KB");
  EXPECT_EQ(describe_bytes(17), "17 B");
}

TEST(Bytes, HexRoundTripsAndRefusesNonsense) {
  EXPECT_EQ(to_hex(*from_hex("00ffA1")), "00ffa1");
  EXPECT_FALSE(from_hex("0"));
  EXPECT_FALSE(from_hex("0g"));
}

TEST(Bytes, ReaderNeverReadsPastItsEnd) {
  const Bytes bytes(3);
  ByteReader reader(bytes);
  EXPECT_TRUE(reader.get<std::uint16_t>());
  EXPECT_FALSE(reader.get<std::uint16_t>());
  EXPECT_TRUE(reader.failed());
  EXPECT_FALSE(reader.get<std::uint8_t>());
}

TEST(Bytes, AllZeroLooksAtEveryByte) {
  Bytes bytes(100);
  EXPECT_TRUE(is_all_zero(bytes));
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = std::byte{1};
    EXPECT_FALSE(is_all_zero(bytes)) << i;
    bytes[i] = std::byte{0};
  }
}

TEST(AlignedBuffer, IsAlignedZeroedAndKeepsContentsWhenResized) {
  AlignedBuffer buffer(5000);
  EXPECT_EQ(buffer.size(), 8192u);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(buffer.data()) % AlignedBuffer::alignment, 0u);
  EXPECT_TRUE(is_all_zero(buffer.view()));
  buffer.data()[4999] = std::byte{7};
  buffer.resize(20000);
  EXPECT_EQ(buffer.data()[4999], std::byte{7});
}

// Golden values: the numbers of a seed never change, or no old seed could be replayed.
TEST(Prng, NumbersOfASeedAreFixedForEver) {
  Prng prng(7);
  EXPECT_EQ(prng.next(), 0x0e2c1a002aae913dULL);
  Prng forked = prng.fork("disk");
  Prng again = Prng(7).fork("disk");
  EXPECT_EQ(forked.next(), again.next());
  EXPECT_NE(Prng(7).fork("disk").next(), Prng(7).fork("net").next());
}

TEST(Prng, BelowStaysBelowAndReachesEverything) {
  Prng prng(1);
  std::array<int, 10> seen{};
  for (int i = 0; i < 10000; ++i) ++seen[prng.below(10)];
  for (const int count : seen) EXPECT_GT(count, 800);
}

TEST(Prng, ExponentialHasAboutItsMean) {
  Prng prng(2);
  std::int64_t sum = 0;
  for (int i = 0; i < 20000; ++i) sum += prng.exponential(1ms).count();
  EXPECT_NEAR(static_cast<double>(sum) / 20000, 1e6, 1e5);
}

}  // namespace
}  // namespace verity
