#include "tools/admin/defaults.h"

#include <gtest/gtest.h>

namespace verity::tools {
namespace {

ConfigFile file(std::string text) {
  return {"/etc/verity/config.toml", std::move(text)};
}

TEST(AdminDefaults, AreTheServersOwn) {
  EXPECT_EQ(find_defaults(std::nullopt, {}).server, "127.0.0.1:7000");
  EXPECT_EQ(find_defaults(std::nullopt, {}).data_dir, "/var/lib/verity");
  const auto defaults = find_defaults(
      file("[server]\nbind_address = \"127.0.0.1:7070\"\n[storage]\ndata_dir = \"/data\"\n"), {});
  EXPECT_EQ(defaults.server, "127.0.0.1:7070");
  EXPECT_EQ(defaults.data_dir, "/data");
}

TEST(AdminDefaults, TheEnvironmentNamesAnotherServer) {
  EXPECT_EQ(
      find_defaults(file("[server]\nbind_address = \"127.0.0.1:7070\"\n"), {{"VERITY_SERVER", "node2:7000"}})
          .server,
      "node2:7000");
  EXPECT_EQ(find_defaults(std::nullopt, {{"VERITY_SERVER", ""}}).server, "127.0.0.1:7000");
}

TEST(AdminDefaults, AServerOnEveryAddressIsReachedOnLoopback) {
  const std::string head = "[server]\nallow_insecure = true\nbind_address = ";
  EXPECT_EQ(find_defaults(file(head + "\"0.0.0.0:7000\"\n"), {}).server, "127.0.0.1:7000");
  EXPECT_EQ(find_defaults(file(head + "\"[::]:7000\"\n"), {}).server, "[::1]:7000");
}

TEST(AdminDefaults, ProblemsOfTheFileAreHandedOn) {
  const auto defaults = find_defaults(file("[server]\nbind_adress = \"127.0.0.1:7070\"\n"), {});
  ASSERT_EQ(defaults.problems.size(), 1U);
  EXPECT_EQ(defaults.server, "127.0.0.1:7000");
}

}  // namespace
}  // namespace verity::tools
