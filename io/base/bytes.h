// Bytes: views, little-endian coding, hexadecimal, and a cursor that never reads past its end.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace verity {

static_assert(std::endian::native == std::endian::little, "on-disk and wire formats are little-endian");

using Bytes = std::vector<std::byte>;
using ByteView = std::span<const std::byte>;
using MutableByteView = std::span<std::byte>;

inline ByteView as_bytes(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}
inline std::string_view as_text(ByteView bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

template <class T>
concept TriviallyCopyable = std::is_trivially_copyable_v<T>;

template <TriviallyCopyable T>
void put(Bytes& out, const T& value) {
  const auto at = out.size();
  out.resize(at + sizeof(T));
  std::memcpy(out.data() + at, &value, sizeof(T));
}

inline void put_bytes(Bytes& out, ByteView bytes) {
  out.insert(out.end(), bytes.begin(), bytes.end());
}

// Reads values off the front of a view. After the first short read everything that follows is empty.
class ByteReader {
 public:
  explicit ByteReader(ByteView bytes) : rest_(bytes) {}

  template <TriviallyCopyable T>
  std::optional<T> get() {
    if (rest_.size() < sizeof(T)) {
      rest_ = {};
      failed_ = true;
      return std::nullopt;
    }
    T value;
    std::memcpy(&value, rest_.data(), sizeof(T));
    rest_ = rest_.subspan(sizeof(T));
    return value;
  }

  std::optional<ByteView> take(std::size_t count) {
    if (rest_.size() < count) {
      rest_ = {};
      failed_ = true;
      return std::nullopt;
    }
    const auto taken = rest_.first(count);
    rest_ = rest_.subspan(count);
    return taken;
  }

  ByteView rest() const { return rest_; }
  bool failed() const { return failed_; }
  bool at_end() const { return rest_.empty() && !failed_; }

 private:
  ByteView rest_;
  bool failed_ = false;
};

bool is_all_zero(ByteView bytes);

std::string to_hex(ByteView bytes);
// Nothing unless `text` is an even number of hexadecimal digits.
std::optional<Bytes> from_hex(std::string_view text);

template <class T>
constexpr T round_up(T value, T multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

}  // namespace verity
