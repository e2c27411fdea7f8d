// Preloaded into a server (LD_PRELOAD), it shifts the time of day, and nothing else, by as many nanoseconds as the file named by
// VERITY_TEST_CLOCK_SHIFT says at that moment: eight bytes, little end first.
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>

namespace {

constexpr std::int64_t second_ns = 1'000'000'000;

const volatile std::int64_t* map_shift() {
  static const std::int64_t none = 0;
  const char* const path = std::getenv("VERITY_TEST_CLOCK_SHIFT");
  const int fd = path != nullptr ? ::open(path, O_RDONLY | O_CLOEXEC) : -1;
  if (fd < 0) return &none;
  void* const page = ::mmap(nullptr, sizeof(std::int64_t), PROT_READ, MAP_SHARED, fd, 0);
  ::close(fd);
  return page == MAP_FAILED ? &none : static_cast<const std::int64_t*>(page);
}

std::int64_t shift_ns() {
  static const volatile std::int64_t* const shift = map_shift();
  return *shift;
}

}  // namespace

extern "C" {

// NOLINTBEGIN: the C library's names
int clock_gettime(clockid_t clock, timespec* time) noexcept {
  using Real = int (*)(clockid_t, timespec*);
  static const Real real = reinterpret_cast<Real>(::dlsym(RTLD_NEXT, "clock_gettime"));
  const int result = real(clock, time);
  if (result != 0 || (clock != CLOCK_REALTIME && clock != CLOCK_REALTIME_COARSE)) return result;
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
