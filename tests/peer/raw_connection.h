// A stranger's end of a connection to the cluster port, on which a test sends what it likes.
#pragma once

#include "io/network.h"
#include "net/peer/handshake.h"
#include "net/peer/wire.h"

#include <gtest/gtest.h>
#include <array>
#include <functional>

#include <memory>
#include <string>
#include <utility>

namespace verity::peer::testing {

// Keeps what was written, so that it can be replayed.
class RecordingSocket final : public io::Socket {
 public:
  RecordingSocket(std::unique_ptr<io::Socket> socket, Bytes& written)
      : socket_(std::move(socket)), written_(written) {}
  Result<std::size_t> read(io::Wait& wait, MutableByteView out) override { return socket_->read(wait, out); }
  Result<std::size_t> write(io::Wait& wait, ByteView data) override {
    auto count = socket_->write(wait, data);
    if (count) put_bytes(written_, data.first(*count));
    return count;
  }
  Status shutdown_write(io::Wait& wait) override { return socket_->shutdown_write(wait); }
  const io::Address& peer() const override { return socket_->peer(); }

 private:
  const std::unique_ptr<io::Socket> socket_;
  Bytes& written_;
};

inline std::optional<Refusal> accept_all(const HelloFrame&) {
  return std::nullopt;
}

// A member's connection by hand. `greeted` is empty when the handshake failed.
struct RawMember {
  RawMember(io::Wait& wait, std::unique_ptr<io::Socket> socket, const Hello& hello, Lane lane = Lane::control)
      : wire(std::make_unique<RecordingSocket>(std::move(socket), written), counters, wait.now()) {
    io::Wait soon = wait.within(5s);
    outcome = greet_as_dialler(soon, wire, {hello, lane, 7}, frame::payload_bytes_limit, accept_all);
    if (!is_greeted()) return;
    const auto pinged = wire.write(soon, lane, FrameType::ping, as_bytes("8 bytes."));
    EXPECT_TRUE(pinged);
  }
  bool is_greeted() const { return std::holds_alternative<Greeting>(outcome); }

  // Sends whole frames or anything else.
  void send(io::Wait& wait, ByteView bytes) {
    ignore(wire.write(wait, bytes, 1h), "the node may have closed");
  }
  // How the node ends the connection: "closed", or the refusal it sends before.
  std::string read_to_end(io::Wait& wait) {
    while (true) {
      const auto frame = wire.read(wait, 1h);
      if (!frame || !*frame) return "closed";
      if ((*frame)->head.type != static_cast<std::uint16_t>(FrameType::refused)) continue;
      const auto refusal = decode_refusal((*frame)->payload);
      return refusal ? std::string(describe(refusal->code)) : "a refusal that cannot be read";
    }
  }

  Bytes written;
  LaneCounters counters;
  Wire wire;
  HandshakeOutcome outcome = Error{};
};

// Everything until the other side closes.
inline std::string read_all(io::Wait& wait, io::Socket& socket) {
  std::string all;
  std::array<std::byte, 4096> buffer;
  while (true) {
    const auto count = socket.read(wait, buffer);
    if (!count || *count == 0) return all;
    all += as_text(ByteView(buffer).first(*count));
  }
}

}  // namespace verity::peer::testing
