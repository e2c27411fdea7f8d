#include "tools/admin/event_line.h"

#include <gtest/gtest.h>

namespace verity::tools {
namespace {

constexpr std::string_view event =
    R"({"stream":"notes","revision":7,"position":42,"index":2,"subject":"p\n9","subject_revision":0,"type":"moved",)"
    "\"data\":{\n  \"amount\": "
    "1.50\n},\"metadata\":[1],\"id\":\"a\",\"recorded_at\":\"2024-01-15T10:30:00.000000Z\"}";

TEST(EventLine, ShowsDataAsItWasSentOnOneLine) {
  EXPECT_EQ(event_line(event, false),
            "       7        42.2  2024-01-15T10:30:00.000000Z  moved             p\\n9      {   \"amount\": "
            "1.50 }  "
            "metadata [1]\n");
  EXPECT_EQ(event_header(),
            "revision       token  recorded_at                  type              subject   data\n");
}

TEST(EventLine, JsonIsTheWholeEventOnOneLine) {
  const std::string line = event_line(event, true);
  EXPECT_EQ(line.find('\n'), line.size() - 1);
  EXPECT_NE(line.find("\"data\":{   \"amount\": 1.50 }"), std::string::npos);
}

TEST(EventLine, StrangeAnswersAreHarmless) {
  EXPECT_EQ(token_of(event), "42.2");
  for (const std::string_view text : {"", "{", "[]", "{\"position\":", "{\"position\":1}", "null"}) {
    EXPECT_EQ(token_of(text), std::nullopt) << text;
    EXPECT_TRUE(event_line(text, false).ends_with('\n'));
  }
}

}  // namespace
}  // namespace verity::tools
