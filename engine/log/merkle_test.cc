#include "engine/log/merkle.h"

#include "io/base/prng.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <span>
#include <vector>

namespace verity::log {
namespace {

using Leaves = std::span<const Sha256Digest>;

Sha256Digest leaf(std::uint64_t i) {
  return merkle_leaf(sha256({std::as_bytes(std::span(&i, 1))}));
}

std::vector<Sha256Digest> some_leaves(std::uint64_t count) {
  std::vector<Sha256Digest> leaves;
  for (std::uint64_t i = 0; i < count; ++i) leaves.push_back(leaf(i));
  return leaves;
}

std::size_t naive_split(std::size_t n) {
  std::size_t k = 1;
  while (k * 2 < n) k *= 2;
  return k;
}

// The definitions of RFC 9162, 2.1, word by word.
Sha256Digest naive_root(Leaves d) {
  if (d.empty()) return sha256({});
  if (d.size() == 1) return d[0];
  const auto k = naive_split(d.size());
  const auto left = naive_root(d.first(k));
  const auto right = naive_root(d.subspan(k));
  Bytes bytes{std::byte{1}};
  put_bytes(bytes, left.view());
  put_bytes(bytes, right.view());
  return sha256({bytes});
}

std::vector<Sha256Digest> naive_path(std::size_t m, Leaves d) {
  if (d.size() == 1) return {};
  const auto k = naive_split(d.size());
  auto path = m < k ? naive_path(m, d.first(k)) : naive_path(m - k, d.subspan(k));
  path.push_back(m < k ? naive_root(d.subspan(k)) : naive_root(d.first(k)));
  return path;
}

std::vector<Sha256Digest> naive_subproof(std::size_t m, Leaves d, bool b) {
  if (m == d.size()) return b ? std::vector<Sha256Digest>{} : std::vector{naive_root(d)};
  const auto k = naive_split(d.size());
  auto path = m <= k ? naive_subproof(m, d.first(k), b) : naive_subproof(m - k, d.subspan(k), false);
  path.push_back(m <= k ? naive_root(d.subspan(k)) : naive_root(d.first(k)));
  return path;
}

MerkleNodeSource nodes_of(Leaves leaves) {
  return [leaves](unsigned level, std::uint64_t index) -> Result<Sha256Digest> {
    const auto count = std::uint64_t{1} << level;
    EXPECT_LE((index + 1) * count, leaves.size()) << "asked for a node that does not exist yet";
    return naive_root(leaves.subspan(index * count, count));
  };
}

TEST(Merkle, HashesAreDomainSeparated) {
  EXPECT_EQ(merkle_empty_root().describe(),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  const Sha256Digest zero{};
  EXPECT_NE(merkle_leaf(zero), sha256({zero.view()}));
  EXPECT_NE(merkle_node(zero, zero), sha256({zero.view(), zero.view()}));
}

TEST(Merkle, AgreesWithTheNaiveModelForEverySmallTree) {
  const auto leaves = some_leaves(131);
  MerkleFrontier frontier;
  for (std::size_t n = 0; n <= leaves.size(); ++n) {
    const auto tree = Leaves(leaves).first(n);
    const auto root = naive_root(tree);
    ASSERT_EQ(frontier.root(), root) << n;
    ASSERT_EQ(merkle_root(n, nodes_of(tree)).value(), root);
    for (std::size_t m = 0; m < n; ++m) {
      const auto proof = prove_inclusion(m, n, nodes_of(tree));
      ASSERT_TRUE(proof);
      ASSERT_EQ(proof->path, naive_path(m, tree)) << m << " of " << n;
      ASSERT_TRUE(verify_inclusion(leaves[m], *proof, root));
      ASSERT_FALSE(verify_inclusion(leaves[m + 1 < leaves.size() ? m + 1 : 0], *proof, root));
    }
    for (std::size_t m = 0; m <= n; ++m) {
      const auto proof = prove_consistency(m, n, nodes_of(tree));
      ASSERT_TRUE(proof);
      const auto old_root = naive_root(tree.first(m));
      if (m > 0) {
        ASSERT_EQ(proof->path, naive_subproof(m, tree, true)) << m << " to " << n;
      }
      ASSERT_TRUE(verify_consistency(old_root, root, *proof)) << m << " to " << n;
      ASSERT_FALSE(verify_consistency(leaf(999), root, *proof));
      ASSERT_FALSE(verify_consistency(old_root, leaf(999), *proof) && m > 0);
    }
    if (n < leaves.size()) frontier.append(leaves[n]);
  }
}

RC_GTEST_PROP(Merkle, LargerTreesProveAndVerify, (std::uint64_t seed)) {
  Prng prng(seed);
  const auto n = 131 + prng.below(1500);
  const auto leaves = some_leaves(n);
  // Nodes as the frontier tells them, in the order it tells them.
  std::vector<std::vector<Sha256Digest>> levels(16);
  MerkleFrontier frontier;
  for (const auto& one : leaves) {
    frontier.append(one, [&](unsigned level, std::uint64_t index, const Sha256Digest& node) {
      RC_ASSERT(levels[level].size() == index);
      levels[level].push_back(node);
    });
  }
  const MerkleNodeSource nodes = [&](unsigned level, std::uint64_t index) -> Result<Sha256Digest> {
    return levels.at(level).at(index);
  };
  const auto root = frontier.root();
  for (int i = 0; i < 10; ++i) {
    const auto m = prng.below(n);
    const auto proof = prove_inclusion(m, n, nodes);
    RC_ASSERT(verify_inclusion(leaves[m], *proof, root).has_value());
    const auto consistency = prove_consistency(m, n, nodes);
    RC_ASSERT(verify_consistency(*merkle_root(m, nodes), root, *consistency).has_value());
  }
}

RC_GTEST_PROP(Merkle, NoForgedInclusionProofHolds, (std::uint64_t seed)) {
  Prng prng(seed);
  const auto n = 1 + prng.below(70);
  const auto leaves = some_leaves(n);
  const auto m = prng.below(n);
  const auto root = naive_root(leaves);
  const auto proof = prove_inclusion(m, n, nodes_of(leaves)).value();
  auto forged = proof;
  switch (prng.below(5)) {
    case 0:
      forged.path.push_back(leaf(prng.below(n)));
      break;
    case 1:
      if (!forged.path.empty())
        forged.path.erase(forged.path.begin() + static_cast<long>(prng.below(forged.path.size())));
      break;
    case 2:
      if (!forged.path.empty()) forged.path[prng.below(forged.path.size())].bytes[prng.below(32)] ^= 1;
      break;
    case 3:
      forged.leaf_index = prng.below(n + 2);
      break;
    case 4:
      if (forged.path.size() > 1) std::swap(forged.path[0], forged.path[1]);
      break;
  }
  RC_PRE(forged != proof);
  RC_ASSERT(!verify_inclusion(leaves[m], forged, root).has_value());
}

RC_GTEST_PROP(Merkle, NoForgedConsistencyProofHolds, (std::uint64_t seed)) {
  Prng prng(seed);
  const auto n = 2 + prng.below(70);
  const auto leaves = some_leaves(n);
  const auto m = 1 + prng.below(n - 1);
  const auto old_root = naive_root(Leaves(leaves).first(m));
  const auto root = naive_root(leaves);
  const auto proof = prove_consistency(m, n, nodes_of(leaves)).value();
  auto forged = proof;
  auto old_claim = old_root;
  switch (prng.below(4)) {
    case 0:
      forged.path.push_back(leaf(prng.below(n)));
      break;
    case 1:
      if (!forged.path.empty()) forged.path.pop_back();
      break;
    case 2:
      if (!forged.path.empty()) forged.path[prng.below(forged.path.size())].bytes[prng.below(32)] ^= 1;
      break;
    case 3: {
      // A history in which the last old entry was another one.
      auto rewritten = leaves;
      rewritten[m - 1] = leaf(1000);
      old_claim = naive_root(Leaves(rewritten).first(m));
      break;
    }
  }
  RC_PRE(forged != proof || old_claim != old_root);
  RC_ASSERT(!verify_consistency(old_claim, root, forged).has_value());
}

TEST(Merkle, TheFrontierSurvivesItsCheckpoint) {
  MerkleFrontier frontier;
  for (std::uint64_t n = 0; n < 40; ++n) {
    Bytes bytes;
    frontier.encode(bytes);
    FieldReader reader(bytes, "frontier");
    EXPECT_EQ(MerkleFrontier::decode(reader), frontier);
    EXPECT_TRUE(reader.finish());
    FieldReader cut(ByteView(bytes).first(bytes.size() - 1), "frontier");
    EXPECT_EQ(MerkleFrontier::decode(cut), MerkleFrontier());
    EXPECT_FALSE(cut.finish());
    frontier.append(leaf(n));
  }
}

}  // namespace
}  // namespace verity::log
