// Is this text UTF-8, and free of control characters?
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace verity::tenant {

// The offset of the first byte that is not part of a well-formed sequence (Unicode 15, table 3-7: no overlong
// forms, no surrogates, nothing above U+10FFFF); nothing if all of it is.
std::optional<std::size_t> find_bad_utf8(std::string_view text);

// The offset of the first control character (U+0000 to U+001F, U+007F to U+009F) of well-formed UTF-8.
std::optional<std::size_t> find_control_character(std::string_view text);

// For messages: 'text', cut at 64 bytes, with everything but printable ASCII written as \xNN.
std::string quoted(std::string_view text);

}  // namespace verity::tenant
