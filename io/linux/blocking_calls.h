// System calls on files as the thread pool makes them: once, repeated only if a signal interrupts. They return
// what the kernel does, or a negative errno.
#pragma once

#include "io/base/bytes.h"
#include "io/base/units.h"
#include "io/file.h"

#include <cerrno>
#include <cstdint>

namespace verity::io {

// Most of what one call transfers; the kernel takes at most 2 GiB - 4 KiB.
inline constexpr std::size_t transfer_bytes_max = GiB;

template <class Call>
std::int64_t uninterrupted(Call call) {
  while (true) {
    const auto result = call();
    if (result >= 0) return result;
    if (errno != EINTR) return -errno;
  }
}

std::int64_t read_now(int fd, ByteCount offset, MutableByteView out);
std::int64_t write_now(int fd, ByteCount offset, ByteView data, Durability durability);
std::int64_t sync_now(int fd, bool data_only);

}  // namespace verity::io
