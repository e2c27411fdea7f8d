// Lines of a file or of standard input, one after another, without reading the whole.
#pragma once

#include "io/base/result.h"
#include "io/base/units.h"

#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>

namespace verity::tools {

class LineSource {
 public:
  static constexpr std::size_t line_bytes_max = 64 * 1024 * 1024;

  // "-" is standard input.
  static Result<LineSource> open(const std::string& path);
  LineSource(LineSource&& other) noexcept;
  LineSource& operator=(LineSource&&) = delete;
  ~LineSource();

  // Without its line break; nothing at the end. limit_exceeded: a line is longer than line_bytes_max.
  Result<std::optional<std::string>> next();

  std::uint64_t lines_read() const { return lines_; }
  std::uint64_t bytes_read() const { return bytes_; }
  std::uint64_t bytes_total() const { return total_; }  // 0: not known

 private:
  LineSource(std::FILE* file, std::string path, std::uint64_t total);

  std::FILE* file_;
  const std::string path_;
  const std::uint64_t total_;
  std::uint64_t lines_ = 0;
  std::uint64_t bytes_ = 0;
};

// A whole file, or standard input for "-". limit_exceeded: it has more than bytes_max bytes.
Result<std::string> read_whole(const std::string& path, ByteCount bytes_max);

}  // namespace verity::tools
