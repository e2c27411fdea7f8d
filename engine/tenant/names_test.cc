#include "engine/tenant/names.h"

#include "engine/tenant/utf8.h"

#include <gtest/gtest.h>

#include <string>

namespace verity::tenant {
namespace {

TEST(Utf8, FollowsTheTableOfWellFormedSequences) {
  for (const char* good :
       {"", "plain", "é", "\u20ac", "\U0001f600", "\xf4\x8f\xbf\xbf", "\xed\x9f\xbf", "\xee\x80\x80"}) {
    EXPECT_FALSE(find_bad_utf8(good)) << good;
  }
  struct Bad {
    std::string_view text;
    std::size_t at;
  };
  for (const auto& [text, at] :
       {Bad{"\x80", 0}, Bad{"a\xc0\x80", 1}, Bad{"\xc1\xbf", 0}, Bad{"\xe0\x9f\xbf", 0},
        Bad{"\xed\xa0\x80", 0}, Bad{"\xf0\x8f\xbf\xbf", 0}, Bad{"\xf4\x90\x80\x80", 0},
        Bad{"\xf5\x80\x80\x80", 0}, Bad{"ab\xe2\x82", 2}, Bad{"\xe2\x82z", 0}, Bad{"\xff", 0}}) {
    EXPECT_EQ(find_bad_utf8(text), at) << quoted(text);
  }
}

TEST(Utf8, FindsControlCharactersOfBothSets) {
  EXPECT_FALSE(find_control_character("héllo \u00a0\u20ac"));
  EXPECT_EQ(find_control_character("a\n"), 1u);
  EXPECT_EQ(find_control_character(std::string_view("\0", 1)), 0u);
  EXPECT_EQ(find_control_character("ab\x7f"), 2u);
  EXPECT_EQ(find_control_character("é\u0085"), 2u);
}

TEST(Names, TenantNamesFitAPath) {
  for (const auto& good : {std::string("a"), std::string("0-_x"), std::string(63, 'z')}) {
    EXPECT_TRUE(check_tenant_name(good)) << good;
  }
  for (const auto& bad : {std::string(), std::string(64, 'z'), std::string("Acme"), std::string("_a"),
                          std::string("-a"), std::string("a.b"), std::string("a/b"), std::string("é")}) {
    EXPECT_FALSE(check_tenant_name(bad)) << bad;
  }
  EXPECT_EQ(
      check_tenant_name("a.b").error().describe(),
      "invalid_argument: tenant name 'a.b': '.' at 1 is not allowed; a tenant name is 1 to 63 characters of "
      "a-z 0-9 _ -, the first a letter or digit");
  EXPECT_EQ(check_tenant_name("").error().message.find("tenant name '': it is empty;"), 0u);
}

TEST(Names, StreamsSubjectsTypesAndIds) {
  EXPECT_TRUE(check_stream_name("Заказы 2024: all"));
  EXPECT_TRUE(check_stream_name(std::string(255, 's')));
  EXPECT_FALSE(check_stream_name(std::string(256, 's')));
  EXPECT_EQ(
      check_stream_name("a/b").error().message,
      "stream name 'a/b': '/' at 1 is not allowed; a stream name is 1 to 255 bytes of UTF-8 without control "
      "characters and without '/'");
  EXPECT_TRUE(check_subject("patient/17"));
  EXPECT_TRUE(check_event_type("com.example.placed/v1"));
  for (auto* check :
       {check_stream_name, check_subject, check_event_type, check_event_id, check_idempotency_key}) {
    EXPECT_TRUE(check("x"));
    EXPECT_FALSE(check(""));
    EXPECT_FALSE(check(std::string(256, 'x')));
    EXPECT_EQ(check("a\xff").error().code, ErrorCode::invalid_argument);
    EXPECT_NE(check("a\xff").error().message.find("the byte at 1 is not UTF-8"), std::string::npos);
    EXPECT_NE(check("a\n").error().message.find("'a\\x0a': there is a control character at 1"),
              std::string::npos);
  }
}

}  // namespace
}  // namespace verity::tenant
