// Stream sockets. Reads and writes may be short; connections may be reset at any byte.
// Deadline and cancellation of the Wait interrupt every call here (timed_out, cancelled); after such an
// error on read or write the connection is in an unknown state and is closed by its owner.
#pragma once

#include "io/base/bytes.h"
#include "io/base/result.h"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace verity::io {

class Wait;

// "127.0.0.1:7000", "[::1]:7000", "node2:7001". Names are resolved at every connect.
struct Address {
  std::string host;
  std::uint16_t port = 0;

  auto operator<=>(const Address&) const = default;
  std::string describe() const;
  bool is_loopback() const;
  // Every address of the machine: to listen there, not to connect.
  bool is_every_address() const;
  // invalid_argument, naming the text, unless it is host:port with a port of 0..65535.
  static Result<Address> parse(std::string_view text);
};

class Socket {
 public:
  // Closes, abruptly if data is unread.
  virtual ~Socket() = default;

  // At least one byte, or 0 when the peer has finished sending.
  virtual Result<std::size_t> read(Wait& wait, MutableByteView out) = 0;
  // At least one byte of `data`, as many as the connection takes now.
  virtual Result<std::size_t> write(Wait& wait, ByteView data) = 0;
  // Half close: the peer reads 0 after what was sent.
  virtual Status shutdown_write(Wait& wait) = 0;
  virtual const Address& peer() const = 0;
};

// Writes all of `data` or fails.
Status write_all(Wait& wait, Socket& socket, ByteView data);

class Listener {
 public:
  // Stops listening; connections already accepted live on.
  virtual ~Listener() = default;

  virtual Result<std::unique_ptr<Socket>> accept(Wait& wait) = 0;
  // With the port that was really bound.
  virtual const Address& address() const = 0;
};

class Network {
 public:
  virtual ~Network() = default;

  // busy: the port is taken; the message names its holder where the system tells.
  virtual Result<std::unique_ptr<Listener>> listen(Wait& wait, const Address& address) = 0;
  virtual Result<std::unique_ptr<Socket>> connect(Wait& wait, const Address& address) = 0;
};

}  // namespace verity::io
