#include "engine/log/field_reader.h"

#include "engine/log/varint.h"

namespace verity::log {
namespace {

std::string out_of_range(std::string_view field, std::string_view unit, std::uint64_t value,
                         std::uint64_t min, std::uint64_t max) {
  std::string sentence(field);
  sentence += " is " + std::to_string(value);
  sentence += unit;
  if (min == max) return sentence + ", allowed is " + std::to_string(min);
  return sentence + ", allowed are " + std::to_string(min) + " to " + std::to_string(max);
}

}  // namespace

void FieldReader::fail_at(std::uint64_t offset, std::string_view sentence) {
  if (error_) return;
  std::string message(what_);
  message += " at " + std::to_string(offset) + ": ";
  message += sentence;
  error_ = Error{ErrorCode::corrupt, std::move(message)};
  rest_ = {};
}

std::uint64_t FieldReader::number(std::string_view field, std::uint64_t min, std::uint64_t max) {
  if (!ok()) return 0;
  const auto at = offset();
  const auto value = take_varint(rest_);
  if (!value) {
    fail_at(at, std::string(field) + " is cut short or not a number in its shortest form");
    return 0;
  }
  if (*value < min || *value > max) {
    fail_at(at, out_of_range(field, "", *value, min, max));
    return 0;
  }
  return *value;
}

std::uint8_t FieldReader::byte(std::string_view field, std::uint8_t min, std::uint8_t max) {
  const auto at = offset();
  const auto value = this->value<std::uint8_t>(field);
  if (ok() && (value < min || value > max)) {
    fail_at(at, out_of_range(field, "", value, min, max));
    return 0;
  }
  return value;
}

std::string_view FieldReader::text(std::string_view field, std::uint64_t min, std::uint64_t max) {
  if (!ok()) return {};
  const auto at = offset();
  const auto length = number(field);
  if (!ok()) return {};
  if (length < min || length > max) {
    fail_at(at, out_of_range(field, length == 1 ? " byte long" : " bytes long", length, min, max));
    return {};
  }
  if (length > rest_.size()) {
    fail_at(at, std::string(field) + " is " + std::to_string(length) + " bytes long, but only " +
                    std::to_string(rest_.size()) + " are left");
    return {};
  }
  const auto taken = rest_.first(length);
  rest_ = rest_.subspan(length);
  return as_text(taken);
}

ByteView FieldReader::fixed(std::string_view field, std::size_t count) {
  if (!ok()) return {};
  if (count > rest_.size()) {
    fail_at(offset(), std::string(field) + " needs " + std::to_string(count) + " bytes, but only " +
                          std::to_string(rest_.size()) + " are left");
    return {};
  }
  const auto taken = rest_.first(count);
  rest_ = rest_.subspan(count);
  return taken;
}

Status FieldReader::check() const {
  if (error_) return std::unexpected(*error_);
  return {};
}

Status FieldReader::finish() {
  if (ok() && !rest_.empty()) {
    fail_here(std::to_string(rest_.size()) + " bytes follow the last field, allowed are none");
  }
  return check();
}

}  // namespace verity::log
