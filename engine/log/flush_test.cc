#include "engine/log/flush.h"

#include "engine/log/checksum.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <bit>
#include <cstddef>
#include <cstring>

namespace verity::log {
namespace {

constexpr ByteCount block = 512;

struct Built {
  FlushHeader header;
  Bytes bytes;
  std::vector<std::uint32_t> starts;
};

Built build(const std::vector<std::string>& bodies) {
  std::vector<EntryPtr> entries;
  Sha256Digest parent;
  std::uint64_t position = 5;
  for (const std::string& body : bodies) {
    EntryHeader header;
    header.position = Position{position++};
    header.parent = parent;
    entries.push_back(Entry::make(header, as_bytes(body)));
    parent = entries.back()->hash();
  }
  Built built;
  AlignedBuffer buffer;
  const FlushPlace place{
      .segment = 3, .offset = 8192, .sequence = 17, .durable_mark = Position{4}, .block_bytes = block};
  const ByteCount size = build_flush(place, entries, buffer, &built.starts);
  EXPECT_EQ(size % block, 0u);
  built.bytes.assign(buffer.data(), buffer.data() + size);
  built.header = decode_flush_header(built.bytes).value();
  return built;
}

TEST(Flush, HoldsItsEntriesAndSaysWhere) {
  const Built built = build({"one", std::string(1000, 'x'), ""});
  EXPECT_EQ(built.header.describe(), "flush 17 entries at 8192 positions [5,8) length 1755 mark 4");
  EXPECT_EQ(inspect_flush(built.header, built.bytes, block), FlushState::intact);
  const auto entries = decode_flush_entries(built.header, built.bytes, Sha256Digest{});
  ASSERT_TRUE(entries) << entries.error().describe();
  ASSERT_EQ(entries->size(), 3u);
  EXPECT_EQ((*entries)[1]->position(), Position{6});
  EXPECT_EQ(built.starts,
            (std::vector<std::uint32_t>{8192 + 128, 8192 + 128 + 211, 8192 + 128 + 211 + 1208}));
}

TEST(Flush, AnotherParentBreaksTheChain) {
  const Built built = build({"one", "two"});
  const auto entries = decode_flush_entries(built.header, built.bytes, sha256({}));
  ASSERT_FALSE(entries);
  EXPECT_TRUE(entries.error().message.starts_with("entry 5: it does not continue the chain"))
      << entries.error().message;
}

// Bodies full of zeros and of single bits: the worst that tear detection can meet.
std::string sparse_body(std::size_t size) {
  std::string body(size, '\0');
  for (std::size_t i = 700; i < size; i += 1024) body[i] = '\x20';
  return body;
}

TEST(Flush, EverySubsetOfBlocksIsTornOrNothing) {
  for (const std::string& body : {std::string(3000, 'x'), std::string(3000, '\0'), sparse_body(3000)}) {
    const Built built = build({body});
    const auto blocks = static_cast<unsigned>(built.bytes.size() / block);
    for (std::uint32_t kept = 1; kept < (1u << blocks); kept += 2) {  // the first block is there
      Bytes torn = built.bytes;
      bool changed = false;
      for (unsigned i = 0; i < blocks; ++i) {
        if ((kept >> i & 1) != 0) continue;
        const MutableByteView missing = MutableByteView(torn).subspan(i * block, block);
        changed = changed || !is_all_zero(missing);
        std::fill(missing.begin(), missing.end(), std::byte{0});
      }
      const FlushState state = inspect_flush(built.header, torn, block);
      if (!changed) {
        EXPECT_EQ(state, FlushState::intact);
      } else if (body[700] != '\x20') {
        EXPECT_EQ(state, FlushState::missing) << "kept " << kept;
      } else {
        // A lost block of a single bit counts as damage: the safe side.
        EXPECT_NE(state, FlushState::intact) << "kept " << kept;
      }
    }
  }
}

TEST(Flush, NoFlippedBitLooksLikeATear) {
  for (const std::string& body :
       {std::string("x"), std::string(1500, '\0'), sparse_body(3000), std::string(265, '\x20')}) {
    const Built built = build({body});
    Bytes bytes = built.bytes;
    for (std::size_t bit = 0; bit < built.header.length * 8; ++bit) {
      bytes[bit / 8] ^= std::byte{1} << (bit % 8);
      const std::optional<FlushHeader> header = decode_flush_header(bytes);
      if (header) {
        EXPECT_EQ(inspect_flush(*header, bytes, block), FlushState::wrong) << "bit " << bit;
      } else {
        EXPECT_LT(bit / 8, flush_header_bytes);
        EXPECT_FALSE(is_all_zero(ByteView(bytes).first(block)));
      }
      bytes[bit / 8] ^= std::byte{1} << (bit % 8);
    }
  }
}

// A good checksum makes impossible numbers no better: nothing may be read, or asserted, by such a length.
TEST(Flush, AnImpossibleLengthIsNoHeader) {
  Bytes bytes = build({"one"}).bytes;
  for (const ByteCount length : {ByteCount{UINT64_MAX}, ByteCount{UINT64_MAX - 511}, ByteCount{1} << 40}) {
    FlushHeader header;
    std::memcpy(&header, bytes.data(), sizeof(header));
    header.length = length;
    header.header_checksum =
        checksum128(std::as_bytes(std::span(&header, 1)).first(offsetof(FlushHeader, header_checksum)));
    std::memcpy(bytes.data(), &header, sizeof(header));
    EXPECT_FALSE(decode_flush_header(bytes)) << length;
  }
}

TEST(Flush, MarksCarryTheHead) {
  AlignedBuffer buffer;
  const Sha256Digest head = sha256({as_bytes("head")});
  const ByteCount size = build_mark({.sequence = 9, .durable_mark = Position{8}, .block_bytes = 512},
                                    FlushKind::mark, Position{9}, head, buffer);
  EXPECT_EQ(size, 512u);
  const FlushHeader header = decode_flush_header(buffer.view()).value();
  EXPECT_EQ(header.describe(), "flush 9 mark at 0 positions [9,9) length 160 mark 8");
  EXPECT_EQ(decode_parent(header, buffer.view()), head);
}

RC_GTEST_PROP(Flush, AnyBodiesRoundTrip, (const std::vector<std::string>& bodies)) {
  RC_PRE(!bodies.empty());
  const Built built = build(bodies);
  RC_ASSERT(inspect_flush(built.header, built.bytes, block) == FlushState::intact);
  const auto entries = decode_flush_entries(built.header, built.bytes, Sha256Digest{});
  RC_ASSERT(entries.has_value());
  for (std::size_t i = 0; i < bodies.size(); ++i) RC_ASSERT(as_text((*entries)[i]->body()) == bodies[i]);
}

}  // namespace
}  // namespace verity::log
