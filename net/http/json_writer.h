// Appends JSON text to a string. Callers place braces and commas; these write single values.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace verity::http {

// With quotes. `text` is UTF-8; what JSON requires to be escaped is, and nothing else.
void append_json_string(std::string& out, std::string_view text);
void append_json_number(std::string& out, std::uint64_t number);

}  // namespace verity::http
