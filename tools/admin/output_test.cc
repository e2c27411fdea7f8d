#include "tools/admin/output.h"

#include "io/base/units.h"
#include "tools/admin/http_client.h"

#include <gtest/gtest.h>

namespace verity::tools {
namespace {

TEST(Table, ColumnsAreAsWideAsTheirWidestCell) {
  Table table({{"id", Table::Align::right}, {"name"}, {"events", Table::Align::right}});
  table.add({"1", "größe", "10"});
  table.add({"12", "a", "7"});
  EXPECT_EQ(table.text(),
            "id  name   events\n"
            " 1  größe      10\n"
            "12  a           7\n");
}

TEST(Table, LinesDoNotEndInSpaces) {
  Table table({{"a"}, {"b"}});
  table.add({"long", ""});
  EXPECT_EQ(table.text(), "a     b\nlong\n");
}

TEST(ProgressLine, ShowsHowFarItIs) {
  EXPECT_EQ(progress_line("verifying", Progress::Unit::bytes, 512 * MiB, 1 * GiB),
            "verifying  [##########..........]  50 %  512 MB of 1 GB");
  EXPECT_EQ(progress_line("appending", Progress::Unit::items, 7, 0), "appending  7");
  EXPECT_EQ(progress_line("x", Progress::Unit::items, 9, 3), "x  [####################] 100 %  9 of 3");
}

TEST(PercentEncode, LeavesOnlyUnreservedCharacters) {
  EXPECT_EQ(percent_encode("ward 7/é"), "ward%207%2F%C3%A9");
  EXPECT_EQ(percent_encode("a-b_c.d~e"), "a-b_c.d~e");
}

}  // namespace
}  // namespace verity::tools
