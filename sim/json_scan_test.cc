#include "sim/json_scan.h"

#include <gtest/gtest.h>

namespace verity::sim {
namespace {

TEST(JsonScan, KeepsTheTextOfValuesExactly) {
  const auto json =
      scan_json(" {\"a\" : { \"b\":[1, 2.50 ,\"]\"] } , \"n\":42,\"s\":\"\\u00e9\\n\\\"\\ud83d\\ude00\"}\n");
  ASSERT_TRUE(json);
  EXPECT_EQ((*json)["a"].text, "{ \"b\":[1, 2.50 ,\"]\"] }");
  EXPECT_EQ((*json)["a"]["b"].items().size(), 3u);
  EXPECT_EQ((*json)["a"]["b"].items()[1].text, "2.50");
  EXPECT_EQ((*json)["n"].number(), 42u);
  EXPECT_EQ((*json)["s"].string(), "\xc3\xa9\n\"\xf0\x9f\x98\x80");
  EXPECT_FALSE((*json)["nothing"]);
}

TEST(JsonScan, RefusesWhatIsNotOneValue) {
  for (const char* text : {"", " ", "{", "[1", "{\"a\"}", "{\"a\":1} x", "\"open"})
    EXPECT_FALSE(scan_json(text)) << text;
}

TEST(JsonScan, QuotesWhatItReadsBack) {
  const std::string text = "a\"b\\c\n\x01\xc3\xa9";
  EXPECT_EQ(scan_json(quote_json(text))->string(), text);
}

}  // namespace
}  // namespace verity::sim
