// Reads the fields of a body or section one after another, believing nothing.
//
//   FieldReader reader(bytes, "tenant body");
//   const auto version = reader.number("version", 1, 1);
//   const auto name = reader.text("name", 1, 63);
//   VERITY_TRY(reader.finish());
//
// The first thing wrong is remembered with its offset; from then on every field is zero or empty and costs
// nothing, so that a decoder checks once, at the end (and inside loops whose length came from the bytes).
#pragma once

#include "io/base/bytes.h"
#include "io/base/result.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace verity::log {

class FieldReader {
 public:
  // `what` names the bytes in messages. `base` is the offset of bytes[0] in whatever the reader of a message
  // will look at.
  FieldReader(ByteView bytes, std::string_view what, std::uint64_t base = 0)
      : bytes_(bytes), rest_(bytes), what_(what), base_(base) {}

  // A varint in [min, max].
  std::uint64_t number(std::string_view field, std::uint64_t min = 0, std::uint64_t max = UINT64_MAX);
  // One byte in [min, max].
  std::uint8_t byte(std::string_view field, std::uint8_t min = 0, std::uint8_t max = UINT8_MAX);
  // A varint length in [min, max] and that many bytes.
  std::string_view text(std::string_view field, std::uint64_t min, std::uint64_t max);
  // Exactly `count` bytes; empty after a failure.
  ByteView fixed(std::string_view field, std::size_t count);
  // The same into a plain value; zero after a failure.
  template <class T>
  requires std::is_trivially_copyable_v<T> T value(std::string_view field) {
    T out{};
    const ByteView bytes = fixed(field, sizeof(T));
    if (!bytes.empty()) std::memcpy(&out, bytes.data(), sizeof(T));
    return out;
  }

  // For rules that span fields: fails at `offset`, or where the next field would begin.
  void fail_here(std::string_view sentence) { fail_at(offset(), sentence); }
  void fail_at(std::uint64_t offset, std::string_view sentence);

  bool ok() const { return !error_; }
  std::uint64_t offset() const { return base_ + (bytes_.size() - rest_.size()); }
  std::size_t rest_bytes() const { return rest_.size(); }

  // Fine if nothing was wrong so far.
  Status check() const;
  // Fine if, in addition, nothing is left over.
  Status finish();

 private:
  ByteView bytes_;
  ByteView rest_;
  std::string_view what_;
  std::uint64_t base_;
  std::optional<Error> error_;
};

}  // namespace verity::log
