// The bytes of a client connection. The first byte chooses how they are cut into pieces.
//
// The request parser finds the same requests whole and in pieces. Then the complete server, over a network in memory
// and a node in memory, answers them: it answers in the protocol that the first byte names, closes in bounded time, and
// forgets nothing it has to give back.
#include "fuzz/fuzz_input.h"
#include "io/fiber/loop.h"
#include "io/world.h"
#include "net/http/request_parser.h"
#include "net/native/messages.h"
#include "net/server/server.h"
#include "net/server/testing/fake_node.h"
#include "net/server/testing/memory_network.h"
#include "net/server/testing/test_world.h"

#include <algorithm>
#include <string>
#include <vector>

namespace {

using namespace verity;
using namespace verity::server::testing;

// One line per complete request. A fault in what follows them may be seen earlier or later, when more has come.
std::vector<std::string> parse(std::string_view text, std::size_t piece_bytes) {
  http::RequestParser parser({.header_bytes_max = 512, .body_bytes_max = 256, .body_limit_name = ""});
  std::vector<std::string> found;
  std::size_t begin = 0;
  std::size_t end = 0;
  while (begin < text.size()) {
    if (end < text.size()) end = std::min(text.size(), end + piece_bytes);
    const bool is_last = end == text.size();
    bool wants_more = false;
    while (begin < end && !wants_more) {
      const std::size_t taken = parser.feed(as_bytes(text.substr(begin, end - begin)));
      FUZZ_CHECK(taken <= end - begin);
      begin += taken;
      if (parser.state() == http::RequestParser::State::failed) {
        FUZZ_CHECK(parser.problem().status >= 400 && !parser.problem().detail.empty());
        return found;
      }
      if (parser.state() == http::RequestParser::State::complete) {
        const http::Request& request = parser.request();
        FUZZ_CHECK(request.body.size() <= 256);
        found.push_back(std::string(describe(request.method)) + " " + request.target + " " + request.body);
        parser.reset();
      } else {
        wants_more = taken == 0;
      }
    }
    if (wants_more && is_last) return found;
  }
  return found;
}

void serve(std::string_view text, std::size_t piece_bytes) {
  JumpingClock clock;
  io::Loop loop(clock);
  ZeroRandom random;
  MemoryNetwork network;
  QuietLogger logger;
  const io::World world{loop, clock, random, network, logger};
  FakeNode node;
  server::ServerOptions options;
  options.batch_bytes_max = 64 * KiB;
  options.memory_bytes_max = 256 * KiB;
  std::string answer;
  loop.spawn("fuzz", [&] {
    io::Wait wait(loop);
    FUZZ_CHECK(node.create_tenant(wait, "t").has_value());
    auto server = server::Server::start(wait, world, node, options);
    FUZZ_CHECK(server.has_value());
    {
      auto socket = network.connect(wait, (*server)->address());
      FUZZ_CHECK(socket.has_value());
      loop.spawn("sender", [&] {
        io::Wait own(loop);
        std::string_view rest = text;
        while (!rest.empty()) {
          const std::string_view piece = rest.substr(0, piece_bytes);
          if (!io::write_all(own, **socket, as_bytes(piece))) break;
          rest.remove_prefix(piece.size());
          if (!own.yield()) break;
        }
        ignore((*socket)->shutdown_write(own), "the server may be gone");
      });
      // A subscription goes on for ever; two minutes are enough to see it work.
      io::Wait patient = wait.within(2min);
      std::byte chunk[4096];
      for (;;) {
        const auto count = (*socket)->read(patient, chunk);
        if (!count || *count == 0) break;
        answer += as_text(std::span(chunk).first(*count));
      }
      (*server)->stop(wait);
      FUZZ_CHECK((*server)->counters().connections == 0 && (*server)->counters().subscriptions == 0);
      FUZZ_CHECK(wait.sleep(1h).has_value());  // the sender is done before its socket goes
    }
    server->reset();
  });
  FUZZ_CHECK(run_to_end(loop, clock));
  // Each protocol is answered in its own: the first byte tells which it is.
  const bool is_native = text.starts_with(native::first_byte);
  FUZZ_CHECK(answer.empty() || (is_native ? answer.starts_with(native::first_byte)
                                          : answer.starts_with("HTTP/1.1 ") || answer.starts_with('E')));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  const std::size_t piece_bytes = std::size_t{input.take_byte()} % 64 + 1;
  const std::string_view text = input.rest();
  if (text.size() > 64 * KiB) return 0;
  FUZZ_CHECK(parse(text, piece_bytes) == parse(text, text.size() + 1));
  serve(text, piece_bytes);
  return 0;
}
