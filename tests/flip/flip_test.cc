// A sample of what verity-flip does with every byte: one bit in each of a few hundred places, all files.
#include "tests/flip/flip.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace verity::flip {
namespace {

TEST(Flip, TheImageHasEveryKindOfFile) {
  const Image image = make_image();
  for (const auto* path :
       {"log/00000000.segment", "log/current.segment", "meta/state.json", "meta/state.copy.json"})
    EXPECT_TRUE(image.files.contains(path)) << path;
  EXPECT_GT(image.head, 100u);
}

TEST(Flip, AFlippedBitIsFoundOrHarmless) {
  const Image image = make_image();
  for (const auto& [path, content] : image.files) {
    // A prime step, so that every field of repeated structures gets its turn.
    const ByteCount step = std::max<ByteCount>(1, content.size() / 40) | 1;
    for (ByteCount offset = 0; offset < content.size(); offset += step) {
      const auto verdict = flip_and_look(image, path, offset, static_cast<unsigned>(offset % 8));
      EXPECT_NE(verdict.finding, Finding::wrong) << path << " at " << offset << ": " << verdict.words;
    }
  }
}

TEST(Flip, ABitOfAnAcknowledgedEventIsNamed) {
  const Image image = make_image();
  const auto& segment = image.files.at("log/00000000.segment");
  // The middle of a sealed segment is full of entries.
  const auto verdict = flip_and_look(image, "log/00000000.segment", segment.size() / 2, 3);
  EXPECT_TRUE(verdict.finding == Finding::named || verdict.finding == Finding::refused) << verdict.words;
  EXPECT_NE(verdict.words.find("00000000.segment"), std::string::npos) << verdict.words;
}

}  // namespace
}  // namespace verity::flip
