#include "tools/admin/line_source.h"

#include <sys/stat.h>
#include <cerrno>
#include <cstring>
#include <utility>

namespace verity::tools {
namespace {

std::unexpected<Error> failed(const std::string& path) {
  const ErrorCode code = errno == ENOENT ? ErrorCode::not_found : ErrorCode::io_error;
  return fail(code, "reading " + path + ": " + std::strerror(errno));
}

}  // namespace

LineSource::LineSource(std::FILE* file, std::string path, std::uint64_t total)
    : file_(file), path_(std::move(path)), total_(total) {}

LineSource::LineSource(LineSource&& other) noexcept
    : file_(std::exchange(other.file_, nullptr)),
      path_(other.path_),
      total_(other.total_),
      lines_(other.lines_),
      bytes_(other.bytes_) {}

LineSource::~LineSource() {
  if (file_ != nullptr && file_ != stdin) std::fclose(file_);
}

Result<LineSource> LineSource::open(const std::string& path) {
  if (path == "-") return LineSource(stdin, "standard input", 0);
  std::FILE* file = std::fopen(path.c_str(), "rb");
  if (file == nullptr) return failed(path);
  struct stat about {};
  const bool is_file = ::fstat(::fileno(file), &about) == 0 && S_ISREG(about.st_mode);
  if (S_ISDIR(about.st_mode)) {
    std::fclose(file);
    return fail(ErrorCode::invalid_argument, "reading " + path + ": it is a directory");
  }
  return LineSource(file, path, is_file ? static_cast<std::uint64_t>(about.st_size) : 0);
}

Result<std::optional<std::string>> LineSource::next() {
  std::string line;
  while (true) {
    const int c = ::getc_unlocked(file_);
    if (c == EOF) {
      if (std::ferror(file_) != 0) return failed(path_);
      if (line.empty()) return std::optional<std::string>();
      break;
    }
    ++bytes_;
    if (c == '\n') break;
    if (line.size() == line_bytes_max) {
      return fail(ErrorCode::limit_exceeded,
                  path_ + ":" + std::to_string(lines_ + 1) + ": the line is longer than 64 MB");
    }
    line.push_back(static_cast<char>(c));
  }
  ++lines_;
  return std::optional(std::move(line));
}

Result<std::string> read_whole(const std::string& path, ByteCount bytes_max) {
  const bool is_stdin = path == "-";
  std::FILE* file = is_stdin ? stdin : std::fopen(path.c_str(), "rb");
  if (file == nullptr) return failed(path);
  std::string text;
  char buffer[65536];
  std::size_t count = 0;
  while (text.size() <= bytes_max && (count = std::fread(buffer, 1, sizeof buffer, file)) > 0)
    text.append(buffer, count);
  const bool bad = std::ferror(file) != 0;
  const int error = errno;
  if (!is_stdin) std::fclose(file);
  errno = error;
  if (bad) return failed(path);
  if (text.size() > bytes_max) {
    return fail(ErrorCode::limit_exceeded, (is_stdin ? std::string("standard input") : path) +
                                               " has more than " + std::to_string(bytes_max) +
                                               " bytes, the most that is read; nothing was done with it");
  }
  return text;
}

}  // namespace verity::tools
