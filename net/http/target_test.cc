#include "net/http/target.h"

#include "net/http/read_parameters.h"

#include <gtest/gtest.h>

namespace verity::http {
namespace {

using Segments = std::vector<std::string>;

TEST(Target, SegmentsAndParametersAreDecoded) {
  const auto target = parse_target("/v1/caf%C3%A9/a%2Fb/?from=7&subject=p+1%262&empty=&flag");
  ASSERT_TRUE(target) << target.error();
  EXPECT_EQ(target->segments, (Segments{"v1", "café", "a/b", ""}));
  EXPECT_EQ(target->parameter("from"), "7");
  EXPECT_EQ(target->parameter("subject"), "p 1&2");
  EXPECT_EQ(target->parameter("empty"), "");
  EXPECT_EQ(target->parameter("flag"), "");
  EXPECT_FALSE(target->parameter("other"));
}

TEST(Target, OtherForms) {
  EXPECT_EQ(parse_target("/")->segments, Segments{});
  EXPECT_EQ(parse_target("//")->segments, (Segments{"", ""}));
  EXPECT_EQ(parse_target("http://host:7000/status?x=1")->segments, Segments{"status"});
  EXPECT_EQ(parse_target("/a+b")->segments, Segments{"a+b"});
}

TEST(Target, Refusals) {
  for (const char* text : {"", "*", "status", "/%", "/%2", "/%g0", "/?a=%zz", "/?a=1&a=2",
                           "/1/2/3/4/5/6/7/8/9/a/b/c/d/e/f/g/h", "/?a&b&c&d&e&f&g&h&i&j&k&l&m&n&o&p&q"}) {
    EXPECT_FALSE(parse_target(text)) << text;
  }
}

TEST(ReadParameters, Durations) {
  EXPECT_EQ(parse_wait("30s"), 30s);
  EXPECT_EQ(parse_wait("30"), 30s);
  EXPECT_EQ(parse_wait("500ms"), 500ms);
  EXPECT_EQ(parse_wait("1m"), 60s);
  EXPECT_EQ(parse_wait("0"), 0s);
  for (const char* text : {"", "s", "-1", "1.5s", "1h", "1 s", "99999999999", "4294967295m"}) {
    EXPECT_FALSE(parse_wait(text)) << text;
  }
}

TEST(ReadParameters, BackwardStartsAtTheEnd) {
  const auto target = parse_target("/?direction=backward");
  const auto parameters = parse_read_parameters(*target, ReadScope::stream);
  ASSERT_TRUE(parameters);
  EXPECT_EQ(parameters->request.from.kind, node::ReadFrom::Kind::end);
}

TEST(ReadParameters, ANumberMeansARevisionInAStreamAndAPositionInATenant) {
  const auto target = parse_target("/?from=7");
  EXPECT_EQ(parse_read_parameters(*target, ReadScope::stream)->request.from.kind,
            node::ReadFrom::Kind::revision);
  const auto in_tenant = parse_read_parameters(*target, ReadScope::tenant);
  EXPECT_EQ(in_tenant->request.from.kind, node::ReadFrom::Kind::token);
  EXPECT_EQ(in_tenant->request.from.token, (node::EventToken{Position{7}, 0}));
}

TEST(ReadParameters, ResumingIsBehindTheEvent) {
  const auto target = parse_target("/?from=1");
  const auto parameters = parse_subscription(*target, ReadScope::stream, "42.4294967295");
  ASSERT_TRUE(parameters);
  EXPECT_EQ(parameters->request.from.token, (node::EventToken{Position{43}, 0}));
  EXPECT_EQ(after({Position{42}, 2}), (node::EventToken{Position{42}, 3}));
  const node::EventToken last{Position{UINT64_MAX}, UINT32_MAX};
  EXPECT_EQ(after(last), last);
  EXPECT_FALSE(parse_subscription(*target, ReadScope::stream, "42"));
}

}  // namespace
}  // namespace verity::http
