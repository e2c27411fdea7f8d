#include "engine/log/entry.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace verity::log {
namespace {

EntryPtr sample(std::string_view body) {
  EntryHeader header;
  header.position = Position{42};
  header.tenant = TenantId{7};
  header.cluster_id.bytes[0] = 9;
  return Entry::make(header, as_bytes(body));
}

TEST(Entry, DecodesToWhatWasMade) {
  const EntryPtr entry = sample("{\"a\":1}");
  const Result<EntryPtr> decoded = Entry::decode(entry->bytes());
  ASSERT_TRUE(decoded);
  EXPECT_EQ((*decoded)->position(), Position{42});
  EXPECT_EQ(as_text((*decoded)->body()), "{\"a\":1}");
  EXPECT_EQ((*decoded)->hash(), entry->hash());
  EXPECT_TRUE(body_hash_matches(**decoded));
  EXPECT_EQ(entry->describe().substr(0, 36), "entry 42 events tenant=7 view=0 body");
}

// Golden value: the chain hash of an entry never changes, or no old log could be verified.
TEST(Entry, ChainHashIsFixedForEver) {
  EXPECT_EQ(sample("x")->hash().describe().substr(0, 16), "4640ab3754000e58");
}

TEST(Entry, NamesItsProposerSinceTheReleaseThatDoes) {
  const auto decodes = [](std::uint32_t release, std::uint16_t proposer) {
    EntryHeader header;
    header.release = release;
    header.proposer = proposer;
    return Entry::decode(Entry::make(header, as_bytes("{}"))->bytes()).has_value();
  };
  EXPECT_TRUE(decodes(1, 0));
  EXPECT_FALSE(decodes(1, 3)) << "a node writes what is not active";
  EXPECT_TRUE(decodes(2, 3));
  EXPECT_FALSE(decodes(2, 0));
}

TEST(Entry, EveryFlippedBitIsFound) {
  const EntryPtr entry = sample("some body");
  Bytes bytes(entry->bytes().begin(), entry->bytes().end());
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    bytes[bit / 8] ^= std::byte{1} << (bit % 8);
    EXPECT_FALSE(Entry::decode(bytes)) << "bit " << bit;
    bytes[bit / 8] ^= std::byte{1} << (bit % 8);
  }
}

RC_GTEST_PROP(Entry, NeverCrashesOnArbitraryBytes, (const std::vector<std::uint8_t>& bytes)) {
  RC_ASSERT(!Entry::decode(std::as_bytes(std::span(bytes))).has_value());
}

}  // namespace
}  // namespace verity::log
