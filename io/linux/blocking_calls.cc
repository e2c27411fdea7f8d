#include "io/linux/blocking_calls.h"

#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>

namespace verity::io {

std::int64_t read_now(int fd, ByteCount offset, MutableByteView out) {
  return uninterrupted([&] {
    return ::pread(fd, out.data(), std::min(out.size(), transfer_bytes_max), static_cast<off_t>(offset));
  });
}

std::int64_t write_now(int fd, ByteCount offset, ByteView data, Durability durability) {
  iovec part{const_cast<std::byte*>(data.data()), std::min(data.size(), transfer_bytes_max)};
  const int flags = durability == Durability::durable ? RWF_DSYNC : 0;
  return uninterrupted([&] { return ::pwritev2(fd, &part, 1, static_cast<off_t>(offset), flags); });
}

std::int64_t sync_now(int fd, bool data_only) {
  return uninterrupted([&] { return data_only ? ::fdatasync(fd) : ::fsync(fd); });
}

}  // namespace verity::io
