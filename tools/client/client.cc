// The library's client: a thread with a runtime of its own, on which net/client lives. Other threads post to it.
#include <veritydb/client.h>

#include "io/linux/runtime.h"
#include "io/logger.h"
#include "io/world.h"
#include "net/client/client.h"
#include "tools/client/convert.h"

#include <atomic>
#include <condition_variable>
#include <latch>
#include <mutex>
#include <thread>
#include <utility>

namespace veritydb {
namespace {

namespace io = verity::io;
namespace node = verity::node;

class Silence final : public io::Logger {
 public:
  void log(io::LogLevel /*level*/, std::string_view /*target*/, std::string_view /*message*/,
           std::initializer_list<io::LogField> /*fields*/) override {}
  bool enabled(io::LogLevel /*level*/) const override { return false; }
};

Error cancelled() {
  return {
      .code = "cancelled", .detail = "the client is closing; nothing was done", .failed_expectations = {}};
}

// Answers on the spot. A callback that asks again whatever it is told would call itself without end: what it asks while it is
// told this is not answered.
template <class Done>
void tell_closing(const Done& done) {
  thread_local bool is_telling = false;
  if (is_telling) return;
  is_telling = true;
  done(std::unexpected(cancelled()));
  is_telling = false;
}

// About what a request takes while it is under way.
std::size_t bytes_of(const Append& append) {
  std::size_t bytes = 256;
  for (const StreamAppend& stream : append.streams) {
    for (const NewEvent& event : stream.events)
      bytes += 64 + event.type.size() + event.data.size() + event.metadata.size() + event.subject.size();
  }
  return bytes;
}

// What is under way, counted over all threads.
class Room {
 public:
  Room(std::size_t requests_max, std::size_t bytes_max)
      : requests_max_(requests_max), bytes_max_(bytes_max) {}

  // False: there is none, and `may_wait` is false.
  bool take(std::size_t bytes, bool may_wait) {
    std::unique_lock lock(mutex_);
    const auto fits = [&] {
      return requests_ == 0 || (requests_ < requests_max_ && bytes_ + bytes <= bytes_max_);
    };
    if (!may_wait && !fits()) return false;
    freed_.wait(lock, fits);
    ++requests_;
    bytes_ += bytes;
    return true;
  }
  void give_back(std::size_t bytes) {
    const std::lock_guard lock(mutex_);
    --requests_;
    bytes_ -= bytes;
    freed_.notify_all();  // who waits with a large one may not fit, and the next one may
  }

 private:
  const std::size_t requests_max_;
  const std::size_t bytes_max_;
  std::mutex mutex_;
  std::condition_variable freed_;
  std::size_t requests_ = 0;
  std::size_t bytes_ = 0;
};

}  // namespace

struct Client::Impl {
  explicit Impl(const Options& options) : room(options.requests_max, options.bytes_max) {}
  ~Impl() {
    if (!thread.joinable()) return;
    closing = true;
    runtime->mailbox().post([this] { ended.set(); });
    told.count_down();
    thread.join();
  }

  // On the thread: until the client is closed.
  void run(const verity::client::ClientOptions& options, std::promise<std::optional<Error>> started) {
    auto created = io::Runtime::create({});
    if (!created) {
      started.set_value(
          Error{.code = "io_error", .detail = created.error().describe(), .failed_expectations = {}});
      return;
    }
    Silence silence;
    const io::World world{(*created)->loop(), (*created)->clock(), (*created)->random(),
                          (*created)->network(), silence};
    verity::client::Client on_loop(world, options);
    runtime = created->get();
    native = &on_loop;
    started.set_value(std::nullopt);
    runtime->run([&](io::Wait& wait) {
      on_loop.start();
      ignore(ended.wait(wait), "nobody cancels it");
      on_loop.stop(wait);
    });
    // Whoever told it may still be about to wake the runtime.
    told.wait();
  }

  bool is_own_thread() const { return std::this_thread::get_id() == thread.get_id(); }
  void post(std::move_only_function<void()> letter) { runtime->mailbox().post(std::move(letter)); }

  Room room;
  std::thread thread;
  std::atomic<bool> closing = false;
  // Of the thread, while it runs.
  io::Runtime* runtime = nullptr;
  verity::client::Client* native = nullptr;
  io::Event ended;
  std::latch told{1};
};

Client::Client(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Client::Client(Client&&) noexcept = default;
Client& Client::operator=(Client&&) noexcept = default;
Client::~Client() = default;

Result<Client> Client::open(const Options& options) {
  const auto refuse = [](std::string detail) {
    return std::unexpected(
        Error{.code = "invalid_request", .detail = std::move(detail), .failed_expectations = {}});
  };
  if (options.servers.empty()) return refuse("there is no server");
  if (options.name.size() > 100) return refuse("the client's name is longer than 100 bytes");
  if (options.requests_max == 0) return refuse("requests_max is 0");
  verity::client::ClientOptions native;
  for (const std::string& server : options.servers) {
    auto address = io::Address::parse(server);
    if (!address) return refuse(address.error().message);
    native.nodes.push_back(std::move(*address));
  }
  native.name = options.name;
  native.request_timeout = options.request_timeout;
  auto impl = std::make_unique<Impl>(options);
  std::promise<std::optional<Error>> started;
  auto problem = started.get_future();
  impl->thread = std::thread([impl = impl.get(), native, started = std::move(started)]() mutable {
    impl->run(native, std::move(started));
  });
  if (auto error = problem.get()) {
    impl->thread.join();
    return std::unexpected(std::move(*error));
  }
  return Client(std::move(impl));
}

// ---- appending

std::future<Result<Appended>> Client::append(Append append) {
  auto promise = std::make_shared<std::promise<Result<Appended>>>();
  auto future = promise->get_future();
  this->append(std::move(append),
               [promise](Result<Appended> result) { promise->set_value(std::move(result)); });
  return future;
}

void Client::append(Append append, std::function<void(Result<Appended>)> done) {
  Impl& impl = *impl_;
  if (impl.closing) return tell_closing(done);
  const std::size_t bytes = bytes_of(append);
  if (!impl.room.take(bytes, !impl.is_own_thread())) {
    // Not here: a callback that asks again would call itself, without end.
    return impl.post([done = std::move(done)] {
      done(std::unexpected(Error{.code = "overloaded",
                                 .detail = "too much is under way; nothing was done",
                                 .failed_expectations = {}}));
    });
  }
  impl.post([&impl, bytes, append = std::move(append), done = std::move(done)]() mutable {
    impl.native->submit(to_request(append), [&impl, bytes, done = std::move(done)](
                                                const node::Outcome<node::AppendReceipt>& outcome) {
      impl.room.give_back(bytes);
      done(outcome ? Result<Appended>(to_appended(*outcome)) : std::unexpected(to_error(outcome.error())));
    });
  });
}

// ---- reading

Result<Page> Client::read(const Read& read) {
  const auto promise = std::make_shared<std::promise<Result<Page>>>();
  auto future = promise->get_future();
  this->read(read, [promise](Result<Page> page) { promise->set_value(std::move(page)); });
  return future.get();
}

void Client::read(const Read& read, std::function<void(Result<Page>)> done) {
  Impl& impl = *impl_;
  if (impl.closing) return tell_closing(done);
  impl.post([&impl, read, done = std::move(done)]() mutable {
    impl.native->submit_read(
        to_request(read), read.wait, [done = std::move(done)](const node::Outcome<node::EventPage>& page) {
          done(page ? Result<Page>(to_page(*page)) : std::unexpected(to_error(page.error())));
        });
  });
}

// ---- following

// Waiting at all, so that a stream that does not exist yet is an empty one.
constexpr std::chrono::milliseconds end_patience{1};

struct Subscription::State : std::enable_shared_from_this<Subscription::State> {
  Client::Impl& impl;
  Read read;
  std::function<void(const RecordedEvent&)> on_event;
  std::function<void(const Error&)> on_error;
  // Held while a callback runs; a callback may end its own subscription.
  std::recursive_mutex mutex{};
  bool has_ended = false;

  State(Client::Impl& its_impl, Read its_read, std::function<void(const RecordedEvent&)> its_on_event,
        std::function<void(const Error&)> its_on_error)
      : impl(its_impl),
        read(std::move(its_read)),
        on_event(std::move(its_on_event)),
        on_error(std::move(its_on_error)) {}

  void end() {
    const std::lock_guard lock(mutex);
    has_ended = true;
  }

  // On the client's thread.
  void go_on() {
    // Where the end is, is asked first: a wait that is lost with its connection would begin at a later one.
    const std::chrono::milliseconds wait = read.from.kind == From::Kind::end ? end_patience : read.wait;
    impl.native->submit_read(
        to_request(read), wait,
        [self = shared_from_this()](const node::Outcome<node::EventPage>& page) { self->take(page); });
  }

  void take(const node::Outcome<node::EventPage>& outcome) {
    const std::lock_guard lock(mutex);
    if (has_ended || impl.closing) return;
    if (!outcome) {
      // Nobody could be reached, or nobody led, for a while: it goes on when somebody does.
      if (verity::client::is_for_now(outcome.error().code)) return go_on();
      has_ended = true;
      if (on_error) on_error(to_error(outcome.error()));
      return;
    }
    const Page page = to_page(*outcome);
    for (const RecordedEvent& event : page.events) {
      on_event(event);
      if (has_ended) return;
    }
    if (page.next) read.from = *page.next;
    go_on();
  }
};

Subscription::Subscription(std::shared_ptr<State> state) : state_(std::move(state)) {}
Subscription::Subscription(Subscription&&) noexcept = default;
Subscription& Subscription::operator=(Subscription&& other) noexcept {
  if (this == &other) return *this;
  if (state_) state_->end();
  state_ = std::move(other.state_);
  return *this;
}
Subscription::~Subscription() {
  if (state_) state_->end();
}

Subscription Client::subscribe(Read read, std::function<void(const RecordedEvent&)> on_event,
                               std::function<void(const Error&)> on_error) {
  using namespace std::chrono_literals;
  read.backward = false;
  read.consistency = Consistency::stale;  // what a node has not applied yet it sends as soon as it has
  read.wait = 30s;
  auto state = std::make_shared<Subscription::State>(*impl_, std::move(read), std::move(on_event),
                                                     std::move(on_error));
  impl_->post([state] {
    if (!state->impl.closing) state->go_on();
  });
  return Subscription(state);
}

}  // namespace veritydb
