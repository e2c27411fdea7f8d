#include "engine/log/segment_scanner.h"

#include "engine/log/moody_file.h"

namespace verity::log {
namespace {

struct ScannerTest : MoodySegment {
  // Entries found, and what stopped the scan.
  std::pair<std::size_t, Verdict> scan(Mood mood, int lies) {
    MoodyFile file(bytes, mood, lies);
    SegmentScanner scanner(file, header, file_bytes, Position{0});
    std::size_t entries = 0;
    while (true) {
      const auto step = scanner.next(wait);
      if (const auto* const stop = std::get_if<ScanStop>(&*step)) return {entries, stop->verdict};
      entries += std::get<ScannedFlush>(*step).entries.size();
    }
  }
};

TEST_F(ScannerTest, WhatADeviceDeniesOnceIsReadAgain) {
  EXPECT_EQ(scan(Mood::honest, 0), std::pair(std::size_t{1}, Verdict::end_of_log));
  EXPECT_EQ(scan(Mood::forgetful, 1), std::pair(std::size_t{1}, Verdict::end_of_log));
  // An error is answered by a smaller read at once.
  EXPECT_EQ(scan(Mood::refusing, 3), std::pair(std::size_t{1}, Verdict::end_of_log));
}

TEST_F(ScannerTest, WhatItDeniesAlwaysIsDamage) {
  EXPECT_EQ(scan(Mood::refusing, 1'000'000), std::pair(std::size_t{0}, Verdict::damaged));
}

}  // namespace
}  // namespace verity::log
