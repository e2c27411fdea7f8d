// Verification beside a running node, and after one.
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
