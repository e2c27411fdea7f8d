#include "engine/index/checkpoint.h"

#include "engine/log/memory_directory.h"
#include "io/base/prng.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace verity::index {
namespace {

using log::MemoryDirectory;
using log::StillWorld;

CheckpointInfo info_at(std::uint64_t position) {
  CheckpointInfo info;
  info.cluster_id.bytes.fill(7);
  for (std::uint64_t i = 0; i < position; ++i) info.tree.append(sha256({std::as_bytes(std::span(&i, 1))}));
  info.position = {position};
  info.recorded_at = {1'700'000'000'000'000'000};
  info.chain_hash = sha256({as_bytes("entry")});
  return info;
}

// Records of every size, up to several frames long.
std::vector<Bytes> some_records(std::uint64_t seed, std::size_t count) {
  Prng prng(seed);
  std::vector<Bytes> records;
  for (std::size_t i = 0; i < count; ++i) {
    records.emplace_back(prng.chance(1, 10) ? prng.below(700'000) : prng.below(100));
    prng.fill(records.back());
  }
  return records;
}

struct Contents {
  std::vector<Bytes> catalogue;
  std::vector<Bytes> streams;
  std::vector<Bytes> keys;

  bool operator==(const Contents&) const = default;
};

Contents contents_of(std::uint64_t seed) {
  return {some_records(seed, 1), some_records(seed + 1, 40), some_records(seed + 2, seed % 3)};
}

class CheckpointTest : public ::testing::Test {
 protected:
  Status write(const CheckpointInfo& info, const Contents& contents) {
    Status written = fail(ErrorCode::busy, "it suspends for ever");
    world_.loop.spawn("write", [&] { written = write_now(info, contents); });
    world_.loop.run_ready();
    return written;
  }
  Status write_now(const CheckpointInfo& info, const Contents& contents) {
    CheckpointWriter writer(world_.wait, info);
    VERITY_TRY(put(writer, Section::catalogue, contents.catalogue));
    VERITY_TRY(put(writer, Section::streams, contents.streams));
    VERITY_TRY(put(writer, Section::keys, contents.keys));
    VERITY_TRY(writer.write(directory_));
    return {};
  }

  CheckpointLoad load() {
    auto result = load_checkpoint(world_.wait, directory_, info_at(0).cluster_id,
                                  [&](CheckpointReader& reader) -> Status {
                                    loaded_ = {};
                                    VERITY_TRY(take(reader, Section::catalogue, loaded_.catalogue));
                                    VERITY_TRY(take(reader, Section::streams, loaded_.streams));
                                    return take(reader, Section::keys, loaded_.keys);
                                  });
    EXPECT_TRUE(result);
    return std::move(*result);
  }

  StillWorld world_;
  MemoryDirectory directory_;
  Contents loaded_;

 private:
  static Status put(CheckpointWriter& writer, Section section, const std::vector<Bytes>& records) {
    VERITY_TRY(writer.begin(section));
    for (const auto& record : records) VERITY_TRY(writer.put(record));
    return {};
  }
  static Status take(CheckpointReader& reader, Section section, std::vector<Bytes>& records) {
    VERITY_TRY(reader.enter(section));
    while (true) {
      VERITY_TRY_ASSIGN(const auto record, reader.take());
      if (!record) return {};
      records.emplace_back(record->begin(), record->end());
    }
  }
};

TEST_F(CheckpointTest, NothingThere) {
  EXPECT_FALSE(load().loaded);
  EXPECT_TRUE(load().bad.empty());
}

TEST_F(CheckpointTest, ReadsBackTheNewestAndKeepsTwo) {
  for (std::uint64_t n = 0; n < 5; ++n) {
    ASSERT_TRUE(write(info_at(n * 100), contents_of(n)));
    const auto read = load();
    EXPECT_EQ(read.loaded, info_at(n * 100));
    EXPECT_EQ(read.generation, n + 1);
    EXPECT_EQ(loaded_, contents_of(n));
    EXPECT_TRUE(read.bad.empty());
  }
  std::vector<std::string> names;
  for (const auto& [name, bytes] : directory_.files()) names.push_back(name);
  EXPECT_EQ(names, (std::vector<std::string>{"checkpoint.4", "checkpoint.5"}));
}

TEST_F(CheckpointTest, AnyFlippedBitLeadsToTheOneBefore) {
  ASSERT_TRUE(write(info_at(3), {{Bytes(20)}, some_records(9, 5), {}}));
  const auto before = load();
  const auto contents_before = loaded_;
  ASSERT_TRUE(write(info_at(7), {{Bytes(30)}, {Bytes(300)}, {Bytes(5)}}));
  auto& newest = *directory_.files()["checkpoint.2"];
  for (std::size_t bit = 0; bit < newest.size() * 8; ++bit) {
    newest[bit / 8] ^= std::byte(1 << (bit % 8));
    const auto read = load();
    ASSERT_EQ(read.loaded, before.loaded) << "bit " << bit;
    ASSERT_EQ(loaded_, contents_before);
    ASSERT_EQ(read.bad.size(), 1u);
    ASSERT_NE(read.bad[0].find("index/checkpoint.2"), std::string::npos) << read.bad[0];
    newest[bit / 8] ^= std::byte(1 << (bit % 8));
  }
  for (std::size_t size = 0; size < newest.size(); ++size) {
    const auto whole = newest;
    newest.resize(size);
    ASSERT_EQ(load().loaded, before.loaded) << "cut at " << size;
    newest = whole;
  }
  newest.push_back(std::byte{0});
  EXPECT_EQ(load().bad[0].find("corrupt: index/checkpoint.2 at "), 0u) << load().bad[0];
  newest.pop_back();
  EXPECT_EQ(load().generation, 2u);
}

TEST_F(CheckpointTest, FramesOfAnotherGenerationAreRecognised) {
  ASSERT_TRUE(write(info_at(3), contents_of(1)));
  ASSERT_TRUE(write(info_at(3), contents_of(1)));
  // A misdirected write: the older generation's bytes under the newer one's name.
  *directory_.files()["checkpoint.2"] = *directory_.files()["checkpoint.1"];
  const auto read = load();
  EXPECT_EQ(read.generation, 1u);
  ASSERT_EQ(read.bad.size(), 1u);
  EXPECT_EQ(read.bad[0],
            "corrupt: index/checkpoint.2 at 0: frame 0 of generation 1 where frame 0 of 2 belongs");
}

TEST_F(CheckpointTest, AnotherClustersIsPassedOver) {
  auto info = info_at(3);
  info.cluster_id.bytes.fill(8);
  ASSERT_TRUE(write(info, contents_of(1)));
  const auto read = load();
  EXPECT_FALSE(read.loaded);
  EXPECT_NE(read.bad.at(0).find("is of cluster 0808"), std::string::npos);
}

TEST_F(CheckpointTest, AFailureAtAnyStepLeavesTheOneBefore) {
  ASSERT_TRUE(write(info_at(3), contents_of(1)));
  directory_.heal();
  ASSERT_TRUE(write(info_at(4), contents_of(2)));
  const auto steps = directory_.operations();
  for (std::uint64_t step = 0; step < steps; ++step) {
    directory_.heal();
    const auto generation = load().generation;
    directory_.fail_at(step);
    const auto status = write(info_at(5), contents_of(3));
    directory_.heal();
    const auto read = load();
    ASSERT_TRUE(read.loaded) << step;
    EXPECT_TRUE(read.bad.empty());
    // The last steps are the sync of the directory, after which the new one is there, and the removal of old ones.
    EXPECT_TRUE(read.generation == generation || read.generation == generation + 1);
    if (status) {
      EXPECT_EQ(read.generation, generation + 1);
    }
    if (step == 0) {
      EXPECT_EQ(read.generation, generation);
    }
  }
}

TEST_F(CheckpointTest, OtherFilesAreLeftAlone) {
  directory_.files()["checkpoint.07"] = std::make_shared<Bytes>();
  directory_.files()["checkpoint."] = std::make_shared<Bytes>();
  directory_.files()["checkpoint.tmp"] = std::make_shared<Bytes>(Bytes(100));
  ASSERT_TRUE(write(info_at(3), contents_of(1)));
  EXPECT_EQ(load().generation, 1u);
  EXPECT_EQ(directory_.files().size(), 3u);
}

}  // namespace
}  // namespace verity::index
