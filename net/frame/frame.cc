#include "net/frame/frame.h"

#include "io/base/assert.h"

#define XXH_STATIC_LINKING_ONLY  // the streaming state on the stack
#include <xxhash.h>

#include <algorithm>
#include <cstdio>

namespace verity::frame {

namespace {

constexpr std::uint32_t magic_value = 0x4D465256;
constexpr std::size_t version_offset = 4;
constexpr std::size_t small_buffer_bytes = 16 * KiB;
// Up to here a buffer grows at once and is kept; beyond it grows with what has come and is given back.
constexpr std::size_t kept_buffer_bytes = MiB + 64 * KiB;

struct WireHeader {
  std::uint32_t magic = magic_value;
  std::uint8_t version = frame::version;
  std::uint8_t lane = 0;
  std::uint16_t type = 0;
  std::uint32_t payload_bytes = 0;
  std::uint32_t reserved = 0;
  std::uint64_t sequence = 0;
  std::uint64_t payload_checksum = 0;
  std::uint64_t header_checksum = 0;
};
static_assert(sizeof(WireHeader) == header_bytes);
static_assert(offsetof(WireHeader, version) == version_offset);
static_assert(offsetof(WireHeader, header_checksum) == header_bytes - 8);

std::uint64_t checksum(ByteView bytes) {
  return XXH3_64bits(bytes.data(), bytes.size());
}

std::uint64_t checksum(std::span<const ByteView> parts) {
  if (parts.size() == 1) return checksum(parts.front());
  XXH3_state_t state;
  XXH3_INITSTATE(&state);
  XXH3_64bits_reset(&state);
  for (const ByteView part : parts) XXH3_64bits_update(&state, part.data(), part.size());
  return XXH3_64bits_digest(&state);
}

std::string hex(std::uint64_t value) {
  std::array<char, 24> text{};
  std::snprintf(text.data(), text.size(), "0x%llx", static_cast<unsigned long long>(value));
  return text.data();
}

WireHeader decode(ByteView header) {
  WireHeader wire;
  std::memcpy(&wire, header.data(), sizeof wire);
  return wire;
}

}  // namespace

std::string Frame::describe() const {
  return "frame lane=" + std::to_string(head.lane) + " type=" + std::to_string(head.type) +
         " sequence=" + std::to_string(head.sequence) + " payload=" + std::to_string(payload.size());
}

EncodedHeader encode_header(const Head& head, std::span<const ByteView> payload_parts) {
  ByteCount payload_bytes = 0;
  for (const ByteView part : payload_parts) payload_bytes += part.size();
  VERITY_ASSERT_NOTE(payload_bytes <= payload_bytes_limit,
                     "a frame's payload is larger than the format allows");
  WireHeader wire;
  wire.lane = head.lane;
  wire.type = head.type;
  wire.payload_bytes = static_cast<std::uint32_t>(payload_bytes);
  wire.sequence = head.sequence;
  wire.payload_checksum = checksum(payload_parts);
  EncodedHeader out;
  std::memcpy(out.data(), &wire, sizeof wire);
  wire.header_checksum = checksum(ByteView(out).first(offsetof(WireHeader, header_checksum)));
  std::memcpy(out.data(), &wire, sizeof wire);
  return out;
}

void append_frame(Bytes& out, const Head& head, ByteView payload) {
  put_bytes(out, encode_header(head, std::span(&payload, 1)));
  put_bytes(out, payload);
}

Decoder::Decoder(ByteCount payload_bytes_max) {
  set_payload_bytes_max(payload_bytes_max);
}

void Decoder::set_payload_bytes_max(ByteCount payload_bytes_max) {
  VERITY_ASSERT(payload_bytes_max <= payload_bytes_limit);
  payload_bytes_max_ = payload_bytes_max;
}

MutableByteView Decoder::room() {
  if (begin_ == end_) begin_ = end_ = 0;
  if (buffer_.empty() || (end_ == 0 && buffer_.size() > kept_buffer_bytes))
    buffer_ = Bytes(small_buffer_bytes);
  const std::size_t wanted = header_bytes + payload_bytes_.value_or(0);
  if (begin_ > 0 && (end_ == buffer_.size() || buffer_.size() - begin_ < wanted)) {
    std::copy(buffer_.begin() + static_cast<std::ptrdiff_t>(begin_),
              buffer_.begin() + static_cast<std::ptrdiff_t>(end_), buffer_.begin());
    end_ -= begin_;
    begin_ = 0;
  }
  if (end_ == buffer_.size()) {
    const std::size_t step = std::max(buffer_.size() * 2, kept_buffer_bytes);
    buffer_.resize(std::max(buffer_.size() + 1, std::min(step, wanted)));
  }
  return MutableByteView(buffer_).subspan(end_);
}

void Decoder::added(std::size_t count) {
  VERITY_ASSERT(count <= buffer_.size() - end_);
  end_ += count;
}

// What can be said already of a header of which the first bytes have come, at most header_bytes of them.
Status Decoder::check_header(ByteView header) {
  const auto at = [&](std::size_t field) { return "byte " + std::to_string(offset_ + field) + ": "; };
  constexpr std::array<std::byte, 4> magic = std::bit_cast<std::array<std::byte, 4>>(magic_value);
  const ByteView begun = header.first(std::min(header.size(), magic.size()));
  if (!std::ranges::equal(begun, std::span(magic).first(begun.size()))) {
    return fail(ErrorCode::corrupt, at(0) + "no frame begins with " + to_hex(begun) + ", it would be " +
                                        to_hex(std::span(magic).first(begun.size())));
  }
  if (header.size() > version_offset && header[version_offset] != std::byte{version}) {
    return fail(ErrorCode::unsupported,
                at(version_offset) + "frame version " +
                    std::to_string(std::to_integer<unsigned>(header[version_offset])) +
                    ", this node speaks version " + std::to_string(version));
  }
  if (header.size() < header_bytes) return {};
  const WireHeader wire = decode(header);
  const std::uint64_t computed = checksum(header.first(offsetof(WireHeader, header_checksum)));
  if (wire.header_checksum != computed) {
    return fail(ErrorCode::corrupt, at(offsetof(WireHeader, header_checksum)) + "header checksum " +
                                        hex(wire.header_checksum) + " does not match " + hex(computed));
  }
  if (wire.reserved != 0) {
    return fail(ErrorCode::corrupt,
                at(offsetof(WireHeader, reserved)) + "reserved field is " + hex(wire.reserved) + ", not 0");
  }
  if (wire.payload_bytes > payload_bytes_max_) {
    return fail(ErrorCode::limit_exceeded, at(offsetof(WireHeader, payload_bytes)) + "payload of " +
                                               std::to_string(wire.payload_bytes) + " bytes, the limit is " +
                                               std::to_string(payload_bytes_max_));
  }
  if (wire.sequence != sequence_) {
    return fail(ErrorCode::corrupt,
                at(offsetof(WireHeader, sequence)) + "frame number " + std::to_string(wire.sequence) +
                    " where " + std::to_string(sequence_) + " comes next (replayed or missing frames)");
  }
  payload_bytes_ = wire.payload_bytes;
  return {};
}

Result<std::optional<Frame>> Decoder::next() {
  if (failed_) return std::unexpected(*failed_);
  const ByteView have = buffered();
  if (!payload_bytes_) {
    if (auto checked = check_header(have.first(std::min(have.size(), header_bytes))); !checked) {
      failed_ = std::move(checked).error();
      return std::unexpected(*failed_);
    }
  }
  if (!payload_bytes_ || have.size() - header_bytes < *payload_bytes_) return std::optional<Frame>();
  const WireHeader wire = decode(have);
  const ByteView payload = have.subspan(header_bytes, *payload_bytes_);
  if (const std::uint64_t computed = checksum(payload); computed != wire.payload_checksum) {
    failed_ = Error{ErrorCode::corrupt,
                    "byte " + std::to_string(offset_ + offsetof(WireHeader, payload_checksum)) +
                        ": payload checksum " + hex(wire.payload_checksum) + " does not match " +
                        hex(computed) + " of the " + std::to_string(payload.size()) + " bytes from byte " +
                        std::to_string(offset_ + header_bytes) + " on"};
    return std::unexpected(*failed_);
  }
  const std::size_t frame_bytes = header_bytes + *payload_bytes_;
  begin_ += frame_bytes;
  offset_ += frame_bytes;
  ++sequence_;
  payload_bytes_.reset();
  return Frame{{wire.lane, wire.type, wire.sequence}, payload};
}

Status Decoder::check_end() const {
  if (failed_) return std::unexpected(*failed_);
  if (begin_ == end_) return {};
  return fail(ErrorCode::corrupt, "byte " + std::to_string(offset_ + (end_ - begin_)) +
                                      ": the stream ends inside the frame that begins at byte " +
                                      std::to_string(offset_));
}

}  // namespace verity::frame
