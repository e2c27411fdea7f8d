#include "engine/node/boots.h"

#include "engine/node/state_file.h"

#include <gtest/gtest.h>

namespace verity::node {
namespace {

const consensus::Member peer{NodeId{2}, {}};
const Boot seventh{7, {}};

TEST(Boots, CountOnceTheyAreDurable) {
  DurableState state;
  Boots boots(state);
  boots.connected(peer, seventh);
  EXPECT_FALSE(boots.counts(peer));
  boots.write_down({});
  EXPECT_FALSE(boots.counts(peer));
  boots.saved();
  EXPECT_TRUE(boots.counts(peer));
  EXPECT_FALSE(boots.is_behind());
  boots.connected(peer, seventh);
  EXPECT_TRUE(boots.counts(peer)) << "it is known";
}

TEST(Boots, ALinkThatComesBackMeanwhileChangesNothing) {
  DurableState state;
  Boots boots(state);
  boots.connected(peer, seventh);
  boots.write_down({});
  boots.connected(peer, seventh);  // it stands in the state, and is not durable
  EXPECT_FALSE(boots.counts(peer));
  boots.saved();
  EXPECT_TRUE(boots.counts(peer));
}

TEST(Boots, ALaterStartWaitsForItsOwnWrite) {
  DurableState state;
  Boots boots(state);
  boots.connected(peer, seventh);
  boots.write_down({});
  boots.connected(peer, {8, {}});
  boots.saved();
  EXPECT_FALSE(boots.counts(peer));
  boots.write_down({});
  boots.saved();
  EXPECT_TRUE(boots.counts(peer));
  ASSERT_EQ(state.known.size(), 1u);
  EXPECT_EQ(state.known[0].boot.number, 8u);
}

}  // namespace
}  // namespace verity::node
