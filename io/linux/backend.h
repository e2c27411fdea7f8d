// How the loop gets things done: the calls that may take a while, and the sleep between turns. Two of them:
// io_uring (uring_backend.h), and a thread pool with epoll (epoll_backend.h) where that is refused. What lies
// above (file.h, network.h) is the same for both.
//
// Numbers returned are the kernel's: a count or descriptor, or a negative errno.
#pragma once

#include "io/base/bytes.h"
#include "io/base/result.h"
#include "io/base/units.h"
#include "io/fiber/wait.h"
#include "io/file.h"

#include <sys/socket.h>

#include <cstdint>

namespace verity::io {

// A socket as its backend knows it.
struct SocketHandle {
  int fd = -1;
  WaitList readers;  // who waits until it can be read or accepted from (epoll only)
  WaitList writers;  // who waits until it can be written to or is connected (epoll only)
};

// What became of a call that the Wait may interrupt: `wake` is ready if `value` is an answer of the kernel.
struct Outcome {
  std::int64_t value = 0;
  Wake wake = Wake::ready;
};

class Backend {
 public:
  virtual ~Backend() = default;

  // One call each: short counts are the caller's business. Never interrupted.
  virtual std::int64_t read(Wait& wait, int fd, ByteCount offset, MutableByteView out) = 0;
  virtual std::int64_t write(Wait& wait, int fd, ByteCount offset, ByteView data, Durability durability) = 0;
  // fdatasync for files, fsync for directories.
  virtual std::int64_t sync(Wait& wait, int fd, bool data_only) = 0;

  // Flags for socket() and accept4(), so that the descriptor is as this backend needs it.
  virtual int socket_flags() const = 0;
  virtual void attach(SocketHandle& socket) = 0;
  virtual void detach(SocketHandle& socket) = 0;
  // Interrupted by the Wait; nothing is under way any more when they return.
  virtual Outcome accept(Wait& wait, SocketHandle& socket, sockaddr_storage& peer) = 0;
  virtual Outcome connect(Wait& wait, SocketHandle& socket, const sockaddr* address, socklen_t size) = 0;
  virtual Outcome receive(Wait& wait, SocketHandle& socket, MutableByteView out) = 0;
  virtual Outcome send(Wait& wait, SocketHandle& socket, ByteView data) = 0;

  // Hands over what was asked for, waits at most `timeout` for anything to happen, and makes ready whom it
  // happened to. By the driver of the loop.
  virtual void turn(Duration timeout) = 0;
  // Ends the sleep of turn(), now or the next one. From any thread and from signal handlers.
  virtual void wake() = 0;
};

}  // namespace verity::io
