#include "tools/server/nearest.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace verity::tools {
namespace {

constexpr std::string_view known[] = {"data_dir", "segment_size", "sync_mode"};

TEST(Nearest, FindsTheNameThatWasMeant) {
  EXPECT_EQ(nearest("datadir", known), "data_dir");
  EXPECT_EQ(nearest("snyc_mode", known), "sync_mode");
  EXPECT_EQ(nearest("segment_sizes", known), "segment_size");
  EXPECT_EQ(nearest("colour", known), std::nullopt);
  EXPECT_EQ(nearest("", known), std::nullopt);
  EXPECT_EQ(nearest(std::string(100'000, 'd'), known), std::nullopt);
  EXPECT_EQ(nearest("x", {}), std::nullopt);
}

TEST(EditDistance, CountsASwapAsOne) {
  EXPECT_EQ(edit_distance("ab", "ba"), 1U);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3U);
  EXPECT_EQ(edit_distance("", "abc"), 3U);
}

RC_GTEST_PROP(EditDistanceProperty, IsSymmetricAndZeroOnlyForEquals, ()) {
  const auto letters = rc::gen::container<std::string>(rc::gen::element('a', 'b', 'c'));
  const std::string a = *letters;
  const std::string b = *letters;
  RC_ASSERT(edit_distance(a, b) == edit_distance(b, a));
  RC_ASSERT((edit_distance(a, b) == 0) == (a == b));
  RC_ASSERT(edit_distance(a, b) <= std::max(a.size(), b.size()));
}

}  // namespace
}  // namespace verity::tools
