#include "engine/log/merkle_sidecar.h"

#include "engine/log/memory_directory.h"
#include "io/base/prng.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

namespace verity::log {
namespace {

Sha256Digest chain_hash_at(std::uint64_t position) {
  return sha256({as_bytes("entry"), std::as_bytes(std::span(&position, 1))});
}

Id128 cluster(std::uint8_t number) {
  Id128 id;
  id.bytes.fill(number);
  return id;
}

MerkleFrontier tree_of(std::uint64_t size) {
  MerkleFrontier tree;
  for (std::uint64_t i = 1; i <= size; ++i) tree.append(merkle_leaf(chain_hash_at(i)));
  return tree;
}

struct World : StillWorld {
  MemoryDirectory directory;
  MerkleFrontier tree;
  std::uint64_t leaves_read = 0;

  std::unique_ptr<MerkleSidecar> open(MerkleFrontier at, Id128 cluster_id = cluster(1)) {
    tree = std::move(at);
    auto opened = MerkleSidecar::open(wait, directory, cluster_id, tree,
                                      [this](io::Wait&, Position position) -> Result<Sha256Digest> {
                                        ++leaves_read;
                                        return chain_hash_at(position.value);
                                      });
    EXPECT_TRUE(opened);
    return std::move(*opened);
  }
  void grow_to(const MerkleSidecar& sidecar, std::uint64_t size) {
    while (tree.size() < size) tree.append(merkle_leaf(chain_hash_at(tree.size() + 1)), sidecar.on_node());
  }
  Bytes& file() { return *directory.files()["merkle.nodes"]; }
};

void expect_proofs(World& world, MerkleSidecar& sidecar, Prng& prng) {
  const auto n = world.tree.size();
  const auto root = world.tree.root();
  RC_ASSERT(root == tree_of(n).root());
  for (int i = 0; i < 6 && n > 0; ++i) {
    const auto size = 1 + prng.below(n);
    const Position position{1 + prng.below(size)};
    const auto size_root = sidecar.root(world.wait, size);
    RC_ASSERT(size_root.has_value());
    RC_ASSERT(*size_root == tree_of(size).root());
    const auto inclusion = sidecar.prove_inclusion(world.wait, position, size);
    RC_ASSERT(inclusion.has_value());
    RC_ASSERT(
        verify_inclusion(merkle_leaf(chain_hash_at(position.value)), *inclusion, *size_root).has_value());
    const auto consistency = sidecar.prove_consistency(world.wait, size, n);
    RC_ASSERT(consistency.has_value());
    RC_ASSERT(verify_consistency(*size_root, root, *consistency).has_value());
  }
}

RC_GTEST_PROP(MerkleSidecar, ProvesWhatWasAppendedWhereverTheNodesAre, (std::uint64_t seed)) {
  Prng prng(seed);
  World world;
  auto sidecar = world.open({});
  MerkleFrontier checkpoint;
  for (int step = 0; step < 30; ++step) {
    switch (prng.below(4)) {
      case 0:
        RC_ASSERT(sidecar->flush(world.wait).has_value());
        break;
      case 1:
        RC_ASSERT(sidecar->sync(world.wait).has_value());
        checkpoint = world.tree;
        break;
      case 2: {
        // A restart from the checkpoint; what was written after it is there, or not.
        const auto end = world.tree.size();
        sidecar = world.open(checkpoint);
        RC_ASSERT(sidecar->is_complete());
        world.grow_to(*sidecar, end);
        break;
      }
      default:
        world.grow_to(*sidecar, world.tree.size() + prng.below(60));
    }
    expect_proofs(world, *sidecar, prng);
  }
}

TEST(MerkleSidecar, TakesSixteenBytesAnEntry) {
  World world;
  auto sidecar = world.open({});
  world.grow_to(*sidecar, 4096);
  ASSERT_TRUE(sidecar->sync(world.wait));
  EXPECT_LE(world.file().size(), 4096u + 16 * 4096);
  EXPECT_EQ(sidecar->pending_bytes(), 0u);
}

TEST(MerkleSidecar, ReadsFewEntriesForAProof) {
  World world;
  auto sidecar = world.open({});
  world.grow_to(*sidecar, 5000);
  ASSERT_TRUE(sidecar->prove_inclusion(world.wait, {1234}, 5000));
  EXPECT_LE(world.leaves_read, 8u);
}

TEST(MerkleSidecar, AFlippedBitIsNeverHandedOutAndIsMended) {
  World world;
  auto sidecar = world.open({});
  world.grow_to(*sidecar, 77);
  ASSERT_TRUE(sidecar->sync(world.wait));
  const auto root = world.tree.root();
  for (std::size_t at = 4096; at < world.file().size(); at += 9) {
    world.file()[at] ^= std::byte{4};
    bool found = false;
    for (std::uint64_t position = 1; position <= 77; ++position) {
      const auto proof = sidecar->prove_inclusion(world.wait, {position}, 77);
      if (proof) {
        EXPECT_TRUE(verify_inclusion(merkle_leaf(chain_hash_at(position)), *proof, root));
        continue;
      }
      found = true;
      EXPECT_TRUE(proof.error().code == ErrorCode::corrupt || proof.error().code == ErrorCode::busy);
    }
    if (found) {
      EXPECT_FALSE(sidecar->is_complete());
      EXPECT_EQ(sidecar->prove_consistency(world.wait, 3, 77).error().code, ErrorCode::busy);
      ASSERT_TRUE(sidecar->rebuild(world.wait));
    } else {
      world.file()[at] ^= std::byte{4};
    }
    EXPECT_TRUE(sidecar->is_complete());
    EXPECT_TRUE(sidecar->prove_inclusion(world.wait, {5}, 77));
  }
}

TEST(MerkleSidecar, AFileThatIsNotOursIsBegunAnew) {
  const auto tree = tree_of(100);
  auto fresh = [&](World& world) {
    auto sidecar = world.open({});
    world.grow_to(*sidecar, 100);
    EXPECT_TRUE(sidecar->sync(world.wait));
  };
  struct Case {
    const char* what;
    std::function<void(World&)> spoil;
    Id128 cluster_id = cluster(1);
  };
  for (const auto& [what, spoil, cluster_id] : {
           Case{"missing", [](World& world) { world.directory.files().clear(); }},
           Case{"empty", [](World& world) { world.file().clear(); }},
           Case{"too short", [](World& world) { world.file().resize(world.file().size() - 1); }},
           Case{"header", [](World& world) { world.file()[3] ^= std::byte{1}; }},
           Case{"another peak", [](World& world) { world.file().back() ^= std::byte{1}; }},
           Case{"another cluster", [](World&) {}, cluster(2)},
       }) {
    World world;
    fresh(world);
    spoil(world);
    auto sidecar = world.open(tree, cluster_id);
    EXPECT_FALSE(sidecar->is_complete()) << what;
    world.grow_to(*sidecar, 130);
    EXPECT_FALSE(sidecar->prove_inclusion(world.wait, {5}, 130));
    EXPECT_TRUE(sidecar->root(world.wait, 130)) << "the root of now needs no nodes";
    // A crash before it is rebuilt: still known to be incomplete.
    ASSERT_TRUE(sidecar->flush(world.wait));
    const MerkleFrontier grown = world.tree;
    EXPECT_FALSE(world.open(tree, cluster_id)->is_complete()) << what;
    world.tree = grown;
    ASSERT_TRUE(sidecar->rebuild(world.wait)) << what;
    EXPECT_TRUE(sidecar->prove_inclusion(world.wait, {5}, 130));
    EXPECT_TRUE(world.open(tree, cluster_id)->is_complete()) << what;
  }
}

TEST(MerkleSidecar, WhatLiesBeyondTheCheckpointIsCut) {
  World world;
  auto sidecar = world.open({});
  world.grow_to(*sidecar, 500);
  ASSERT_TRUE(sidecar->flush(world.wait));
  sidecar = world.open(tree_of(100));
  EXPECT_TRUE(sidecar->is_complete());
  EXPECT_LE(world.file().size(), 4096u + 1600);
}

TEST(MerkleSidecar, AFailedWriteIsRememberedUntilItIsRebuilt) {
  World world;
  auto sidecar = world.open({});
  world.grow_to(*sidecar, 50);
  ASSERT_TRUE(sidecar->flush(world.wait));
  world.grow_to(*sidecar, 90);
  world.directory.heal();
  world.directory.fail_at(0);
  EXPECT_FALSE(sidecar->flush(world.wait));
  world.directory.heal();
  EXPECT_EQ(sidecar->pending_bytes(), 0u);
  EXPECT_EQ(sidecar->prove_inclusion(world.wait, {60}, 90).error().code, ErrorCode::busy);
  world.grow_to(*sidecar, 120);
  ASSERT_TRUE(sidecar->rebuild(world.wait));
  for (std::uint64_t position = 1; position <= 120; ++position) {
    EXPECT_TRUE(sidecar->prove_inclusion(world.wait, {position}, 120));
  }
}

TEST(MerkleSidecar, ALogThatLeadsElsewhereIsNoticed) {
  World world;
  const MerkleFrontier tree = tree_of(20);
  auto opened =
      MerkleSidecar::open(world.wait, world.directory, cluster(1), tree,
                          [](io::Wait&, Position) -> Result<Sha256Digest> { return Sha256Digest{}; });
  ASSERT_TRUE(opened);
  EXPECT_EQ((*opened)->rebuild(world.wait).error().code, ErrorCode::corrupt);
  EXPECT_FALSE((*opened)->is_complete());
}

}  // namespace
}  // namespace verity::log
