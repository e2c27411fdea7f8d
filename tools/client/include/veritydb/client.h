// VerityDB's client for C++23: appends, reads and follows events of a cluster.
//
//   auto client = veritydb::Client::open({.servers = {"node1:7000", "node2:7000", "node3:7000"}});
//   std::future<veritydb::Result<veritydb::Appended>> appended =
//       client->append({.tenant = "clinic", .streams = {{.stream = "ward", .events = {{"admitted", R"({"bed":7})"}}}}});
//
// A client has one connection, to the node that leads, and one thread of its own; callbacks are called there. It connects
// again, elsewhere, when the connection is lost, and sends again what was not answered: under a session, so that each append
// is carried out once. Where nobody can know whether it was, it says "outcome_unknown". All functions may be called by several
// threads at once. Texts are UTF-8; data and metadata are JSON and are kept byte for byte.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace veritydb {

// A condition on the last revision of a stream, or of a subject in it.
struct Expected {
  enum class Kind : std::uint8_t { any, none, exists, exact };
  Kind kind = Kind::any;
  std::uint64_t revision = 0;  // for exact

  static Expected at(std::uint64_t revision) { return {Kind::exact, revision}; }
};

struct FailedExpectation {
  std::string stream;
  std::string subject;  // empty: it was about the stream
  Expected expected;
  std::optional<std::uint64_t> actual;  // nothing: there is no event yet
};

struct Error {
  std::string code;    // stable, such as "expectation_failed"; docs/client.md lists them
  std::string detail;  // a sentence for people
  std::vector<FailedExpectation> failed_expectations;

  // It may have been carried out or not. Every other error says that it was not.
  bool is_outcome_unknown() const { return code == "outcome_unknown"; }
};

template <class T>
using Result = std::expected<T, Error>;

// ---- appending

struct NewEvent {
  std::string type;
  std::string data;        // JSON
  std::string metadata{};  // JSON, or empty
  std::string id{};        // or empty
  std::string subject{};   // or empty
  Expected subject_expected{};
};

struct StreamAppend {
  std::string stream;
  Expected expected{};
  std::vector<NewEvent> events;
};

// All of it, or nothing.
struct Append {
  std::string tenant;
  std::vector<StreamAppend> streams;
};

struct AppendedStream {
  std::string stream;
  std::uint64_t first_revision = 0;
  std::uint64_t last_revision = 0;
};

struct Appended {
  std::uint64_t position = 0;  // in the log of the cluster
  std::vector<AppendedStream> streams;
  std::string hash;  // of the entry, 64 hexadecimal digits
  std::chrono::sys_time<std::chrono::nanoseconds> recorded_at;
};

// ---- reading

struct RecordedEvent {
  std::string stream;
  std::uint64_t revision = 0;
  std::uint64_t position = 0;  // with `index` its token: where it is in the log
  std::uint32_t index = 0;
  std::string type;
  std::string data;
  std::string metadata;  // or empty
  std::string id;        // or empty
  std::string subject;   // or empty
  std::uint64_t subject_revision = 0;
  std::chrono::sys_time<std::chrono::nanoseconds> recorded_at;
};

// The first event of a page.
struct From {
  enum class Kind : std::uint8_t { start, end, revision, token };
  Kind kind = Kind::start;
  std::uint64_t revision = 0;  // streams only
  std::uint64_t position = 0;
  std::uint32_t index = 0;

  static From at_revision(std::uint64_t revision) { return {Kind::revision, revision}; }
  static From at(std::uint64_t position, std::uint32_t index) { return {Kind::token, 0, position, index}; }
};

enum class Consistency : std::uint8_t {
  linearizable,  // nothing is missing that was acknowledged to anybody before
  leader,        // as the leader sees it
  stale,         // as any node sees it, and never behind what this client was told
};

struct Read {
  std::string tenant;
  std::string stream{};   // empty: all of the tenant
  std::string subject{};  // empty: all of the stream
  From from{};
  bool backward = false;
  std::uint32_t limit = 100;  // 1..1000
  Consistency consistency = Consistency::linearizable;
  std::chrono::milliseconds wait{};  // for something to be there, at most 60 s
};

struct Page {
  std::vector<RecordedEvent> events;
  std::optional<From> next;  // where to go on; nothing: there can be nothing more
  bool at_end = false;       // nothing more is there now
};

// ---- the client

struct Options {
  std::vector<std::string> servers;  // "host:port" of any nodes of the cluster, the more the better
  std::string name = "veritydb-client";
  std::chrono::milliseconds request_timeout{30'000};  // after which an outcome is said not to be known
  std::size_t requests_max = 4096;                    // under way at once; then append() waits
  std::size_t bytes_max = 32 << 20;
};

// Ends the following when it is destroyed: no callback begins after that.
class Subscription {
 public:
  Subscription(Subscription&&) noexcept;
  Subscription& operator=(Subscription&&) noexcept;
  ~Subscription();

 private:
  friend class Client;
  struct State;
  explicit Subscription(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;
};

class Client {
 public:
  // Fails only for options that cannot be, or when the system gives no thread; whether a server answers shows later.
  static Result<Client> open(const Options& options);
  Client(Client&&) noexcept;
  Client& operator=(Client&&) noexcept;
  // Whatever is still under way ends with "outcome_unknown", or "cancelled" if it was never sent. Not inside a callback.
  // What a callback asks meanwhile is told "cancelled"; what it asks while it is told that is not answered.
  ~Client();

  // Appends may overtake one another. When too much is under way these wait; inside a callback, where nothing may wait,
  // the answer is then "overloaded". A callback must not throw.
  std::future<Result<Appended>> append(Append append);
  void append(Append append, std::function<void(Result<Appended>)> done);

  Result<Page> read(const Read& read);  // waits; not inside a callback
  void read(const Read& read, std::function<void(Result<Page>)> done);

  // Calls `on_event` for every event from `read.from` on, in order, without a gap whatever becomes of connections and nodes.
  // `on_error` is called once if it cannot go on, such as for a tenant that is not there.
  Subscription subscribe(Read read, std::function<void(const RecordedEvent&)> on_event,
                         std::function<void(const Error&)> on_error);

 private:
  friend class Subscription;
  struct Impl;
  explicit Client(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace veritydb
