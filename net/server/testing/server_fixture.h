// A server over a fake node and a network in memory, on a clock that jumps to the next deadline when nobody
// is ready: what takes 75 s in a test takes no time at all.
#pragma once

#include "io/fiber/loop.h"
#include "io/world.h"
#include "net/server/server.h"
#include "net/server/testing/fake_node.h"
#include "net/server/testing/memory_network.h"
#include "net/server/testing/test_world.h"

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <string_view>

namespace verity::server::testing {

inline constexpr std::string_view one_event = R"({"type":"admitted","data":{"bed": 7.0 }})";

// What a test's client sees of one answer.
struct Answer {
  int status = 0;
  std::string head;
  std::string body;
  bool has(std::string_view text) const {
    return head.find(text) != std::string::npos || body.find(text) != std::string::npos;
  }
};

class TestClient {
 public:
  TestClient(io::Wait& wait, io::Network& network, const io::Address& address) : wait_(wait) {
    auto socket = network.connect(wait, address);
    if (socket) socket_ = std::move(*socket);
  }

  bool is_connected() const { return socket_ != nullptr; }
  bool send(std::string_view text) { return io::write_all(wait_, *socket_, as_bytes(text)).has_value(); }
  void finish_sending() { ignore(socket_->shutdown_write(wait_), "a test's half close"); }
  void close() { socket_.reset(); }

  // The next answer with a Content-Length (or none at all to a HEAD request); status 0 when the server closes
  // instead.
  Answer receive(bool is_head = false) {
    Answer answer;
    auto end = std::string::npos;
    while ((end = received_.find("\r\n\r\n")) == std::string::npos) {
      if (!read_more()) return answer;
    }
    answer.head = received_.substr(0, end + 4);
    received_.erase(0, end + 4);
    answer.status = std::stoi(answer.head.substr(9, 3));
    const auto length_at = answer.head.find("Content-Length: ");
    if (is_head || length_at == std::string::npos) return answer;
    const std::size_t length = std::stoul(answer.head.substr(length_at + 16));
    while (received_.size() < length) {
      if (!read_more()) break;
    }
    answer.body = received_.substr(0, length);
    received_.erase(0, length);
    return answer;
  }

  // Reads until `text` has come, and returns all up to and with it; what came so far if the server closes
  // first.
  std::string receive_until(std::string_view text) {
    std::size_t at = 0;
    while ((at = received_.find(text)) == std::string::npos) {
      if (!read_more()) return std::exchange(received_, {});
    }
    std::string out = received_.substr(0, at + text.size());
    received_.erase(0, at + text.size());
    return out;
  }

  // Everything until the server closes.
  std::string receive_all() {
    while (read_more()) continue;
    return std::exchange(received_, {});
  }
  bool is_closed() { return received_.empty() && !read_more(); }

 private:
  bool read_more() {
    std::byte chunk[4096];
    const auto count = socket_->read(wait_, chunk);
    if (!count || *count == 0) return false;
    received_ += as_text(std::span(chunk).first(*count));
    return true;
  }

  io::Wait& wait_;
  std::unique_ptr<io::Socket> socket_;
  std::string received_;
};

class ServerFixture : public ::testing::Test {
 protected:
  // Runs `body` as a fiber beside a started server, then stops the server.
  void run(std::function<void(io::Wait&)> body) {
    bool is_done = false;
    loop_.spawn("test", [&] {
      io::Wait wait(loop_);
      auto started = Server::start(wait, world_, node_, options_);
      ASSERT_TRUE(started) << started.error().describe();
      server_ = std::move(*started);
      body(wait);
      server_->stop(wait);
      server_.reset();
      is_done = true;
    });
    ASSERT_TRUE(run_to_end(loop_, clock_)) << "everybody waits for ever: " << loop_.fiber_names().front();
    EXPECT_TRUE(is_done);
  }

  TestClient connect(io::Wait& wait) { return TestClient(wait, network_, server_->address()); }

  // One request on a connection of its own.
  Answer ask(io::Wait& wait, std::string_view method, std::string_view target, std::string_view body = {},
             std::string_view headers = "Content-Type: application/json\r\n") {
    TestClient client = connect(wait);
    std::string text(method);
    text +=
        " " + std::string(target) + " HTTP/1.1\r\nHost: test\r\nConnection: close\r\n" + std::string(headers);
    if (!body.empty()) text += "Content-Length: " + std::to_string(body.size()) + "\r\n";
    text += "\r\n" + std::string(body);
    EXPECT_TRUE(client.send(text));
    return client.receive(method == "HEAD");
  }

  void create_tenant(io::Wait& wait) { ASSERT_EQ(ask(wait, "PUT", "/v1/tenants/acme").status, 201); }

  JumpingClock clock_;
  io::Loop loop_{clock_};
  ZeroRandom random_;
  MemoryNetwork network_;
  QuietLogger logger_;
  const io::World world_{loop_, clock_, random_, network_, logger_};
  FakeNode node_;
  ServerOptions options_;
  std::unique_ptr<Server> server_;
};

}  // namespace verity::server::testing
