// The scripts in scripts/: what the cluster does is what is written below the line. VERITY_BLESS=1 rewrites that part.
#include "engine/consensus/testing/script.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace verity::consensus::testing {
namespace {

const std::filesystem::path folder = std::filesystem::path(VERITY_SOURCE_ROOT) / "engine/consensus/scripts";

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
  std::stringstream text;
  text << std::ifstream(path).rdbuf();
  const std::string line = "----\n";
  const std::string whole = text.str();
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

}  // namespace
}  // namespace verity::consensus::testing
