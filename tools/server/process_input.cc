#include "tools/server/process_input.h"

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string_view>

extern char** environ;

namespace verity::tools {

Environment process_environment() {
  Environment variables;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    const auto equals = text.find('=');
    if (equals != std::string_view::npos) variables.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  return variables;
}

Result<ConfigFile> read_config_file(const std::string& path) {
  constexpr std::size_t bytes_max = 1024 * 1024;
  std::FILE* file = std::fopen(path.c_str(), "rb");
  if (file == nullptr) {
    return fail(errno == ENOENT ? ErrorCode::not_found : ErrorCode::io_error,
                path + ": " + std::strerror(errno));
  }
  ConfigFile config{path, {}};
  std::array<char, 4096> buffer{};
  std::size_t count = 0;
  while (config.text.size() <= bytes_max && (count = std::fread(buffer.data(), 1, buffer.size(), file)) > 0) {
    config.text.append(buffer.data(), count);
  }
  const int error = std::ferror(file) != 0 ? errno : 0;
  std::fclose(file);
  if (error != 0) return fail(ErrorCode::io_error, path + ": " + std::strerror(error));
  if (config.text.size() > bytes_max) {
    return fail(ErrorCode::limit_exceeded, path + ": larger than 1 MB; is it a configuration file?");
  }
  return config;
}

}  // namespace verity::tools
