#include "io/base/probe.h"

#include <gtest/gtest.h>

#include <string_view>

namespace verity {
namespace {

void come_to(bool one) {
  if (one) {
    VERITY_PROBE("the test comes to one place");
  } else {
    VERITY_PROBE("the test does not come to another");
  }
}

const Probe* find(std::string_view name) {
  for (const Probe* probe : Probe::all()) {
    if (probe->name() == name) return probe;
  }
  return nullptr;
}

TEST(Probe, IsKnownBeforeItIsReachedAndCountsHowOften) {
  const Probe* const one = find("the test comes to one place");
  const Probe* const other = find("the test does not come to another");
  ASSERT_TRUE(one != nullptr && other != nullptr);
  const std::uint64_t before = one->count();
  for (int i = 0; i < 3; ++i) come_to(true);
  EXPECT_EQ(one->count(), before + 3);
  EXPECT_EQ(other->count(), 0u);
}

TEST(Probe, AllAreInOrderOfTheirNames) {
  const auto all = Probe::all();
  ASSERT_GE(all.size(), 2u);
  for (std::size_t i = 1; i < all.size(); ++i) EXPECT_LT(all[i - 1]->name(), all[i]->name());
}

}  // namespace
}  // namespace verity
