#include "tools/admin/proof_nodes.h"

#include <gtest/gtest.h>

namespace verity::tools {
namespace {

Sha256Digest hash_of(std::uint64_t position) {
  return sha256({as_bytes(std::to_string(position))});
}

// Every position and head of every small tree, and a larger one.
TEST(ProofNodes, AreEnoughForInclusionAndConsistency) {
  for (const std::uint64_t size : {1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 100}) {
    for (std::uint64_t position = 1; position <= size; ++position) {
      ProofNodes nodes({Position{position}});
      Sha256Digest root_then;
      for (std::uint64_t at = 1; at <= size; ++at) {
        nodes.append(hash_of(at));
        if (at == position) {
          nodes.mark_head();
          root_then = nodes.tree().root();
        }
      }
      nodes.mark_head();
      SCOPED_TRACE(std::to_string(position) + " of " + std::to_string(size));
      const auto source = nodes.source();
      for (const std::uint64_t leaf : {position, size}) {
        const auto proof = log::prove_inclusion(leaf - 1, size, source);
        ASSERT_TRUE(proof) << proof.error().message;
        EXPECT_TRUE(log::verify_inclusion(log::merkle_leaf(hash_of(leaf)), *proof, nodes.tree().root()));
      }
      const auto head_then = log::prove_inclusion(position - 1, position, source);
      ASSERT_TRUE(head_then) << head_then.error().message;
      EXPECT_TRUE(log::verify_inclusion(log::merkle_leaf(hash_of(position)), *head_then, root_then));
      const auto growth = log::prove_consistency(position, size, source);
      ASSERT_TRUE(growth) << growth.error().message;
      EXPECT_TRUE(log::verify_consistency(root_then, nodes.tree().root(), *growth));
    }
  }
}

}  // namespace
}  // namespace verity::tools
