// A file system for tests that passes everything on to a folder, until syncs begin to fail:
//
//   verity-failing-sync FOLDER MOUNTPOINT        in the foreground, "mounted" on standard output, until it is unmounted
//
// SIGUSR1: from now on fsync, fdatasync and writes that ask to be durable are answered with EIO; of such a write nothing
// arrives. SIGUSR2: all is well again. Needs /dev/fuse and, without fusermount3, root.
#define FUSE_USE_VERSION 31
#include <fuse.h>

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

namespace {

volatile std::sig_atomic_t failing = 0;
std::string folder;

std::string real(const char* path) {
  return folder + path;
}

int done(long result) {
  return result < 0 ? -errno : static_cast<int>(result);
}

int fd_of(const fuse_file_info* file) {
  return static_cast<int>(file->fh);
}

void* begin(fuse_conn_info*, fuse_config* config) {
  config->use_ino = 1;
  config->kernel_cache = 0;
  std::puts("mounted");
  std::fflush(stdout);
  return nullptr;
}

int get_attributes(const char* path, struct stat* about, fuse_file_info* file) {
  return done(file != nullptr ? ::fstat(fd_of(file), about) : ::lstat(real(path).c_str(), about));
}

int open_with(const char* path, int flags, mode_t mode, fuse_file_info* file) {
  // The kernel keeps to O_DIRECT towards whoever writes; our buffers are not aligned.
  const int fd = ::open(real(path).c_str(), (flags & ~O_DIRECT) | O_CLOEXEC, mode);
  if (fd < 0) return -errno;
  file->fh = static_cast<std::uint64_t>(fd);
  return 0;
}

int open_file(const char* path, fuse_file_info* file) {
  return open_with(path, file->flags, 0, file);
}

int create_file(const char* path, mode_t mode, fuse_file_info* file) {
  return open_with(path, file->flags | O_CREAT, mode, file);
}

int close_file(const char*, fuse_file_info* file) {
  return done(::close(fd_of(file)));
}

int read_file(const char*, char* to, size_t size, off_t offset, fuse_file_info* file) {
  return done(::pread(fd_of(file), to, size, offset));
}

int write_file(const char*, const char* from, size_t size, off_t offset, fuse_file_info* file) {
  const bool is_durable = (file->flags & (O_DSYNC | O_SYNC)) != 0;
  if (is_durable && failing != 0) return -EIO;
  const iovec data{const_cast<char*>(from), size};
  return done(::pwritev2(fd_of(file), &data, 1, offset, is_durable ? RWF_DSYNC : 0));
}

int sync_file(const char*, int data_only, fuse_file_info* file) {
  if (failing != 0) return -EIO;
  return done(data_only != 0 ? ::fdatasync(fd_of(file)) : ::fsync(fd_of(file)));
}

int list(const char* path, void* into, fuse_fill_dir_t fill, off_t, fuse_file_info*, fuse_readdir_flags) {
  DIR* const directory = ::opendir(real(path).c_str());
  if (directory == nullptr) return -errno;
  while (const dirent* const entry = ::readdir(directory))
    fill(into, entry->d_name, nullptr, 0, fuse_fill_dir_flags{});
  ::closedir(directory);
  return 0;
}

int sync_folder(const char* path, int, fuse_file_info*) {
  if (failing != 0) return -EIO;
  const int fd = ::open(real(path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return -errno;
  const int result = done(::fsync(fd));
  ::close(fd);
  return result;
}

int make_folder(const char* path, mode_t mode) {
  return done(::mkdir(real(path).c_str(), mode));
}

int remove_folder(const char* path) {
  return done(::rmdir(real(path).c_str()));
}

int remove_file(const char* path) {
  return done(::unlink(real(path).c_str()));
}

int rename_file(const char* from, const char* to, unsigned flags) {
  return done(::renameat2(AT_FDCWD, real(from).c_str(), AT_FDCWD, real(to).c_str(), flags));
}

int resize(const char* path, off_t size, fuse_file_info* file) {
  return done(file != nullptr ? ::ftruncate(fd_of(file), size) : ::truncate(real(path).c_str(), size));
}

int reserve(const char*, int mode, off_t offset, off_t size, fuse_file_info* file) {
  return done(::fallocate(fd_of(file), mode, offset, size));
}

int change_mode(const char* path, mode_t mode, fuse_file_info*) {
  return done(::chmod(real(path).c_str(), mode));
}

int set_times(const char* path, const timespec times[2], fuse_file_info*) {
  return done(::utimensat(AT_FDCWD, real(path).c_str(), times, AT_SYMLINK_NOFOLLOW));
}

int room(const char* path, struct statvfs* about) {
  return done(::statvfs(real(path).c_str(), about));
}

fuse_operations operations() {
  fuse_operations all{};
  all.init = begin;
  all.getattr = get_attributes;
  all.open = open_file;
  all.create = create_file;
  all.release = close_file;
  all.read = read_file;
  all.write = write_file;
  all.fsync = sync_file;
  all.readdir = list;
  all.fsyncdir = sync_folder;
  all.mkdir = make_folder;
  all.rmdir = remove_folder;
  all.unlink = remove_file;
  all.rename = rename_file;
  all.truncate = resize;
  all.fallocate = reserve;
  all.chmod = change_mode;
  all.utimens = set_times;
  all.statfs = room;
  return all;
}

}  // namespace

int main(int argc, char** argv) {
  char resolved[PATH_MAX];
  if (argc != 3 || ::realpath(argv[1], resolved) == nullptr) {
    std::fprintf(stderr, "usage: verity-failing-sync FOLDER MOUNTPOINT\n");
    return 2;
  }
  folder = resolved;
  std::signal(SIGUSR1, [](int) { failing = 1; });
  std::signal(SIGUSR2, [](int) { failing = 0; });
  std::string foreground = "-f";
  std::array<char*, 3> arguments{argv[0], foreground.data(), argv[2]};
  const fuse_operations all = operations();
  return fuse_main(static_cast<int>(arguments.size()), arguments.data(), &all, nullptr);
}
