#include "engine/node/state_file.h"

#include "io/fiber/sanitizer.h"

#include <gtest/gtest.h>

namespace verity::node {
namespace {

DurableState sample() {
  DurableState state;
  state.sequence = 7;
  state.cluster_id.bytes.fill(1);
  state.epoch.bytes.fill(2);
  state.cluster_name = "production \"one\"";
  state.node_id = NodeId{1};
  state.incarnation.bytes.fill(3);
  state.boot_number = 12;
  state.founded = true;
  state.running = "fsync";
  state.durable_position = Position{42};
  state.members.at = Position{30};
  state.members.before_at = Position{20};
  state.members.settled_at = Position{31};
  const consensus::Member self{NodeId{1}, state.incarnation};
  state.members.before.add(self);
  state.members.seats = {
      {self, ""}, {{NodeId{2}, state.epoch}, "node2:7001"}, {{NodeId{3}, state.epoch}, ""}};
  state.release = {2, Position{35}};
  return state;
}

TEST(StateFile, DecodesToWhatWasEncoded) {
  const std::string text = encode_state(sample());
  EXPECT_EQ(text.size(), 8192u);
  EXPECT_EQ(decode_state(text), sample());
}

TEST(StateFile, KeepsWhichStartsWereHeard) {
  DurableState state = sample();
  state.known = {{{NodeId{2}, state.epoch}, {17, state.cluster_id}},
                 {{NodeId{3}, state.cluster_id}, {1, state.epoch}}};
  state.outdated = true;
  EXPECT_EQ(decode_state(encode_state(state)), state);
}

TEST(StateFile, KeepsWhatWasDoneByForce) {
  DurableState state = sample();
  state.refounding = Refounding{.at = Position{50},
                                .founded_at = Timestamp{12},
                                .epoch = state.epoch,
                                .epoch_before = state.cluster_id,
                                .members_before = state.members.before,
                                .answered = {},
                                .committed = Position{40},
                                .confirmed = Position{42},
                                .unknown_from = Position{45},
                                .heard = Position{60},
                                .heard_from = NodeId{3}};
  EXPECT_EQ(decode_state(encode_state(state)), state);
}

// Under a sanitizer everything takes many times as long: it sees a sample.
#if defined(VERITY_ASAN) || defined(VERITY_TSAN)
constexpr std::size_t bit_stride = 9;
#else
constexpr std::size_t bit_stride = 1;
#endif

TEST(StateFile, EveryFlippedBitIsFoundOrHarmless) {
  std::string text = encode_state(sample());
  for (std::size_t bit = 0; bit < text.size() * 8; bit += bit_stride) {
    text[bit / 8] = static_cast<char>(text[bit / 8] ^ (1 << (bit % 8)));
    const Result<DurableState> decoded = decode_state(text);
    if (decoded) {
      EXPECT_EQ(*decoded, sample()) << "bit " << bit;
    } else {
      EXPECT_EQ(decoded.error().code, ErrorCode::corrupt) << "bit " << bit;
    }
    text[bit / 8] = static_cast<char>(text[bit / 8] ^ (1 << (bit % 8)));
  }
}

TEST(StateFile, RefusesNonsenseByName) {
  EXPECT_EQ(decode_state("").error().message, "there is no checksum");
  EXPECT_EQ(decode_state("{\"checksum\"").error().message, "it is cut off");
}

}  // namespace
}  // namespace verity::node
