// Verification beside a running node, and after one.
#include "engine/log/proof.h"
#include "engine/node/verify_directory.h"
#include "tests/node/node_fixture.h"

namespace verity::node {
namespace {

class VerifyTest : public NodeFixture {
 protected:
  DirectoryReport verify() {
    DirectoryReport report;
    sim::Process process(world, {.host = "auditor", .boot = ++boots});
    process.spawn("main", [&](io::Wait& wait) {
      const auto data = disk.mount(process, "data");
      auto verified = verify_directory(wait, *data, {});
      EXPECT_TRUE(verified) << verified.error().describe();
      if (verified) report = std::move(*verified);
    });
    EXPECT_TRUE(world.run_until([&] { return process.is_finished(); })) << world.failure().value_or("stuck");
    return report;
  }

  void fill(std::uint64_t count) {
    options.tuning.checkpoint_bytes = 64 * KiB;
    ASSERT_TRUE(boot([&](io::Wait& wait, Node& node) {
      for (std::uint64_t i = 0; i < count; ++i) {
        ASSERT_TRUE(append(wait, node, "s", "\"" + std::string(3000, 'x') + "\""));
      }
      head = node.head(wait).value();
    }));
  }

  static std::string all(const DirectoryReport& report) {
    std::string text;
    for (const log::Damage& damage : report.log.damage) text += damage.describe() + "\n";
    for (const std::string& line : report.damage) text += line + "\n";
    return text;
  }

  Head head;
};

TEST_F(VerifyTest, AgreesWithTheNodeAboutTheHead) {
  fill(60);
  const DirectoryReport report = verify();
  EXPECT_TRUE(report.is_whole()) << all(report);
  EXPECT_EQ(report.log.last, head.position);
  EXPECT_EQ(report.log.durable, head.position);
  EXPECT_EQ(report.log.head, head.hash);
  EXPECT_EQ(report.log.tree_root, head.tree_root);
  EXPECT_EQ(report.events, 60u);
}

// Before and after a restart, and when the nodes kept beside the log are lost.
TEST_F(VerifyTest, EveryEntryAndEveryHeadCanBeProven) {
  fill(60);
  for (int round = 0; round < 2; ++round) {
    ASSERT_TRUE(boot([&](io::Wait& wait, Node& node) {
      for (auto first = node.prove_inclusion(wait, Position{1}, {}); !first;) {
        ASSERT_TRUE(first.error().code == RefusalCode::not_ready ||
                    first.error().code == RefusalCode::damaged)
            << first.error().describe();
        ASSERT_TRUE(wait.sleep(10ms));
        first = node.prove_inclusion(wait, Position{1}, {});
      }
      ASSERT_TRUE(append(wait, node, "s", R"({"proven":true})"));
      const Head now = node.head(wait).value();
      const log::TrustedHead trusted{
          .cluster_id = node.status().cluster_id, .position = now.position, .root = now.tree_root};
      for (std::uint64_t position = 1; position <= now.position.value; ++position) {
        const auto proof = node.prove_inclusion(wait, Position{position}, {});
        ASSERT_TRUE(proof) << proof.error().describe();
        const log::ProofVerdict verdict = log::check_proof(*proof, trusted);
        EXPECT_TRUE(verdict.holds) << verdict.reason;
        EXPECT_EQ(verdict.position, Position{position});
        const auto consistency = node.prove_consistency(wait, Position{position}, now.position);
        ASSERT_TRUE(consistency) << consistency.error().describe();
        EXPECT_TRUE(log::check_proof(*consistency, trusted).holds);
      }
      const auto event = node.prove_inclusion(wait, now.position, 0);
      ASSERT_TRUE(event) << event.error().describe();
      EXPECT_NE(event->find("proven"), std::string::npos);
      EXPECT_EQ(node.prove_inclusion(wait, now.position, 1).error().code, RefusalCode::invalid_request);
      EXPECT_EQ(node.prove_inclusion(wait, now.position.next(), {}).error().code,
                RefusalCode::invalid_request);
    }));
    for (ByteCount at = 64; at < disk.durable_content("log/merkle.nodes").size(); at += 32) {
      disk.flip_bit("log/merkle.nodes", at, 1);
    }
  }
}

TEST_F(VerifyTest, WorksBesideARunningNode) {
  ASSERT_TRUE(boot([&](io::Wait& wait, Node& node) {
    const auto data = disk.mount(*current, "data");
    for (int i = 0; i < 100; ++i) {
      ASSERT_TRUE(append(wait, node, "s", "\"" + std::string(3000, 'x') + "\""));
      if (i % 10 != 0) continue;
      const auto report = verify_directory(wait, *data, {});
      ASSERT_TRUE(report) << report.error().describe();
      EXPECT_TRUE(report->is_whole()) << all(*report);
      EXPECT_GE(report->log.last.value + 1, static_cast<std::uint64_t>(i) + 3);
    }
  }));
}

TEST_F(VerifyTest, NamesWhatIsDamaged) {
  fill(60);
  const auto expect_named = [&](std::string_view file, ByteCount offset, unsigned bit) {
    disk.flip_bit(file, offset, bit);
    const DirectoryReport report = verify();
    EXPECT_FALSE(report.is_whole()) << file << " at " << offset;
    EXPECT_NE(all(report).find(file), std::string::npos) << file << ": " << all(report);
    disk.flip_bit(file, offset, bit);
  };
  expect_named("meta/state.json", 100, 3);
  expect_named("meta/state.copy.json", 7, 1);
  expect_named("log/00000000.segment", 20, 0);          // a copy of the header
  expect_named("log/00000000.segment", 4096 + 40, 5);   // a flush header
  expect_named("log/00000001.segment", 4096 + 900, 2);  // a body
  expect_named("log/current.segment", 4096 + 500, 2);
  EXPECT_TRUE(verify().is_whole());
}

}  // namespace
}  // namespace verity::node
