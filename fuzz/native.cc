// What native clients and servers say to one another, and what nodes forward for their clients. The first byte chooses the
// message. Whatever is accepted is exactly what its encoding gives.
#include "engine/node/forwarding_codec.h"
#include "fuzz/fuzz_input.h"
#include "net/native/messages.h"

#include <array>

namespace {

using namespace verity;
using native::encode;
using node::encode;

template <class Decode>
void check(ByteView bytes, Decode decode) {
  const auto got = decode(bytes);
  if (!got) {
    FUZZ_CHECK(!got.error().message.empty());
    return;
  }
  FUZZ_CHECK(as_text(encode(*got)) == as_text(bytes));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  constexpr std::array checks = {
      +[](ByteView bytes) { check(bytes, native::decode_hello); },
      +[](ByteView bytes) { check(bytes, native::decode_welcome); },
      +[](ByteView bytes) { check(bytes, native::decode_leader); },
      +[](ByteView bytes) { check(bytes, native::decode_read); },
      +[](ByteView bytes) { check(bytes, native::decode_page); },
      +[](ByteView bytes) { check(bytes, node::decode_append); },
      +[](ByteView bytes) { check(bytes, node::decode_receipt); },
      +[](ByteView bytes) { check(bytes, node::decode_refusal); },
      +[](ByteView bytes) { check(bytes, node::decode_tenant); },
      +[](ByteView bytes) { check(bytes, node::decode_report); },
  };
  const std::size_t which = input.take_byte() % checks.size();
  checks[which](as_bytes(input.rest()));
  return 0;
}
