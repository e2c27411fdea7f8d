#include "net/native/messages.h"

#include <gtest/gtest.h>

namespace verity::native {
namespace {

template <class T, class Decode>
void expect_same(const T& value, Decode decode) {
  const Bytes bytes = encode(value);
  const auto got = decode(ByteView(bytes));
  ASSERT_TRUE(got) << got.error().describe();
  EXPECT_EQ(encode(*got), bytes);
  for (std::size_t cut = 0; cut < bytes.size(); ++cut)
    EXPECT_FALSE(decode(ByteView(bytes).first(cut))) << cut;
  Bytes longer = bytes;
  longer.push_back(std::byte{0});
  EXPECT_FALSE(decode(ByteView(longer)));
}

TEST(NativeMessages, ArriveAsTheyWere) {
  expect_same(Hello{1, 3, "an application"}, decode_hello);
  expect_same(Leader{{3}, "node3:7000"}, decode_leader);
  expect_same(Welcome{.node = {2},
                      .cluster_id = {{7}},
                      .requests_max = 256,
                      .bytes_max = 1 * MiB,
                      .numbers_kept = 7,
                      .leader = {{1}, "n:1"}},
              decode_welcome);
  Read read{.request = {.tenant = "t", .stream = "s", .subject = "p"}, .wait = 30s};
  read.request.from = node::ReadFrom::at(node::EventToken{{42}, 3});
  read.request.direction = node::Direction::backward;
  read.request.consistency = node::Consistency::stale;
  read.request.at_least = {7};
  expect_same(read, decode_read);
  node::EventPage page;
  page.events.push_back({"s", {1}, {42}, 3, "p", {0}, "moved", "{ }", "", "id", {99}});
  page.next = node::ReadFrom::at(Revision{2});
  page.at_end = true;
  page.head = {50};
  page.last_revision = Revision{1};
  expect_same(page, decode_page);
}

TEST(NativeMessages, WhatCannotBeIsRefused) {
  EXPECT_FALSE(
      decode_welcome(encode(Welcome{.node = {1}, .cluster_id = {}, .requests_max = 0, .bytes_max = 1})));
  EXPECT_FALSE(decode_leader(encode(Leader{{8}, ""})));
  EXPECT_FALSE(decode_read(encode(Read{.request = {.tenant = "t", .limit = 0}})));
  EXPECT_FALSE(decode_read(encode(Read{.request = {.tenant = "t"}, .wait = 61s})));
}

}  // namespace
}  // namespace verity::native
