// Decides whether bytes are one JSON text (RFC 8259, UTF-8 included). simdjson decides; where it refuses, a
// slower parser finds the place, so that the sentence can name it.
//
// simdjson's on-demand parser is not enough: it does not look at what it skips. Its document parser looks at
// every byte, but also refuses integers beyond 64 bits, which are valid JSON and are kept exactly here: those
// get a second opinion.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace verity::http {

class JsonChecker {
 public:
  JsonChecker();
  ~JsonChecker();
  JsonChecker(const JsonChecker&) = delete;
  JsonChecker& operator=(const JsonChecker&) = delete;

  // Nothing if `text` is valid and nests at most `depth_max` arrays and objects; else a sentence with the place, bytes counted
  // from 1. `around`: so many levels more, which hold what the limit is about, and are not spoken of.
  std::optional<std::string> find_fault(std::string_view text, std::size_t depth_max, std::size_t around = 0);

 private:
  struct Parsers;
  std::unique_ptr<Parsers> parsers_;
};

// The text that a valid JSON string, quotes included, stands for.
std::string unescape_json_string(std::string_view quoted);

}  // namespace verity::http
