#include "tools/admin/peer_greeting.h"

#include "net/frame/frame.h"
#include "net/peer/wire.h"

#include <poll.h>
#include <sys/socket.h>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>

namespace verity::tools {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr ByteCount answer_bytes_max = 4 * KiB;
constexpr std::string_view not_a_cluster_port = "connected, but this is no cluster port of VerityDB";

// Empty: it came in time.
std::string wait_for(int socket, short events, SteadyClock::time_point deadline) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - SteadyClock::now());
  pollfd ready{socket, events, 0};
  const int count = left.count() > 0 ? ::poll(&ready, 1, static_cast<int>(left.count())) : 0;
  if (count < 0) return std::strerror(errno);
  return count == 0 ? "connected, then timeout: no answer to a hello" : std::string();
}

std::string send_all(int socket, ByteView bytes, SteadyClock::time_point deadline) {
  while (!bytes.empty()) {
    const ssize_t count = ::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count > 0) {
      bytes = bytes.subspan(static_cast<std::size_t>(count));
    } else if (errno != EAGAIN) {
      return std::string("connected, then: ") + std::strerror(errno);
    } else if (std::string problem = wait_for(socket, POLLOUT, deadline); !problem.empty()) {
      return problem;
    }
  }
  return {};
}

// What a frame says of who sent it.
PeerAnswer understand(const frame::Frame& frame, bool any_cluster) {
  const auto type = static_cast<peer::FrameType>(frame.head.type);
  const auto refusal = peer::decode_refusal(frame.payload);
  if (type != peer::FrameType::refused || !refusal)
    return {.node = {}, .problem = std::string(not_a_cluster_port)};
  const bool is_ours = refusal->code == peer::RefusalCode::bad_node_id ||
                       (any_cluster && refusal->code == peer::RefusalCode::other_cluster_name);
  return {.node = refusal->by,
          .problem = is_ours ? std::string() : "connection refused: " + peer::printable(refusal->sentence)};
}

}  // namespace

peer::Hello hello_of_nobody(std::string cluster_name, Id128 cluster_id, Id128 epoch) {
  peer::Hello hello;
  hello.cluster_name = std::move(cluster_name);
  hello.cluster_id = cluster_id;
  hello.epoch = epoch;
  return hello;
}

PeerAnswer greet_peer(int socket, const peer::Hello& hello, Duration patience) {
  const auto deadline = SteadyClock::now() + patience;
  Bytes greeting;
  frame::append_frame(greeting, {.type = static_cast<std::uint16_t>(peer::FrameType::hello)},
                      peer::encode_hello({.hello = hello, .number_from = 1}));
  if (std::string problem = send_all(socket, greeting, deadline); !problem.empty())
    return {.node = {}, .problem = std::move(problem)};
  frame::Decoder decoder(answer_bytes_max);
  while (true) {
    if (std::string problem = wait_for(socket, POLLIN, deadline); !problem.empty())
      return {.node = {}, .problem = std::move(problem)};
    const MutableByteView room = decoder.room();
    const ssize_t count = ::recv(socket, room.data(), room.size(), 0);
    if (count < 0 && errno == EAGAIN) continue;
    if (count < 0) return {.node = {}, .problem = std::string("connected, then: ") + std::strerror(errno)};
    if (count == 0)
      return {.node = {}, .problem = "connected, but the connection was closed without an answer to a hello"};
    decoder.added(static_cast<std::size_t>(count));
    const auto frame = decoder.next();
    if (!frame) return {.node = {}, .problem = std::string(not_a_cluster_port)};
    if (*frame) return understand(**frame, hello.cluster_name.empty());
  }
}

}  // namespace verity::tools
