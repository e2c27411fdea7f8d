#include "bench/in_process.h"

#include "bench/load_runner.h"
#include "engine/node/node.h"
#include "engine/node/request.h"
#include "io/directory.h"
#include "io/linux/runtime.h"
#include "io/logger.h"
#include "io/network.h"
#include "io/world.h"

#include <cstdio>
#include <memory>

namespace verity::bench {
namespace {

// Warnings would distort a measurement and explain it: they are printed.
class WarningsOnly final : public io::Logger {
 public:
  void log(io::LogLevel level, std::string_view target, std::string_view message,
           std::initializer_list<io::LogField> /*fields*/) override {
    if (!enabled(level)) return;
    std::fprintf(stderr, "%.*s: %.*s\n", static_cast<int>(target.size()), target.data(),
                 static_cast<int>(message.size()), message.data());
  }
  bool enabled(io::LogLevel level) const override { return level >= io::LogLevel::warn; }
};

struct Running {
  std::unique_ptr<io::Directory> directory;
  std::unique_ptr<node::Node> node;
};

Result<Running> start(io::Wait& wait, io::Runtime& runtime, io::Logger& logger, const std::string& data_dir) {
  Running running;
  VERITY_TRY_ASSIGN(running.directory, runtime.open_directory(wait, data_dir, true));
  io::World world{runtime.loop(), runtime.clock(), runtime.random(), runtime.network(), logger};
  node::NodeOptions options;
  options.cluster_name = "production";  // as verity-server by default, so that its directories can be opened
  options.lock_holder = "verity-bench";
  VERITY_TRY_ASSIGN(running.node, node::Node::start(wait, world, *running.directory, options));
  return running;
}

// One client: appends one request after the other until the load ends.
class Client {
 public:
  Client(node::Node& node, const Load& load, std::uint64_t number, const std::string& data)
      : node_(node), load_(load), stream_(stream_name(number, load)) {
    node::StreamAppend append;
    append.stream = stream_;
    node::NewEvent event{};
    event.type = "measured";
    event.data = data;
    append.events.assign(load.batch, event);
    request_.tenant = "default";
    request_.streams.push_back(std::move(append));
  }

  Status append(io::Wait& wait, Figures& figures) {
    while (true) {
      auto receipt = node_.append(wait, request_);
      if (receipt) return {};
      if (receipt.error().code != node::RefusalCode::overloaded)
        return fail(ErrorCode::io_error, "appending: " + receipt.error().describe());
      ++figures.refused;
      VERITY_TRY(wait.sleep(1ms));
    }
  }

 private:
  node::Node& node_;
  const Load& load_;
  const std::string stream_;
  node::AppendRequest request_;
};

Result<InProcessFigures> append_all(io::Wait& wait, io::Runtime& runtime, const std::string& data_dir,
                                    const Load& load) {
  WarningsOnly logger;
  VERITY_TRY_ASSIGN(auto running, start(wait, runtime, logger, data_dir));
  const std::string data = payload(load.payload_bytes);
  const ByteCount log_before = running.node->metrics().log_bytes_total;

  auto figures =
      run_load(wait, load, [&](io::Wait&, std::uint64_t number) -> Result<std::unique_ptr<Client>> {
        return std::make_unique<Client>(*running.node, load, number, data);
      });

  InProcessFigures result;
  result.backend = runtime.backend_name();
  result.log_bytes = running.node->metrics().log_bytes_total - log_before;
  auto stopped = running.node->stop(wait);
  VERITY_TRY_ASSIGN(result.figures, std::move(figures));
  VERITY_TRY(stopped);
  result.payload_bytes =
      (result.figures.events + load.warm_up * load.clients * load.batch) * load.payload_bytes;
  return result;
}

}  // namespace

Result<InProcessFigures> append_in_process(io::Runtime& runtime, const std::string& data_dir,
                                           const Load& load) {
  Result<InProcessFigures> result = fail(ErrorCode::cancelled, "nothing ran");
  runtime.run([&](io::Wait& wait) { result = append_all(wait, runtime, data_dir, load); });
  return result;
}

Result<Duration> start_up(io::Runtime& runtime, const std::string& data_dir, std::uint64_t& head) {
  Result<Duration> result = fail(ErrorCode::cancelled, "nothing ran");
  runtime.run([&](io::Wait& wait) {
    result = [&]() -> Result<Duration> {
      WarningsOnly logger;
      const Instant begin = now();
      VERITY_TRY_ASSIGN(auto running, start(wait, runtime, logger, data_dir));
      const Duration took = now() - begin;
      head = running.node->status().commit_index.value;
      VERITY_TRY(running.node->stop(wait));
      return took;
    }();
  });
  return result;
}

}  // namespace verity::bench
