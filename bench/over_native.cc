#include "bench/over_native.h"

#include "bench/load_runner.h"
#include "io/linux/runtime.h"
#include "io/logger.h"
#include "io/world.h"
#include "net/client/client.h"

#include <functional>
#include <memory>
#include <string>

namespace verity::bench {
namespace {

class Silence final : public io::Logger {
 public:
  void log(io::LogLevel /*level*/, std::string_view /*target*/, std::string_view /*message*/,
           std::initializer_list<io::LogField> /*fields*/) override {}
  bool enabled(io::LogLevel /*level*/) const override { return false; }
};

// What a client of the library needs of the outside.
struct Outside {
  explicit Outside(io::Runtime& runtime)
      : world{runtime.loop(), runtime.clock(), runtime.random(), runtime.network(), logger} {}
  Silence logger;
  const io::World world;
};

client::ClientOptions options_for(const std::vector<io::Address>& nodes) {
  client::ClientOptions options;
  options.nodes = nodes;
  options.name = "verity-bench";
  return options;
}

// Views into its arguments.
node::AppendRequest request_of(std::string_view stream, const std::string& data, std::uint64_t batch) {
  node::NewEvent event{};
  event.type = "measured";
  event.data = data;
  node::AppendRequest request{.tenant = "default", .streams = {{.stream = stream}}};
  request.streams.front().events.assign(batch, event);
  return request;
}

Status to_status(const node::Outcome<node::AppendReceipt>& receipt) {
  if (receipt) return {};
  return fail(ErrorCode::io_error, "appending: " + receipt.error().describe());
}

// One client: appends one request after the other, over a connection that it may share.
class NativeAppender {
 public:
  NativeAppender(client::Client& connection, const Load& load, std::uint64_t number, const std::string& data)
      : connection_(connection),
        stream_(stream_name(number, load)),
        request_(request_of(stream_, data, load.batch)) {}

  Status append(io::Wait& wait, Figures& /*figures*/) {
    return to_status(connection_.append(wait, request_));
  }

 private:
  client::Client& connection_;
  const std::string stream_;
  const node::AppendRequest request_;
};

}  // namespace

Result<Figures> append_over_native(io::Runtime& runtime, const std::vector<io::Address>& nodes,
                                   std::uint64_t connections, const Load& load) {
  Result<Figures> result = fail(ErrorCode::cancelled, "nothing ran");
  const Outside outside(runtime);
  const std::string data = payload(load.payload_bytes);
  runtime.run([&](io::Wait& wait) {
    std::vector<std::unique_ptr<client::Client>> clients;
    for (std::uint64_t i = 0; i < connections; ++i) {
      clients.push_back(std::make_unique<client::Client>(outside.world, options_for(nodes)));
      clients.back()->start();
    }
    result =
        run_load(wait, load, [&](io::Wait&, std::uint64_t number) -> Result<std::unique_ptr<NativeAppender>> {
          return std::make_unique<NativeAppender>(*clients[number % connections], load, number, data);
        });
    for (const auto& client : clients) client->stop(wait);
  });
  return result;
}

Result<Duration> time_of_failover(io::Runtime& runtime, const std::vector<io::Address>& nodes,
                                  const std::function<void(NodeId leader)>& kill,
                                  std::uint64_t& acknowledged) {
  Result<Duration> result = fail(ErrorCode::cancelled, "nothing ran");
  const Outside outside(runtime);
  runtime.run([&](io::Wait& wait) {
    client::Client client(outside.world, options_for(nodes));
    client.start();
    const std::string data = payload(256);
    const node::AppendRequest request = request_of("failover", data, 1);
    const auto append = [&]() -> Status {
      VERITY_TRY(to_status(client.append(wait, request)));
      ++acknowledged;
      return {};
    };
    result = [&]() -> Result<Duration> {
      // Until it has found the leader.
      const Instant settled = now() + 2s;
      while (now() < settled) VERITY_TRY(append());
      kill(client.connected_to());
      const Instant killed = now();
      VERITY_TRY(append());
      const Duration took = now() - killed;
      const auto page = client.read(wait, {.tenant = "default", .stream = "failover", .limit = 1});
      if (!page) return fail(ErrorCode::io_error, "reading: " + page.error().describe());
      const std::uint64_t there = page->last_revision ? page->last_revision->value + 1 : 0;
      if (there != acknowledged) {
        return fail(ErrorCode::corrupt, "the stream has " + std::to_string(there) +
                                            " events, acknowledged were " + std::to_string(acknowledged));
      }
      return took;
    }();
    client.stop(wait);
  });
  return result;
}

}  // namespace verity::bench
