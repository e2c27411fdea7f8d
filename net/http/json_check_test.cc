#include "net/http/json_check.h"

#include "net/http/json_writer.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

namespace verity::http {
namespace {

std::string nested(std::size_t depth) {
  return std::string(depth, '[') + std::string(depth, ']');
}

TEST(JsonChecker, AcceptsWhatTheGrammarAllows) {
  JsonChecker checker;
  for (const char* text : {"null", " true ", "0", "-0.5e+3", "\"\\u00e9\\n\"", "[]", "{}", "[1,\r\n\t2 ]",
                           R"({"a":{"b":[{}]}})", "123456789012345678901234567890",
                           "[-123456789012345678901234567890, 1]", "\"\xc3\xa9\"", "\"\xf0\x9f\x98\x80\""}) {
    EXPECT_FALSE(checker.find_fault(text, 16)) << text << ": " << *checker.find_fault(text, 16);
  }
}

TEST(JsonChecker, RefusesEverythingElse) {
  JsonChecker checker;
  using namespace std::string_view_literals;
  for (const std::string_view text : {""sv,
                                      " "sv,
                                      "nul"sv,
                                      "True"sv,
                                      "01"sv,
                                      "1."sv,
                                      ".5"sv,
                                      "+1"sv,
                                      "1e"sv,
                                      "NaN"sv,
                                      "Infinity"sv,
                                      "1e999"sv,
                                      "[1,]"sv,
                                      "[1 2]"sv,
                                      "{\"a\"}"sv,
                                      "{a:1}"sv,
                                      "{\"a\":1,}"sv,
                                      "'a'"sv,
                                      "\"a"sv,
                                      "\"\n\""sv,
                                      "\"\\x\""sv,
                                      "\"\\u12\""sv,
                                      "[] []"sv,
                                      "1 2"sv,
                                      "/**/1"sv,
                                      "\"\xff\""sv,
                                      "\"\xc3\""sv,
                                      "\"\xed\xa0\x80\""sv,
                                      "\"\xc0\xaf\""sv,
                                      "\xEF\xBB\xBF{}"sv,
                                      "[1]\0"sv,
                                      "\"\0\""sv,
                                      "[123456789012345678901234567890"sv,
                                      "123456789012345678901234567890x"sv,
                                      "[123456789012345678901234567890, 01]"sv}) {
    EXPECT_TRUE(checker.find_fault(text, 16)) << text;
  }
}

TEST(JsonChecker, NamesThePlace) {
  JsonChecker checker;
  EXPECT_NE(checker.find_fault("{\"a\": [1, oops]}", 16)->find("byte 1"), std::string::npos);
}

TEST(JsonChecker, SaysWhatIsWrongInItsOwnWords) {
  JsonChecker checker;
  EXPECT_EQ(
      checker.find_fault(R"([{"n":1e400}])", 16),
      "invalid JSON at byte 7: the number 1e400 is too large; allowed: up to 1.797e308, and as far below 0");
  EXPECT_EQ(checker.find_fault(R"({"a": oops})", 16), "invalid JSON at byte 7: 'o' cannot stand here");
  EXPECT_EQ(checker.find_fault("[1, 2", 16), "invalid JSON at byte 6: the text ends too early");
  EXPECT_EQ(checker.find_fault("\"a\nb\"", 16), "invalid JSON at byte 3: byte 0x0a cannot stand here");
}

TEST(JsonChecker, LevelsAroundAreNotSpokenOf) {
  JsonChecker checker;
  EXPECT_FALSE(checker.find_fault(nested(130), 128, 2));
  EXPECT_EQ(checker.find_fault(nested(131), 128, 2), "arrays and objects nest deeper than 128 levels");
}

TEST(JsonChecker, CountsLevels) {
  JsonChecker checker;
  for (const std::size_t depth : {1, 2, 16, 128}) {
    EXPECT_FALSE(checker.find_fault(nested(depth), depth)) << depth;
    EXPECT_TRUE(checker.find_fault(nested(depth + 1), depth)) << depth;
  }
  EXPECT_EQ(checker.find_fault(nested(200'000), 128), "arrays and objects nest deeper than 128 levels");
}

TEST(JsonChecker, LargeTextsInBetweenChangeNothing) {
  JsonChecker checker;
  const std::string large = "\"" + std::string(3'000'000, 'x') + "\"";
  for (int i = 0; i < 3; ++i) {
    EXPECT_FALSE(checker.find_fault(large, 4));
    EXPECT_FALSE(checker.find_fault("[1]", 1));
    EXPECT_TRUE(checker.find_fault("[1", 1));
  }
}

RC_GTEST_PROP(JsonWriter, WhatItEscapesIsReadBack, ()) {
  std::string text;
  for (const std::uint16_t unit :
       *rc::gen::container<std::vector<std::uint16_t>>(rc::gen::inRange<std::uint16_t>(0, 128))) {
    text += static_cast<char>(unit);
  }
  std::string quoted;
  append_json_string(quoted, text);
  RC_ASSERT(!JsonChecker().find_fault(quoted, 1));
  RC_ASSERT(unescape_json_string(quoted) == text);
}

}  // namespace
}  // namespace verity::http
