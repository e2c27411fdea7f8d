#include "engine/node/message_codec.h"

#include "engine/log/body.h"

#include <gtest/gtest.h>

namespace verity::node {
namespace {

using consensus::EntryInfo;
using consensus::Message;

constexpr std::uint32_t newest = 2;
constexpr NodeId sender{3};

consensus::Member member(std::uint64_t id) {
  consensus::Member some{NodeId{id}, {}};
  some.incarnation.bytes[0] = static_cast<std::uint8_t>(0xa0 + id);
  return some;
}
consensus::MemberSet members() {
  consensus::MemberSet set;
  for (const std::uint64_t id : {1, 2, 3}) set.add(member(id));
  return set;
}
Sha256Digest digest(std::uint8_t number) {
  Sha256Digest hash;
  hash.bytes.fill(number);
  return hash;
}

log::EntryPtr entry(std::uint64_t position, std::uint32_t release = 1) {
  log::EntryHeader header;
  header.kind = log::EntryKind::settled;
  header.position = Position{position};
  header.release = release;
  header.proposer = release >= log::named_since ? 1 : 0;
  Bytes body;
  log::encode(log::SettledBody{Position{1}}, body);
  return log::Entry::make(header, body);
}
consensus::EntryRange range(std::initializer_list<log::EntryPtr> entries) {
  consensus::EntryRange range{.first = (*entries.begin())->position(), .last = {}, .entries = {}};
  for (const log::EntryPtr& one : entries) range.entries.push_back(*describe_entry(one));
  range.last = range.entries.back().position;
  return range;
}
// Behind position 8: one entry that changes the members, one that settles it, one that founds.
std::vector<EntryInfo> tail() {
  std::vector<EntryInfo> tail;
  for (std::uint8_t i = 0; i < 3; ++i) {
    EntryInfo info{.position = Position{9U + i},
                   .view = View{i},
                   .hash = digest(static_cast<std::uint8_t>(20 + i)),
                   .parent = digest(static_cast<std::uint8_t>(19 + i)),
                   .bytes = 400U + i};
    if (i != 1) info.voters = std::make_shared<const consensus::MemberSet>(members());
    info.settles = i == 1;
    info.founds = i == 2;
    tail.push_back(std::move(info));
  }
  return tail;
}

// One of each kind, with something in every field.
std::vector<Message> samples() {
  const View view{7};
  return {
      consensus::Prepare{view, Position{4}, range({entry(5), entry(6)})},
      consensus::PrepareOk{view, Position{5}, digest(5), Position{6}, 11, 12},
      consensus::Heartbeat{view, Position{4}, Position{6}, 11, 12},
      consensus::Suspect{view},
      consensus::Vote{view, member(2), View{3}, Position{8}, digest(19), members(), tail(), Position{6}},
      consensus::StartView{view, Position{8}, digest(19), tail()},
      consensus::AskStartView{view},
      consensus::NewerView{view},
      consensus::Fetch{view, Position{5}, Position{9}},
      consensus::Fetched{view, Position{4}, range({entry(5)})},
      consensus::TakeOver{view},
      consensus::AskLog{view, Position{8}, digest(8)},
      consensus::WholeLog{view, View{3}, Position{8}, digest(19), tail()},
      consensus::Heard{view},
  };
}

Bytes bytes_of(const Message& message, std::uint32_t release = 1) {
  PeerMessage encoded = encode(message, release, sender);
  for (const log::EntryPtr& one : encoded.entries)
    encoded.head.insert(encoded.head.end(), one->bytes().begin(), one->bytes().end());
  return encoded.head;
}
std::uint16_t type_of(const Message& message) {
  return encode(message, 1, sender).type;
}

std::string refusal(const Message& message, ByteView bytes) {
  const Result<Message> got = decode(type_of(message), bytes, newest, sender);
  return got ? "taken" : std::string(describe(got.error().code)) + ": " + got.error().message;
}

TEST(MessageCodec, EveryKindArrivesAsItWas) {
  const std::vector<Message> all = samples();
  ASSERT_EQ(all.size(), std::variant_size_v<Message>);
  for (std::size_t i = 0; i < all.size(); ++i) {
    ASSERT_EQ(all[i].index(), i);
    for (const std::uint32_t release : {1U, log::named_since}) {
      const Bytes bytes = bytes_of(all[i], release);
      const Result<Message> got = decode(type_of(all[i]), bytes, newest, sender);
      ASSERT_TRUE(got) << describe(all[i]) << ": " << got.error().describe();
      EXPECT_EQ(describe(*got), describe(all[i]));
      EXPECT_EQ(bytes_of(*got, release), bytes) << describe(all[i]);
    }
  }
}

TEST(MessageCodec, ATailCarriesWhatTheProtocolHasToKnow) {
  const Message vote = samples()[4];
  const Result<Message> decoded = decode(type_of(vote), bytes_of(vote), newest, sender);
  ASSERT_TRUE(decoded);
  const auto& got = std::get<consensus::Vote>(*decoded);
  EXPECT_EQ(got.unknown_from, Position{6});
  EXPECT_EQ(got.voters, members());
  ASSERT_EQ(got.tail.size(), 3u);
  EXPECT_EQ(got.tail[0].position, Position{9});
  EXPECT_EQ(got.tail[0].parent, digest(19));
  EXPECT_EQ(got.tail[2].parent, digest(21));
  EXPECT_EQ(*got.tail[0].voters, members());
  EXPECT_TRUE(got.tail[1].settles);
  EXPECT_EQ(got.tail[1].voters, nullptr);
  EXPECT_TRUE(got.tail[2].founds);
  EXPECT_EQ(got.tail[2].bytes, 402u);
}

TEST(MessageCodec, WhatIsCutOffOrTooLongIsRefused) {
  for (const Message& message : samples()) {
    Bytes bytes = bytes_of(message);
    for (std::size_t size = 0; size < bytes.size(); ++size)
      EXPECT_NE(refusal(message, ByteView(bytes).first(size)), "taken") << describe(message) << " " << size;
    bytes.push_back(std::byte{0});
    EXPECT_NE(refusal(message, bytes).find("1 bytes too many"), std::string::npos) << refusal(message, bytes);
  }
  EXPECT_FALSE(decode(15, bytes_of(consensus::Suspect{}), newest, sender));
  EXPECT_FALSE(decode(30, bytes_of(consensus::Suspect{}), newest, sender));
}

TEST(MessageCodec, ALaterReleaseIsRefused) {
  const Message suspect = consensus::Suspect{View{7}};
  EXPECT_TRUE(refusal(suspect, bytes_of(suspect, 3)).starts_with("unsupported: a message of release 3"));
  EXPECT_TRUE(refusal(suspect, bytes_of(suspect, 0)).starts_with("unsupported: a message of release 0"));
  const Message prepare = consensus::Prepare{View{7}, Position{4}, range({entry(5, 2)})};
  EXPECT_EQ(refusal(prepare, bytes_of(prepare)), "taken");
  EXPECT_FALSE(decode(type_of(prepare), bytes_of(prepare), 1, sender)) << "its entry is of release 2";
}

TEST(MessageCodec, WhoSpeaksInAnothersNameIsRefused) {
  const Message suspect = consensus::Suspect{View{7}};
  EXPECT_FALSE(decode(type_of(suspect), bytes_of(suspect, 2), newest, NodeId{1}));
  EXPECT_TRUE(decode(type_of(suspect), bytes_of(suspect, 1), newest, NodeId{1})) << "nobody was named then";
}

TEST(MessageCodec, EntriesOutOfOrderAreRefused) {
  const Message prepare = consensus::Prepare{View{7}, Position{4}, range({entry(5), entry(7)})};
  EXPECT_NE(refusal(prepare, bytes_of(prepare)).find("entries are not in order"), std::string::npos);
}

TEST(MessageCodec, MembersThatCannotBeAreRefused) {
  consensus::Vote vote = std::get<consensus::Vote>(samples()[4]);
  vote.candidate.id = NodeId{8};
  EXPECT_NE(refusal(vote, bytes_of(vote)).find("node id 8; 1..7 are allowed"), std::string::npos);
  vote.candidate.id = NodeId{0};
  EXPECT_NE(refusal(vote, bytes_of(vote)).find("node id 0; 1..7 are allowed"), std::string::npos);
  Bytes bytes = bytes_of(samples()[4]);
  // release, view, candidate, log_view, committed with its hash; then the voters.
  const std::size_t voters = 2 + 8 + 17 + 8 + 8 + 32;
  ASSERT_EQ(bytes[voters], std::byte{3});
  Bytes twice = bytes;
  std::copy_n(bytes.begin() + voters + 1, 17, twice.begin() + voters + 1 + 17);
  EXPECT_NE(refusal(vote, twice).find("a member twice"), std::string::npos);
  bytes[voters] = std::byte{15};
  EXPECT_NE(refusal(vote, bytes).find("a set of 15 members"), std::string::npos);
}

}  // namespace
}  // namespace verity::node
