#include "net/http/json_slice.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <string>
#include <vector>

namespace verity::http {
namespace {

std::vector<std::string> elements(std::string_view array) {
  std::vector<std::string> all;
  JsonArrayWalker walker(array);
  while (const auto value = walker.next()) all.emplace_back(*value);
  return all;
}

std::vector<std::pair<std::string, std::string>> members(std::string_view object) {
  std::vector<std::pair<std::string, std::string>> all;
  JsonObjectWalker walker(object);
  while (const auto member = walker.next()) all.emplace_back(member->key, member->value);
  return all;
}

using Texts = std::vector<std::string>;
using Members = std::vector<std::pair<std::string, std::string>>;

TEST(JsonArrayWalker, CutsExactSlices) {
  EXPECT_EQ(elements(" [ ] "), Texts{});
  EXPECT_EQ(elements("[1.50 , \"a,]\\\"\",[ [] ,{}],\n{\"k\" : \"}\"} ,null]"),
            (Texts{"1.50", "\"a,]\\\"\"", "[ [] ,{}]", "{\"k\" : \"}\"}", "null"}));
}

TEST(JsonObjectWalker, CutsExactSlices) {
  EXPECT_EQ(members("{ }"), Members{});
  EXPECT_EQ(members("{\"a\" : 1e5 ,\"b\\\"\":{\"c\":[1 , 2]},\"\":\"\\\\\"}"),
            (Members{{"\"a\"", "1e5"}, {"\"b\\\"\"", "{\"c\":[1 , 2]}"}, {"\"\"", "\"\\\\\""}}));
}

TEST(JsonKind, IsToldByTheFirstCharacter) {
  EXPECT_EQ(kind_of("{}"), JsonKind::object);
  EXPECT_EQ(kind_of("-1"), JsonKind::number);
  EXPECT_EQ(kind_of("false"), JsonKind::boolean);
  EXPECT_EQ(kind_of("null"), JsonKind::null);
}

// A value of random shape, with white space wherever the grammar allows some.
std::string random_value(int depth) {
  const int kind = *rc::gen::inRange(0, depth > 3 ? 4 : 6);
  const auto space = [] {
    return std::string(*rc::gen::inRange<std::size_t>(0, 2), " \n\t"[*rc::gen::inRange(0, 3)]);
  };
  switch (kind) {
    case 0:
      return "null";
    case 1:
      return "-12.5e3";
    case 2:
      return "true";
    case 3:
      return *rc::gen::element<std::string>("\"\"", "\"a\"", "\"\\\"\"", "\"[{\"", "\"\\\\\"", "\"},:\"");
    default:
      break;
  }
  std::string out(kind == 4 ? "[" : "{");
  const int count = *rc::gen::inRange(0, 4);
  for (int i = 0; i < count; ++i) {
    if (i > 0) out += ",";
    out += space();
    if (kind == 5)
      out += *rc::gen::element<std::string>("\"k\"", "\"\\\"\"", "\"}\"") + space() + ":" + space();
    out += random_value(depth + 1) + space();
  }
  return out + (kind == 4 ? "]" : "}");
}

RC_GTEST_PROP(JsonArrayWalker, FindsWhatWasJoined, ()) {
  Texts values;
  const int count = *rc::gen::inRange(0, 5);
  for (int i = 0; i < count; ++i) values.push_back(random_value(0));
  std::string array = " [ ";
  for (std::size_t i = 0; i < values.size(); ++i) array += (i > 0 ? " ,\n" : "") + values[i];
  array += " ] ";
  RC_ASSERT(elements(array) == values);
}

// Nobody promises anything about other bytes, except that nothing outside them is touched.
RC_GTEST_PROP(JsonWalkers, StayInsideWhateverTheBytesAre, ()) {
  std::string text;
  const int length = *rc::gen::inRange(0, 40);
  for (int i = 0; i < length; ++i) text += "{}[]\",:\\ a1"[*rc::gen::inRange(0, 11)];
  const auto is_inside = [&](std::string_view part) {
    return part.empty() ||
           (part.data() >= text.data() && part.data() + part.size() <= text.data() + text.size());
  };
  std::size_t steps = 0;
  JsonArrayWalker array(text);
  while (const auto value = array.next()) RC_ASSERT(is_inside(*value) && ++steps < 100);
  JsonObjectWalker object(text);
  while (const auto member = object.next()) {
    RC_ASSERT(is_inside(member->key) && is_inside(member->value) && ++steps < 100);
  }
}

}  // namespace
}  // namespace verity::http
