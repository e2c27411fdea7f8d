// Frames of the cluster port and what the handshake carries in them. The first byte chooses: a stream as it is, a stream
// whose checksums are put right first so that mutations reach what lies behind them, a hello, a refusal.
//
// A stream is judged the same however its bytes arrive; whatever is accepted is what its encoding gives.
#include "net/frame/frame.h"
#include "engine/log/checksum.h"
#include "fuzz/fuzz_input.h"
#include "net/peer/hello.h"

#include <algorithm>
#include <optional>
#include <string>

namespace {

using namespace verity;

constexpr ByteCount payload_bytes_max = 4096;

// What came out of a stream: every frame encoded again, then the error.
struct Outcome {
  std::string frames;
  std::optional<ErrorCode> error;

  bool operator==(const Outcome&) const = default;
};

Outcome decode(ByteView stream, std::size_t piece) {
  frame::Decoder decoder(payload_bytes_max);
  Outcome outcome;
  while (true) {
    const auto frame = decoder.next();
    if (!frame) {
      FUZZ_CHECK(!frame.error().message.empty());
      outcome.error = frame.error().code;
      return outcome;
    }
    if (*frame) {
      Bytes again;
      frame::append_frame(again, (*frame)->head, (*frame)->payload);
      outcome.frames += as_text(again);
      FUZZ_CHECK(decoder.offset() == outcome.frames.size());
      continue;
    }
    if (stream.empty()) break;
    const MutableByteView room = decoder.room();
    FUZZ_CHECK(!room.empty());
    const ByteView part = stream.first(std::min({piece, stream.size(), room.size()}));
    std::ranges::copy(part, room.begin());
    decoder.added(part.size());
    stream = stream.subspan(part.size());
  }
  if (!decoder.check_end()) outcome.error = ErrorCode::corrupt;
  return outcome;
}

void check_stream(std::string_view text) {
  const Outcome whole = decode(as_bytes(text), text.size() + 1);
  FUZZ_CHECK(text.starts_with(whole.frames));
  FUZZ_CHECK(whole.error || whole.frames == text);
  for (const std::size_t piece : {1, 39, 41}) FUZZ_CHECK(decode(as_bytes(text), piece) == whole);
}

void put_checksums_right(std::string& text) {
  for (std::size_t at = 0; at + frame::header_bytes <= text.size();) {
    char* const header = text.data() + at;
    std::uint32_t payload_bytes = 0;
    std::memcpy(&payload_bytes, header + 8, sizeof payload_bytes);
    const std::size_t size = std::min<std::size_t>(payload_bytes, text.size() - at - frame::header_bytes);
    const std::uint64_t payload = checksum64(as_bytes(std::string_view(header + frame::header_bytes, size)));
    std::memcpy(header + 24, &payload, sizeof payload);
    const std::uint64_t own = checksum64(as_bytes(std::string_view(header, 32)));
    std::memcpy(header + 32, &own, sizeof own);
    at += frame::header_bytes + size;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  switch (input.take_byte() % 4) {
    case 0:
      check_stream(input.rest());
      break;
    case 1: {
      std::string text(input.rest());
      put_checksums_right(text);
      check_stream(text);
      break;
    }
    case 2: {
      const auto hello = peer::decode_hello(as_bytes(input.rest()));
      if (!hello) break;
      FUZZ_CHECK(input.rest().starts_with(as_text(peer::encode_hello(*hello))));
      FUZZ_CHECK(!hello->hello.describe().empty());
      break;
    }
    default: {
      const auto refusal = peer::decode_refusal(as_bytes(input.rest()));
      if (!refusal) break;
      FUZZ_CHECK(input.rest().starts_with(as_text(peer::encode_refusal(*refusal))));
      FUZZ_CHECK(peer::printable(refusal->sentence).size() <= 203);
      break;
    }
  }
  return 0;
}
