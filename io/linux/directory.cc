#include "io/linux/directory.h"

#include "io/linux/backend.h"
#include "io/linux/errors.h"
#include "io/linux/thread_pool.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace verity::io {
namespace {

constexpr mode_t owner_only = 0700;
constexpr int directory_flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;

// The lock is flock()'s: it belongs to the open file, so that it also holds between two parts of one process,
// and the kernel drops it when the process ends.
class LinuxLock final : public DirectoryLock {
 public:
  explicit LinuxLock(Fd fd) : fd_(std::move(fd)) {}
  ~LinuxLock() override {
    // Whoever looks into the file later finds no holder. If this fails, a name is left behind that means
    // nothing without the lock.
    [[maybe_unused]] const int failed = ::ftruncate(fd_.get(), 0);
  }

 private:
  Fd fd_;
};

Result<std::unique_ptr<DirectoryLock>> lock_now(int directory, const std::string& name,
                                                const std::string& path, const std::string& holder) {
  const std::string doing = "locking " + path;
  Fd fd(::openat(directory, name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0600));
  if (!fd) return fail_errno(errno, doing);
  while (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EINTR) continue;
    if (errno != EWOULDBLOCK) return fail_errno(errno, doing);
    char text[256];
    const ssize_t size = ::pread(fd.get(), text, sizeof text, 0);
    std::string who(text, size > 0 ? static_cast<std::size_t>(size) : 0);
    who = who.substr(0, who.find('\n'));
    return fail(ErrorCode::busy, doing + ": held by " + (who.empty() ? "somebody who left no name" : who));
  }
  const std::string line = holder + "\n";
  if (::ftruncate(fd.get(), 0) != 0) return fail_errno(errno, doing);
  if (::pwrite(fd.get(), line.data(), line.size(), 0) != static_cast<ssize_t>(line.size())) {
    return fail_errno(errno, doing + ", leaving the holder's name");
  }
  return std::make_unique<LinuxLock>(std::move(fd));
}

Result<std::vector<DirectoryEntry>> list_now(int directory, const std::string& path) {
  const std::string doing = "listing " + path;
  // A descriptor of its own, because reading moves its position.
  const int fd = ::openat(directory, ".", directory_flags);
  if (fd < 0) return fail_errno(errno, doing);
  DIR* const stream = ::fdopendir(fd);
  if (stream == nullptr) {
    const int number = errno;
    ::close(fd);
    return fail_errno(number, doing);
  }
  const auto close = [](DIR* open) { ::closedir(open); };
  const std::unique_ptr<DIR, decltype(close)> closer(stream, close);

  std::vector<DirectoryEntry> entries;
  while (true) {
    errno = 0;
    const dirent* const found = ::readdir(stream);
    if (found == nullptr) {
      if (errno != 0) return fail_errno(errno, doing);
      break;
    }
    DirectoryEntry entry{.name = found->d_name};
    if (entry.name == "." || entry.name == "..") continue;
    struct stat facts {};
    if (::fstatat(directory, found->d_name, &facts, AT_SYMLINK_NOFOLLOW) != 0) {
      if (errno == ENOENT) continue;  // removed meanwhile
      return fail_errno(errno, doing + ", at " + entry.name);
    }
    entry.is_directory = S_ISDIR(facts.st_mode);
    if (!entry.is_directory) entry.size = static_cast<ByteCount>(facts.st_size);
    entries.push_back(std::move(entry));
  }
  std::ranges::sort(entries, {}, &DirectoryEntry::name);
  return entries;
}

class LinuxDirectory final : public Directory {
 public:
  LinuxDirectory(Services services, Fd fd, std::string path)
      : services_(services), fd_(std::move(fd)), path_(std::move(path)) {}

  Result<std::unique_ptr<File>> open(Wait& wait, std::string_view name, OpenOptions options) override {
    VERITY_TRY(check_name("opening", name));
    return open_file(wait, services_, fd_.get(), std::string(name), below(name), options);
  }

  Result<std::unique_ptr<Directory>> open_directory(Wait& wait, std::string_view name, bool create) override {
    VERITY_TRY(check_name("opening", name));
    return services_.pool.run(wait, [&]() -> Result<std::unique_ptr<Directory>> {
      const std::string file(name);
      if (create && ::mkdirat(fd_.get(), file.c_str(), owner_only) != 0 && errno != EEXIST) {
        return fail_errno(errno, "making the directory " + below(name));
      }
      Fd fd(::openat(fd_.get(), file.c_str(), directory_flags));
      if (!fd) return fail_errno(errno, "opening the directory " + below(name));
      return std::make_unique<LinuxDirectory>(services_, std::move(fd), below(name));
    });
  }

  Status remove(Wait& wait, std::string_view name) override {
    VERITY_TRY(check_name("removing", name));
    return services_.pool.run(wait, [&]() -> Status {
      const std::string file(name);
      if (::unlinkat(fd_.get(), file.c_str(), 0) == 0) return {};
      if (errno == EISDIR && ::unlinkat(fd_.get(), file.c_str(), AT_REMOVEDIR) == 0) return {};
      return fail_errno(errno, "removing " + below(name));
    });
  }

  Status rename(Wait& wait, std::string_view from, std::string_view to) override {
    VERITY_TRY(check_name("renaming", from));
    VERITY_TRY(check_name("renaming to", to));
    return services_.pool.run(wait, [&]() -> Status {
      if (::renameat(fd_.get(), std::string(from).c_str(), fd_.get(), std::string(to).c_str()) == 0)
        return {};
      return fail_errno(errno, "renaming " + below(from) + " to " + std::string(to));
    });
  }

  Result<std::vector<DirectoryEntry>> list(Wait& wait) override {
    return services_.pool.run(wait, [&] { return list_now(fd_.get(), path_); });
  }

  Status sync(Wait& wait) override {
    const std::int64_t failed = services_.backend.sync(wait, fd_.get(), false);
    if (failed < 0) return fail_errno(static_cast<int>(-failed), "syncing the directory " + path_);
    return {};
  }

  Result<ByteCount> free_bytes(Wait& wait) override {
    return services_.pool.run(wait, [&]() -> Result<ByteCount> {
      struct ::statvfs system {};
      if (::fstatvfs(fd_.get(), &system) != 0) return fail_errno(errno, "asking for the space of " + path_);
      return ByteCount{system.f_bavail} * system.f_frsize;
    });
  }

  Result<std::unique_ptr<DirectoryLock>> lock(Wait& wait, std::string_view name,
                                              std::string_view holder) override {
    VERITY_TRY(check_name("locking", name));
    return services_.pool.run(
        wait, [&] { return lock_now(fd_.get(), std::string(name), below(name), std::string(holder)); });
  }

  const std::string& path() const override { return path_; }

 private:
  std::string below(std::string_view name) const { return path_ + "/" + std::string(name); }

  Status check_name(const char* doing, std::string_view name) const {
    const bool is_component = !name.empty() && name != "." && name != ".." &&
                              name.find('/') == std::string_view::npos &&
                              name.find('\0') == std::string_view::npos;
    if (is_component) return {};
    return fail(ErrorCode::invalid_argument, std::string(doing) + " \"" + std::string(name) + "\" in " +
                                                 path_ +
                                                 ": a name is one path component, without / and not . or ..");
  }

  const Services services_;
  const Fd fd_;
  const std::string path_;
};

// Makes one directory and its name durable; a directory that is there is left as it is.
Status make_now(const std::string& path) {
  if (::mkdir(path.c_str(), owner_only) != 0) {
    if (errno == EEXIST) return {};
    return fail_errno(errno, "making the directory " + path);
  }
  const auto slash = path.rfind('/');
  const std::string parent =
      slash == std::string::npos ? "." : path.substr(0, std::max<std::size_t>(slash, 1));
  const Fd fd(::open(parent.c_str(), directory_flags));
  if (!fd || ::fsync(fd.get()) != 0) return fail_errno(errno, "syncing the directory " + parent);
  return {};
}

}  // namespace

Result<std::unique_ptr<Directory>> open_directory_at(Wait& wait, Services services, std::string path,
                                                     bool create) {
  return services.pool.run(wait, [&]() -> Result<std::unique_ptr<Directory>> {
    while (path.size() > 1 && path.ends_with('/')) path.pop_back();
    if (create) {
      for (auto slash = path.find('/', 1); slash != std::string::npos; slash = path.find('/', slash + 1)) {
        VERITY_TRY(make_now(path.substr(0, slash)));
      }
      VERITY_TRY(make_now(path));
    }
    Fd fd(::open(path.c_str(), directory_flags));
    if (!fd) return fail_errno(errno, "opening the directory " + path);
    return std::make_unique<LinuxDirectory>(services, std::move(fd), path);
  });
}

}  // namespace verity::io
