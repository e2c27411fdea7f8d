#include "engine/node/request.h"

#include <gtest/gtest.h>

namespace verity::node {
namespace {

TEST(Expectation, FourFormsAndNothingElse) {
  for (const char* text : {"any", "none", "exists", "0", "18446744073709551615"}) {
    const auto parsed = Expectation::parse(text);
    ASSERT_TRUE(parsed) << text;
    EXPECT_EQ(parsed->describe(), text);
  }
  for (const char* text : {"", "None", "-1", "+1", "01", "1.0", "1 ", " 1", "18446744073709551616", "0x1"}) {
    EXPECT_FALSE(Expectation::parse(text)) << text;
  }
}

TEST(Expectation, HoldsComparesWithTheLastRevision) {
  const auto holds = [](const char* text, std::optional<Revision> last) {
    return Expectation::parse(text)->holds(last);
  };
  EXPECT_TRUE(holds("any", std::nullopt));
  EXPECT_TRUE(holds("none", std::nullopt));
  EXPECT_FALSE(holds("none", Revision{0}));
  EXPECT_FALSE(holds("exists", std::nullopt));
  EXPECT_TRUE(holds("exists", Revision{0}));
  EXPECT_TRUE(holds("7", Revision{7}));
  EXPECT_FALSE(holds("7", Revision{8}));
  EXPECT_FALSE(holds("0", std::nullopt));
}

TEST(EventToken, RoundTripsAndRefusesTheRest) {
  EXPECT_EQ(EventToken::parse("42.2"), (EventToken{Position{42}, 2}));
  EXPECT_EQ(EventToken::parse("42"), (EventToken{Position{42}, 0}));
  EXPECT_EQ((EventToken{Position{42}, 2}).describe(), "42.2");
  for (const char* text :
       {"", ".", "42.", ".2", "-1", "42.-1", "42.2.1", "1e3", "18446744073709551616", "1.4294967296"}) {
    EXPECT_FALSE(EventToken::parse(text)) << text;
  }
}

TEST(Refusal, DescribesEveryFailedExpectation) {
  Refusal refusal{RefusalCode::expectation_failed, "one of two"};
  refusal.failed_expectations = {{"a", "", *Expectation::parse("3"), Revision{4}},
                                 {"b", "p-1", *Expectation::parse("exists"), std::nullopt}};
  EXPECT_EQ(refusal.describe(),
            "expectation_failed: one of two; stream a expected 3, is 4; stream b subject p-1 expected "
            "exists, is none");
}

}  // namespace
}  // namespace verity::node
