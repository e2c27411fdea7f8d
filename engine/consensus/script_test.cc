// The scripts in scripts/: what the cluster does is what is written below the line. VERITY_BLESS=1 rewrites that part.
#include "engine/consensus/testing/script.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <regex>
#include <set>
#include <sstream>

namespace verity::consensus::testing {
namespace {

const std::filesystem::path folder = std::filesystem::path(VERITY_SOURCE_ROOT) / "engine/consensus/scripts";

std::string text_of(const std::filesystem::path& path) {
  std::stringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

std::vector<std::string> script_names() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() == ".txt") names.push_back(entry.path().stem().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

class Scripts : public ::testing::TestWithParam<std::string> {};

TEST_P(Scripts, GoAsWritten) {
  const std::filesystem::path path = folder / (GetParam() + ".txt");
  const std::string line = "----\n";
  const std::string whole = text_of(path);
  const std::size_t at = whole.find(line);
  const std::string commands = whole.substr(0, at);
  const std::string wanted = at == std::string::npos ? "" : whole.substr(at + line.size());
  const std::string got = run_script(commands);
  EXPECT_EQ(got.find("VIOLATION"), std::string::npos) << got;
  EXPECT_EQ(got.find("STANDS STILL"), std::string::npos) << got;
  EXPECT_EQ(got.find("cannot be understood"), std::string::npos) << got;
  if (std::getenv("VERITY_BLESS") != nullptr) {
    std::ofstream(path) << commands << line << got;
  } else {
    EXPECT_EQ(got, wanted) << path;
  }
}

INSTANTIATE_TEST_SUITE_P(Consensus, Scripts, ::testing::ValuesIn(script_names()), [](const auto& instance) {
  std::string name = instance.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

// Every script is named where docs/consensus.md says what the rules are, and every script named there exists.
TEST(Rules, NameTheScriptsThatTellOfThem) {
  const std::string page = text_of(std::filesystem::path(VERITY_SOURCE_ROOT) / "docs" / "consensus.md");
  const std::size_t begin = page.find("\n## The rules");
  ASSERT_NE(begin, std::string::npos);
  const std::string section = page.substr(begin, page.find("\n## ", begin + 1) - begin);
  const std::regex in_backticks("`([a-z0-9-]+)`");  // no file or symbol of ours is spelt like that
  std::set<std::string> named;
  for (std::sregex_iterator at(section.begin(), section.end(), in_backticks), end; at != end; ++at)
    named.insert((*at)[1]);
  const std::vector<std::string> scripts = script_names();
  EXPECT_EQ(named, std::set<std::string>(scripts.begin(), scripts.end()));
}

}  // namespace
}  // namespace verity::consensus::testing
