#include "tools/admin/offline.h"

#include "io/directory.h"
#include "io/fiber/wait.h"
#include "io/linux/runtime.h"
#include "tools/admin/output.h"

#include <unistd.h>
#include <cerrno>
#include <cstdio>
#include <cstring>

namespace verity::tools {

namespace {

constexpr std::string_view expected = "--data-dir names the directory that the server has as data_dir";

Result<std::unique_ptr<io::Directory>> open_data_directory(io::Wait& wait, io::Runtime& runtime,
                                                           const std::string& path) {
  auto data = runtime.open_directory(wait, path, false);
  if (!data && data.error().code == ErrorCode::not_found)
    return fail(ErrorCode::not_found, path + " does not exist; " + std::string(expected));
  if (!data) return std::unexpected(std::move(data).error().within("opening the data directory"));
  const auto log = (*data)->open_directory(wait, "log", false);
  if (!log && log.error().code == ErrorCode::not_found) {
    return fail(ErrorCode::not_found,
                path + " is not a VerityDB data directory: there is no log/ in it; " + std::string(expected));
  }
  return data;
}

}  // namespace

Status with_directory(const std::string& path, const std::function<Status(io::Wait&, io::Directory&)>& work) {
  VERITY_TRY_ASSIGN(auto runtime, io::Runtime::create({}));
  Status status;
  runtime->run([&](io::Wait& wait) {
    const auto data = open_data_directory(wait, *runtime, path);
    status = data ? work(wait, **data) : std::unexpected(data.error());
  });
  return status;
}

Status write_result(const std::string& path, std::string_view text) {
  if (path == "-") {
    print(text);
    return {};
  }
  const std::string unfinished = path + ".part";
  const auto failed = [&](const std::string& what) {
    const std::string why = std::strerror(errno);
    std::remove(unfinished.c_str());
    return fail(ErrorCode::io_error, what + ": " + why);
  };
  std::FILE* file = std::fopen(unfinished.c_str(), "wb");
  if (file == nullptr) return failed("writing " + unfinished);
  const bool is_written = std::fwrite(text.data(), 1, text.size(), file) == text.size() &&
                          std::fflush(file) == 0 && ::fsync(::fileno(file)) == 0;
  if (std::fclose(file) != 0 || !is_written) return failed("writing " + unfinished);
  if (std::rename(unfinished.c_str(), path.c_str()) != 0)
    return failed("renaming " + unfinished + " to " + path);
  return {};
}

}  // namespace verity::tools
