// Frames: how messages are cut out of a connection's bytes, and how damage is noticed. Grammar and checks:
// docs/format/frame.md. No sockets here: bytes in, frames or an error out.
//
//   socket.read(wait, decoder.room()) ─► decoder.added(n) ─► decoder.next() ─► Frame, "need more" or the error
#pragma once

#include "io/base/bytes.h"
#include "io/base/result.h"
#include "io/base/units.h"

#include <array>
#include <cstdint>
#include <optional>
#include <span>

namespace verity::frame {

inline constexpr std::size_t header_bytes = 40;
inline constexpr ByteCount payload_bytes_limit = 16 * MiB;
inline constexpr std::uint8_t version = 1;

// What a sender says about a frame; sizes and checksums follow from the payload.
struct Head {
  std::uint8_t lane = 0;
  std::uint16_t type = 0;
  std::uint64_t sequence = 0;

  bool operator==(const Head&) const = default;
};

struct Frame {
  Head head;
  ByteView payload;  // into the decoder's buffer, until its next call

  std::string describe() const;
};

using EncodedHeader = std::array<std::byte, header_bytes>;

// The header that goes in front of the parts, written one after the other. Together they are at most
// payload_bytes_limit.
EncodedHeader encode_header(const Head& head, std::span<const ByteView> payload_parts);
// Appends a whole frame.
void append_frame(Bytes& out, const Head& head, ByteView payload);

// Takes the bytes of one direction of one connection. Memory grows with the bytes that came, not with what a
// header announces, and is given back after a large frame.
class Decoder {
 public:
  explicit Decoder(ByteCount payload_bytes_max = payload_bytes_limit);

  // Where the next bytes go; never empty. Ends the life of the last frame.
  MutableByteView room();
  // `count` bytes were put to the front of room().
  void added(std::size_t count);

  // The next frame, or nothing until more bytes come. The first error stays for ever: corrupt, unsupported
  // (another version) or limit_exceeded; each names the offset in the stream and what was found there.
  Result<std::optional<Frame>> next();
  // To be asked when the stream has ended: corrupt if that was inside a frame.
  Status check_end() const;

  // From the next frame on.
  void set_payload_bytes_max(ByteCount payload_bytes_max);
  void expect_sequence(std::uint64_t sequence) { sequence_ = sequence; }

  // Of frames that next() has not returned yet.
  ByteCount held_bytes() const { return end_ - begin_; }
  // Where in the stream the next frame begins.
  ByteCount offset() const { return offset_; }

 private:
  ByteView buffered() const { return ByteView(buffer_).subspan(begin_, end_ - begin_); }
  Status check_header(ByteView header);

  ByteCount payload_bytes_max_;
  Bytes buffer_;
  // Invariant: begin_ <= end_ <= buffer_.size(); buffer_[begin_] is byte offset_ of the stream.
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  ByteCount offset_ = 0;
  std::uint64_t sequence_ = 0;
  std::optional<std::size_t> payload_bytes_;  // of the frame at begin_, once its header is believed
  std::optional<Error> failed_;
};

}  // namespace verity::frame
