#include "io/linux/random.h"

#include "io/base/assert.h"

#include <sys/random.h>

#include <cerrno>

namespace verity::io {

void LinuxRandom::fill(MutableByteView out) {
  while (!out.empty()) {
    const ssize_t count = ::getrandom(out.data(), out.size(), 0);
    if (count < 0 && errno == EINTR) continue;
    VERITY_ASSERT_NOTE(count > 0, "the kernel has no random bytes; nothing can be made safe without them");
    out = out.subspan(static_cast<std::size_t>(count));
  }
}

}  // namespace verity::io
