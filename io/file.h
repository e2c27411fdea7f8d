// One open file. Implementations: io/linux (io_uring, thread pool) and sim/; tests/contract holds them to
// this page.
//
// What survives a crash: written data only after sync(), or after a write with Durability::durable, returned.
// Until then any subset of the written sectors may be there. A sector (sector_bytes) is atomic: wholly old
// or wholly new. After a failed sync or durable write nothing written since the last good sync is known;
// the caller stops using the file and lets recovery decide.
//
// Disk operations finish: a deadline or cancellation of the Wait does not interrupt them. In a crashed
// world every pending and later call returns `crashed`.
#pragma once

#include "io/base/bytes.h"
#include "io/base/result.h"
#include "io/base/units.h"

namespace verity::io {

class Wait;

enum class Durability : std::uint8_t {
  cached,   // may be lost until the next sync
  durable,  // on stable storage, with everything needed to read it back, when the call returns
};

class File {
 public:
  virtual ~File() = default;

  // Fills `out` from `offset`; returns fewer bytes than asked only where the file ends.
  // Direct files: offset, size and address of `out` are multiples of block_bytes() (memory: 4096).
  virtual Result<ByteCount> read(Wait& wait, ByteCount offset, MutableByteView out) = 0;

  // Writes all of `data` at `offset`, growing the file if needed. Same alignment rule.
  // After an error any part of it may have been written.
  virtual Status write(Wait& wait, ByteCount offset, ByteView data, Durability durability) = 0;

  // Makes every completed write, and the size, durable.
  virtual Status sync(Wait& wait) = 0;

  // Reserves space up to `size` and grows the file to it; new bytes read as zero. Says out_of_space now
  // rather than at a later write.
  virtual Status allocate(Wait& wait, ByteCount size) = 0;

  virtual Status truncate(Wait& wait, ByteCount size) = 0;
  virtual Result<ByteCount> size(Wait& wait) = 0;

  // Alignment and granularity of direct I/O, and the unit that is written atomically; a power of two,
  // 512 to 4096.
  virtual ByteCount block_bytes() const = 0;
};

}  // namespace verity::io
