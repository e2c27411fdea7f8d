// What the nodes of a cluster say to one another: replication, founding, clocks, changes of the members. The first byte is the
// type of the message, as on the wire; 100 and 101 stand for what a question and its answer carry. (The other questions are met by
// native.cc, the frames around all of it by frame.cc.)
//
// Whatever is taken can be printed and judged, comes out of its encoding as it went in, and takes no more room there.
#include "engine/consensus/message.h"
#include "engine/node/forwarding_codec.h"
#include "engine/node/founding_codec.h"
#include "engine/node/message_codec.h"
#include "fuzz/fuzz_input.h"

namespace {

using namespace verity;
using node::encode;

constexpr std::uint32_t newest = 2;
constexpr NodeId sender{1};
constexpr std::uint8_t members_change = 100;
constexpr std::uint8_t members_progress = 101;

Bytes bytes_of(node::PeerMessage message) {
  for (const log::EntryPtr& entry : message.entries)
    message.head.insert(message.head.end(), entry->bytes().begin(), entry->bytes().end());
  return std::move(message.head);
}
Bytes bytes_of(Bytes bytes) {
  return bytes;
}

template <class Decode, class Encode>
void check(ByteView bytes, Decode decode, Encode encode) {
  const auto got = decode(bytes);
  if (!got) {
    FUZZ_CHECK(!got.error().message.empty());
    return;
  }
  const Bytes first = bytes_of(encode(*got));
  FUZZ_CHECK(first.size() == bytes.size());
  const auto again = decode(first);
  FUZZ_CHECK(again.has_value());
  FUZZ_CHECK(bytes_of(encode(*again)) == first);
}

void check_replication(std::uint16_t type, ByteView bytes) {
  const std::uint32_t release = ByteReader(bytes).get<std::uint16_t>().value_or(0);
  const auto decode = [&](ByteView from) { return node::decode(type, from, newest, sender); };
  check(bytes, decode, [&](const consensus::Message& message) {
    static_cast<void>(consensus::what_is_wrong(message));  // lies are its to find; it must not stumble
    FUZZ_CHECK(!consensus::describe(message).empty());
    return encode(message, release, sender);
  });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  const std::uint8_t type = input.take_byte();
  const ByteView bytes = as_bytes(input.rest());
  const auto encoded = [](const auto& message) { return encode(message); };
  if (node::is_founding(type)) {
    check(
        bytes, [&](ByteView from) { return node::decode_founding(type, from); }, encoded);
  } else if (type == node::clock_question_type) {
    check(bytes, node::decode_clock_question, encoded);
  } else if (type == node::clock_answer_type) {
    check(bytes, node::decode_clock_answer, encoded);
  } else if (type == members_change) {
    check(bytes, node::decode_members_change, encoded);
  } else if (type == members_progress) {
    check(bytes, node::decode_members_progress, encoded);
  } else {
    check_replication(type, bytes);
  }
  return 0;
}
