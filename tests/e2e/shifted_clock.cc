// Preloaded into a server (LD_PRELOAD), it shifts the time of day, and nothing else, by as many nanoseconds as the file named by
// VERITY_TEST_CLOCK_SHIFT says at that moment: eight bytes, little end first.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>

// The kernel is asked straight: a sanitizer's runtime stands in front of the C library, and asks for the time itself while it
// begins.
namespace {

constexpr std::int64_t second_ns = 1'000'000'000;
using Shift = const volatile std::int64_t;

const std::int64_t no_shift = 0;
std::atomic<Shift*> shift = nullptr;

Shift* map_shift() {
  const char* const path = std::getenv("VERITY_TEST_CLOCK_SHIFT");
  const long fd = path != nullptr ? ::syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC) : -1;
  if (fd < 0) return &no_shift;
  const long page = ::syscall(SYS_mmap, nullptr, sizeof(std::int64_t), PROT_READ, MAP_SHARED, fd, 0L);
  ::syscall(SYS_close, fd);
  return page < 0 ? &no_shift : reinterpret_cast<Shift*>(page);
}

// Found twice if two threads ask at once: the same.
std::int64_t shift_ns() {
  if (shift.load() == nullptr) shift = map_shift();
  return *shift.load();
}

}  // namespace

extern "C" {

// NOLINTBEGIN: the C library's names
int clock_gettime(clockid_t clock, timespec* time) noexcept {
  const long result = ::syscall(SYS_clock_gettime, clock, time);
  if (result != 0 || (clock != CLOCK_REALTIME && clock != CLOCK_REALTIME_COARSE))
    return static_cast<int>(result);
  const std::int64_t shifted = time->tv_sec * second_ns + time->tv_nsec + shift_ns();
  time->tv_sec = shifted / second_ns;
  time->tv_nsec = shifted % second_ns;
  return 0;
}

int gettimeofday(timeval* time, void*) noexcept {
  timespec precise{};
  const int result = clock_gettime(CLOCK_REALTIME, &precise);
  *time = {precise.tv_sec, precise.tv_nsec / 1000};
  return result;
}

time_t time(time_t* to) noexcept {
  timespec precise{};
  clock_gettime(CLOCK_REALTIME, &precise);
  if (to != nullptr) *to = precise.tv_sec;
  return precise.tv_sec;
}
// NOLINTEND

}  // extern "C"
