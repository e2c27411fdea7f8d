// How much does our way to the disk add to the disk itself? A durable write through io::File, on both
// backends, beside the bare system call (pwritev2 with RWF_DSYNC on an O_DIRECT descriptor), into a file that
// was filled with zeroes before, as the log's segments are.
//
// Reported are the median and the 99th percentile of single writes, one at a time. Writes of the kinds take
// turns in one run, so that a disk that changes its mind meets all of them alike. VERITY_BENCH_DIR says where;
// the current directory otherwise.
#include "bench/micro_conditions.h"
#include "io/base/aligned_buffer.h"
#include "io/directory.h"
#include "io/fiber/wait.h"
#include "io/file.h"
#include "io/linux/runtime.h"

#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <vector>

namespace verity {
namespace {

using Steady = std::chrono::steady_clock;

constexpr ByteCount file_bytes = 64 * MiB;
constexpr std::size_t round_count = 20;
constexpr std::size_t writes_per_round = 100;

// One way to write durably; measures `writes_per_round` writes from `offset` on and adds their times.
struct Kind {
  std::string name;
  std::function<bool(ByteCount size, ByteCount& offset, std::vector<Duration>& times)> write_some;
};

ByteCount advance(ByteCount& offset, ByteCount size) {
  const ByteCount at = offset;
  offset = offset + 2 * size > file_bytes ? 0 : offset + size;
  return at;
}

bool write_bare(int fd, ByteView data, ByteCount size, ByteCount& offset, std::vector<Duration>& times) {
  for (std::size_t i = 0; i < writes_per_round; ++i) {
    const auto begin = Steady::now();
    iovec part{const_cast<std::byte*>(data.data()), size};
    const auto at = static_cast<off_t>(advance(offset, size));
    if (::pwritev2(fd, &part, 1, at, RWF_DSYNC) != static_cast<ssize_t>(size)) return false;
    times.push_back(Steady::now() - begin);
  }
  return true;
}

bool write_through(io::Runtime& runtime, const std::string& directory, ByteView data, ByteCount size,
                   ByteCount& offset, std::vector<Duration>& times) {
  bool fine = true;
  runtime.run([&](io::Wait& wait) {
    auto below = runtime.open_directory(wait, directory, false);
    if (!below) return void(fine = false);
    auto file = (*below)->open(wait, "file", {.mode = io::OpenMode::write, .direct = true});
    if (!file || (*file)->block_bytes() > size) return void(fine = false);
    for (std::size_t i = 0; i < writes_per_round && fine; ++i) {
      const auto begin = Steady::now();
      const ByteCount at = advance(offset, size);
      fine = (*file)->write(wait, at, data.first(size), io::Durability::durable).has_value();
      times.push_back(Steady::now() - begin);
    }
  });
  return fine;
}

double microseconds(std::vector<Duration>& times, double quantile) {
  std::ranges::sort(times);
  const auto index = static_cast<std::size_t>(static_cast<double>(times.size() - 1) * quantile);
  return std::chrono::duration<double, std::micro>(times[index]).count();
}

bool fill_with_zeroes(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return false;
  const Bytes zeroes(MiB);
  bool fine = true;
  for (ByteCount at = 0; at < file_bytes && fine; at += zeroes.size()) {
    fine = ::pwrite(fd, zeroes.data(), zeroes.size(), static_cast<off_t>(at)) == static_cast<ssize_t>(MiB);
  }
  fine = fine && ::fsync(fd) == 0;
  ::close(fd);
  return fine;
}

int measure(const std::string& directory) {
  const std::string path = directory + "/file";
  if (!fill_with_zeroes(path)) return std::fprintf(stderr, "cannot fill %s\n", path.c_str()), 1;
  const int fd = ::open(path.c_str(), O_RDWR | O_DIRECT | O_CLOEXEC);
  if (fd < 0) return std::fprintf(stderr, "%s: no direct I/O here\n", path.c_str()), 1;
  const auto uring = io::Runtime::create({.backend = io::BackendChoice::io_uring});
  const auto fallback = io::Runtime::create({.backend = io::BackendChoice::fallback});
  AlignedBuffer data(64 * KiB);
  std::fill_n(data.data(), data.size(), std::byte{0x5a});

  std::vector<Kind> kinds;
  kinds.push_back({"bare pwritev2", [&](ByteCount size, ByteCount& offset, std::vector<Duration>& times) {
                     return write_bare(fd, data.view(), size, offset, times);
                   }});
  const auto add = [&](const std::string& name, io::Runtime& runtime) {
    kinds.push_back({name, [&](ByteCount size, ByteCount& offset, std::vector<Duration>& times) {
                       return write_through(runtime, directory, data.view(), size, offset, times);
                     }});
  };
  if (uring) add("File, io_uring", **uring);
  if (!uring) std::printf("io_uring refused: %s\n", uring.error().message.c_str());
  if (fallback) add("File, threads", **fallback);

  std::printf("%-16s %8s %12s %12s %8s\n", "durable write", "bytes", "p50 us", "p99 us", "ratio");
  for (const ByteCount size : {ByteCount{512}, 4 * KiB, 64 * KiB}) {
    std::vector<std::vector<Duration>> times(kinds.size());
    std::vector<bool> works(kinds.size(), true);
    ByteCount offset = 0;
    for (std::size_t round = 0; round < round_count; ++round) {
      for (std::size_t k = 0; k < kinds.size(); ++k) {
        if (works[k]) works[k] = kinds[k].write_some(size, offset, times[k]);
      }
    }
    double bare = 0;
    for (std::size_t k = 0; k < kinds.size(); ++k) {
      const int width = static_cast<int>(size);
      if (!works[k]) {
        std::printf("%-16s %8d refused by this disk\n", kinds[k].name.c_str(), width);
        continue;
      }
      const double median = microseconds(times[k], 0.5);
      if (k == 0) bare = median;
      std::printf("%-16s %8d %12.1f %12.1f %8.2f\n", kinds[k].name.c_str(), width, median,
                  microseconds(times[k], 0.99), bare > 0 ? median / bare : 0.0);
    }
  }
  ::close(fd);
  return 0;
}

}  // namespace
}  // namespace verity

int main() {
  namespace bench = verity::bench;
  const char* const chosen = std::getenv("VERITY_BENCH_DIR");
  std::string directory = std::string(chosen != nullptr ? chosen : ".") + "/micro-disk-XXXXXX";
  if (::mkdtemp(directory.data()) == nullptr) return std::perror(directory.c_str()), 1;
  utsname kernel{};
  ::uname(&kernel);
  std::printf("cpu: %s\nkernel: %s\nfile system: %s\n", bench::cpu_name().c_str(), kernel.release,
              bench::file_system_of(directory).c_str());
  const int code = verity::measure(directory);
  ::unlink((directory + "/file").c_str());
  ::rmdir(directory.c_str());
  return code;
}
