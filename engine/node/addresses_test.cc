#include "engine/node/addresses.h"

#include "engine/node/testing/links.h"

#include <gtest/gtest.h>

namespace verity::node {
namespace {

using Strings = std::vector<std::string>;
using testing::Links;

consensus::MemberSet members(std::initializer_list<std::uint64_t> ids) {
  consensus::MemberSet set;
  for (const std::uint64_t id : ids) set.add({NodeId{id}, {}});
  return set;
}
Instant at(Duration time) {
  return Instant{} + time;
}

TEST(Addresses, WhoeverIsNoMemberAnyMoreIsDialledNoMore) {
  Links links;
  Addresses addresses(&links, NodeId{1});
  addresses.learn(NodeId{1}, "node1:7001");
  for (const std::uint64_t id : {4, 5}) addresses.learn(NodeId{id}, "node" + std::to_string(id) + ":7001");
  addresses.set_members(members({1, 2, 3, 4, 5}));
  EXPECT_EQ(links.reached, (Strings{"node4:7001", "node5:7001"})) << "the others stand in cluster_peers";
  addresses.set_members(members({1, 2, 3}));
  EXPECT_EQ(links.reached, Strings{});
}

TEST(Addresses, WhatAnOperatorWantsIsDialledForAsLongAsItIsAskedFor) {
  Links links;
  Addresses addresses(&links, NodeId{1});
  addresses.set_members(members({1}));
  addresses.want(NodeId{2}, "wrong:7001", at(0s));
  EXPECT_EQ(links.reached, Strings{"wrong:7001"});
  addresses.want(NodeId{2}, "wrong:7001", at(20s));
  addresses.tend(at(Addresses::wanted_time));
  EXPECT_EQ(links.reached, Strings{"wrong:7001"}) << "it was asked for again";
  addresses.tend(at(20s + Addresses::wanted_time));
  EXPECT_EQ(links.reached, Strings{});
  EXPECT_EQ(addresses.of(NodeId{2}), "");
}

TEST(Addresses, AnotherAddressTakesThePlaceOfAWrongOne) {
  Links links;
  Addresses addresses(&links, NodeId{1});
  addresses.set_members(members({1}));
  addresses.want(NodeId{2}, "wrong:7001", at(0s));
  addresses.want(NodeId{2}, "node2:7001", at(1s));
  EXPECT_EQ(links.reached, Strings{"node2:7001"});
  addresses.give_up(NodeId{2});
  EXPECT_EQ(links.reached, Strings{});
}

TEST(Addresses, WhatStandsInTheLogIsNotForgottenWithTime) {
  Links links;
  Addresses addresses(&links, NodeId{1});
  addresses.want(NodeId{2}, "node2:7001", at(0s));
  addresses.learn(NodeId{2}, "node2:7001");
  addresses.set_members(members({1, 2}));
  addresses.tend(at(1h));
  EXPECT_EQ(links.reached, Strings{"node2:7001"});
}

TEST(Addresses, FoundersAreWhereTheyAnswered) {
  Links links;
  links.rows.push_back({.id = NodeId{3}, .address = "127.0.0.1:7103", .connected = true});
  const Addresses addresses(&links, NodeId{1});
  EXPECT_EQ(addresses.shown(NodeId{1}), "node1:7001");
  EXPECT_EQ(addresses.shown(NodeId{2}), "");
  EXPECT_EQ(addresses.shown(NodeId{3}), "127.0.0.1:7103");
  EXPECT_EQ(addresses.of(NodeId{3}), "") << "that is no word to keep";
}

}  // namespace
}  // namespace verity::node
