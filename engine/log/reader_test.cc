#include "engine/log/reader.h"

#include "engine/log/moody_file.h"

namespace verity::log {
namespace {

struct ReaderTest : MoodySegment {
  // What the reader says of the one entry, and how often it cried damage.
  std::pair<bool, int> read(Mood mood, int lies) {
    SegmentTable table;
    table.segments.push_back({.header = header,
                              .end_position = Position{2},
                              .end_offset = segment_header_bytes + 5 * block,
                              .sealed = false});
    table.current_starts = {static_cast<std::uint32_t>(segment_header_bytes + flush_header_bytes)};
    table.current_reader = std::make_shared<MoodyFile>(bytes, mood, lies);
    MemoryDirectory directory;
    LogReader reader(directory, table, header.cluster_id, 0, true);
    int damages = 0;
    reader.on_damage = [&](const Damage&) { ++damages; };
    return {reader.read(wait, Position{1}).has_value(), damages};
  }
};

TEST_F(ReaderTest, WhatADeviceDeniesOnceIsReadAgain) {
  EXPECT_EQ(read(Mood::honest, 0), std::pair(true, 0));
  EXPECT_EQ(read(Mood::forgetful, 1), std::pair(true, 0));
  EXPECT_EQ(read(Mood::refusing, 1), std::pair(true, 0));
}

TEST_F(ReaderTest, WhatItDeniesTwiceIsDamage) {
  EXPECT_EQ(read(Mood::forgetful, 2), std::pair(false, 1));
  EXPECT_EQ(read(Mood::refusing, 2), std::pair(false, 1));
}

// Nobody knows where the last entry of a segment ends that was not truncated behind its seal.
TEST_F(ReaderTest, TheLastEntryOfALongFileTakesNoMoreMemoryThanItNeeds) {
  for (const std::size_t body_bytes : {std::size_t{1}, std::size_t{2000}, std::size_t{300'000}}) {
    EntryHeader entry_header;
    entry_header.position = Position{1};
    const EntryPtr entry = Entry::make(entry_header, as_bytes(std::string(body_bytes, 'x')));
    AlignedBuffer buffer;
    const ByteCount size =
        build_flush({.offset = segment_header_bytes, .block_bytes = block}, std::vector{entry}, buffer);
    Bytes file(8 * MiB);
    std::memcpy(file.data() + segment_header_bytes, buffer.data(), size);
    SegmentTable table;
    table.segments.push_back(
        {.header = header, .end_position = Position{2}, .end_offset = file.size(), .sealed = false});
    table.current_starts = {static_cast<std::uint32_t>(segment_header_bytes + flush_header_bytes)};
    const auto moody = std::make_shared<MoodyFile>(std::move(file), Mood::honest, 0);
    table.current_reader = moody;
    MemoryDirectory directory;
    LogReader reader(directory, table, header.cluster_id, 0, true);
    const auto read = reader.read(wait, Position{1});
    ASSERT_TRUE(read) << read.error().describe();
    EXPECT_EQ((*read)->hash(), entry->hash());
    EXPECT_LE(moody->largest_read, std::max<ByteCount>(entry->bytes().size(), 64 * KiB));
  }
}

}  // namespace
}  // namespace verity::log
