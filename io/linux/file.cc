#include "io/linux/file.h"

#include "io/linux/backend.h"
#include "io/linux/errors.h"
#include "io/linux/thread_pool.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/types.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstdint>
#include <optional>

namespace verity::io {
namespace {

constexpr ByteCount memory_alignment = 4096;
constexpr ByteCount block_bytes_min = 512;
constexpr ByteCount block_bytes_max = 4096;

struct Opened {
  Fd fd;
  ByteCount block_bytes = block_bytes_min;
};

int flags_of(OpenMode mode) {
  switch (mode) {
    case OpenMode::read:
      return O_RDONLY;
    case OpenMode::write:
      return O_RDWR;
    case OpenMode::create:
      return O_RDWR | O_CREAT;
    case OpenMode::create_new:
      return O_RDWR | O_CREAT | O_EXCL;
  }
  return O_RDONLY;
}

// The alignment direct I/O needs, which is the device's logical block; nothing if the file system has none to
// tell, 0 if it does not do direct I/O.
std::optional<ByteCount> direct_alignment(int fd) {
  struct statx facts {};
  if (::statx(fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &facts) != 0) return std::nullopt;
  if ((facts.stx_mask & STATX_DIOALIGN) == 0) return std::nullopt;
  return facts.stx_dio_offset_align;
}

// On a thread: opening may have to read from the disk.
Result<Opened> open_now(int directory, const std::string& name, const std::string& path,
                        OpenOptions options) {
  const std::string doing = "opening " + path;
  const int flags = flags_of(options.mode) | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;  // a FIFO must not hold us up
  Opened opened;
  opened.fd = Fd(::openat(directory, name.c_str(), flags, 0600));
  if (!opened.fd) return fail_errno(errno, doing);
  struct stat facts {};
  if (::fstat(opened.fd.get(), &facts) != 0) return fail_errno(errno, doing);
  if (!S_ISREG(facts.st_mode)) return fail(ErrorCode::invalid_argument, doing + ": it is not a regular file");
  if (::fcntl(opened.fd.get(), F_SETFL, 0) != 0) return fail_errno(errno, doing);  // O_NONBLOCK has served
  if (!options.direct) return opened;

  opened.block_bytes = block_bytes_max;
  const auto alignment = direct_alignment(opened.fd.get());
  if (alignment && (*alignment == 0 || *alignment > block_bytes_max)) return opened;  // stays buffered
  // Set afterwards, because an open() that fails over O_DIRECT may have made the file already.
  if (::fcntl(opened.fd.get(), F_SETFL, O_DIRECT) != 0) return opened;  // stays buffered
  if (alignment) opened.block_bytes = std::max(*alignment, block_bytes_min);
  return opened;
}

// Where the file system cannot reserve: writing zeroes claims the space as well.
std::int64_t grow_with_zeroes(int fd, ByteCount size, bool aligned) {
  struct stat facts {};
  if (::fstat(fd, &facts) != 0) return -errno;
  const auto before = static_cast<ByteCount>(facts.st_size);
  if (before >= size) return 0;
  // Plain writes, also in a direct file: its own descriptor flags are put back at the end.
  const int flags = ::fcntl(fd, F_GETFL);
  if (aligned) ::fcntl(fd, F_SETFL, flags & ~O_DIRECT);
  const Bytes zeroes(MiB);
  std::int64_t result = 0;
  for (ByteCount at = before; at < size && result >= 0;) {
    const auto count =
        ::pwrite(fd, zeroes.data(), std::min<ByteCount>(zeroes.size(), size - at), static_cast<off_t>(at));
    if (count > 0) at += static_cast<ByteCount>(count);
    if (count < 0 && errno != EINTR) result = -errno;
  }
  if (aligned) ::fcntl(fd, F_SETFL, flags);
  return result;
}

class LinuxFile final : public File {
 public:
  LinuxFile(Services services, Opened opened, std::string path, OpenOptions options)
      : services_(services),
        fd_(std::move(opened.fd)),
        block_bytes_(opened.block_bytes),
        is_aligned_(options.direct),
        is_writable_(options.mode != OpenMode::read),
        path_(std::move(path)) {}

  Result<ByteCount> read(Wait& wait, ByteCount offset, MutableByteView out) override {
    VERITY_TRY(check_alignment("reading", offset, out));
    ByteCount done = 0;
    while (done < out.size()) {
      const std::int64_t count = services_.backend.read(wait, fd_.get(), offset + done, out.subspan(done));
      if (count == -EINTR || count == -EAGAIN) continue;
      if (count < 0) return fail_errno(static_cast<int>(-count), doing("reading", offset + done));
      done += static_cast<ByteCount>(count);
      if (count == 0) break;
      // A direct read cannot go on from the middle of a block, and stops there only at the end of the file.
      if (is_aligned_ && done % block_bytes_ != 0) break;
    }
    return done;
  }

  Status write(Wait& wait, ByteCount offset, ByteView data, Durability durability) override {
    VERITY_TRY(check_writable("writing"));
    VERITY_TRY(check_alignment("writing", offset, data));
    ByteCount done = 0;
    bool needs_sync = false;
    while (done < data.size()) {
      const auto how = needs_sync || !has_durable_writes_ ? Durability::cached : durability;
      const std::int64_t count =
          services_.backend.write(wait, fd_.get(), offset + done, data.subspan(done), how);
      if (count == -EINTR || count == -EAGAIN) continue;
      if (count == -EOPNOTSUPP && how == Durability::durable) {
        has_durable_writes_ = false;  // this file system does not know RWF_DSYNC
        needs_sync = true;
        continue;
      }
      if (count < 0) return fail_errno(static_cast<int>(-count), doing("writing", offset + done));
      if (count == 0)
        return fail(ErrorCode::io_error, doing("writing", offset + done) + ": nothing was written");
      done += static_cast<ByteCount>(count);
    }
    if (durability == Durability::durable && !has_durable_writes_ && !data.empty()) return sync(wait);
    return {};
  }

  Status sync(Wait& wait) override {
    const std::int64_t failed = services_.backend.sync(wait, fd_.get(), true);
    if (failed < 0) return fail_errno(static_cast<int>(-failed), "syncing " + path_);
    return {};
  }

  Status allocate(Wait& wait, ByteCount size) override {
    VERITY_TRY(check_writable("allocating"));
    if (size == 0) return {};
    const std::int64_t failed = services_.pool.run(wait, [&]() -> std::int64_t {
      while (true) {
        if (::fallocate(fd_.get(), 0, 0, static_cast<off_t>(size)) == 0) return 0;
        if (errno == EINTR) continue;
        if (errno == EOPNOTSUPP) return grow_with_zeroes(fd_.get(), size, is_aligned_);
        return -errno;
      }
    });
    if (failed < 0) {
      return fail_errno(static_cast<int>(-failed), "allocating " + describe_bytes(size) + " for " + path_);
    }
    return {};
  }

  Status truncate(Wait& wait, ByteCount size) override {
    VERITY_TRY(check_writable("truncating"));
    const int failed = services_.pool.run(wait, [&] {
      while (::ftruncate(fd_.get(), static_cast<off_t>(size)) != 0) {
        if (errno != EINTR) return errno;
      }
      return 0;
    });
    if (failed != 0) return fail_errno(failed, "truncating " + path_ + " to " + std::to_string(size));
    return {};
  }

  Result<ByteCount> size(Wait&) override {
    struct stat facts {};
    if (::fstat(fd_.get(), &facts) != 0) return fail_errno(errno, "asking for the size of " + path_);
    return static_cast<ByteCount>(facts.st_size);
  }

  ByteCount block_bytes() const override { return block_bytes_; }

 private:
  std::string doing(const char* what, ByteCount offset) const {
    return std::string(what) + " " + path_ + " at " + std::to_string(offset);
  }

  Status check_writable(const char* what) const {
    if (is_writable_) return {};
    return fail(ErrorCode::permission_denied,
                std::string(what) + " " + path_ + ": it was opened for reading");
  }

  // Checked here, so that it holds where the file system would have been more lenient.
  Status check_alignment(const char* what, ByteCount offset, ByteView memory) const {
    if (offset > INT64_MAX || memory.size() > INT64_MAX - offset) {
      return fail(ErrorCode::invalid_argument, doing(what, offset) + ": beyond the largest file");
    }
    if (!is_aligned_) return {};
    const auto address = reinterpret_cast<std::uintptr_t>(memory.data());
    const auto bad = [&](const std::string& which, ByteCount multiple) {
      return fail(ErrorCode::invalid_argument, doing(what, offset) + ": " + which + " is not a multiple of " +
                                                   std::to_string(multiple) + ", as direct I/O needs it");
    };
    if (offset % block_bytes_ != 0) return bad("the offset", block_bytes_);
    if (memory.size() % block_bytes_ != 0)
      return bad("the size " + std::to_string(memory.size()), block_bytes_);
    if (address % memory_alignment != 0 && !memory.empty())
      return bad("the address of the memory", memory_alignment);
    return {};
  }

  const Services services_;
  const Fd fd_;
  const ByteCount block_bytes_;
  const bool is_aligned_;
  const bool is_writable_;
  const std::string path_;
  bool has_durable_writes_ = true;
};

}  // namespace

Result<std::unique_ptr<File>> open_file(Wait& wait, Services services, int directory, const std::string& name,
                                        std::string path, OpenOptions options) {
  VERITY_TRY_ASSIGN(Opened opened,
                    services.pool.run(wait, [&] { return open_now(directory, name, path, options); }));
  return std::make_unique<LinuxFile>(services, std::move(opened), std::move(path), options);
}

}  // namespace verity::io
