#include "net/server/native_connection.h"

#include "engine/node/forwarding_codec.h"
#include "engine/node/node.h"
#include "io/fiber/loop.h"
#include "io/fiber/sync.h"
#include "io/logger.h"
#include "io/network.h"
#include "net/frame/frame.h"
#include "net/http/append_body.h"
#include "net/http/event_fields.h"
#include "net/native/messages.h"
#include "net/server/context.h"
#include "net/server/response_writer.h"

#include <algorithm>
#include <optional>

namespace verity::server {
namespace {

using native::Type;
using node::Refusal;
using node::RefusalCode;

constexpr ByteCount hello_bytes_max = 1 * KiB;
// Requests up to this size are covered by the limit on connections; larger ones ask the budget.
constexpr ByteCount unbudgeted_bytes = 16 * KiB;
// From here on answers wait for the client to take some.
constexpr std::size_t unsent_bytes_max = 4 * MiB;
// An idle connection keeps no more.
constexpr std::size_t kept_bytes_max = 64 * KiB;
// Reads that wait for a place that never comes, appends that wait for a leader.
constexpr Duration request_patience = 20s;
// Each is an entry of the log and pushes another session out in the end; a client opens a second one when its first was.
constexpr std::uint32_t sessions_max = 64;

Refusal overloaded() {
  Refusal refusal{RefusalCode::overloaded, "too much is under way; try again soon"};
  refusal.retry_after = 100ms;
  return refusal;
}

// Nothing: every event's data and metadata are JSON.
std::optional<Refusal> find_fault(http::JsonChecker& json, const node::AppendRequest& request) {
  for (const node::StreamAppend& stream : request.streams) {
    std::size_t index = 0;
    for (const node::NewEvent& event : stream.events) {
      for (const auto& [name, text] :
           {std::pair("data", event.data), std::pair("metadata", event.metadata)}) {
        if (text.empty()) continue;  // data that is missing is refused by the node
        if (const auto fault = json.find_fault(text, http::event_depth_max)) {
          return Refusal{RefusalCode::invalid_request, "stream '" + http::excerpt(stream.stream) +
                                                           "', event " + std::to_string(index) + ": " + name +
                                                           ": " + *fault};
        }
      }
      ++index;
    }
  }
  return std::nullopt;
}

class NativeConnection {
 public:
  NativeConnection(Context& context, io::Socket& socket)
      : context_(context),
        socket_(socket),
        active_(context.world.loop, &context.aborting),
        idle_(context.world.loop, &context.stopping),
        decoder_(hello_bytes_max),
        received_(context.memory),
        unsent_(context.memory) {}

  void run(ByteView begun) {
    std::ranges::copy(begun, decoder_.room().begin());
    decoder_.added(begun.size());
    fibers_.add();
    context_.world.loop.spawn("native writer", [this] {
      write_all();
      fibers_.done();
    });
    if (greet()) {
      decoder_.set_payload_bytes_max(frame::payload_bytes_limit);
      while (take_request()) continue;
    }
    // What is under way is answered, then the connection ends.
    io::Wait unconditional(context_.world.loop);
    ignore(requests_.wait(unconditional),
           "each ends by itself, and at once when a stop has lost its patience");
    closing_ = true;
    work_.notify_all();
    // A peer that takes nothing does not hold up a stop.
    if (!fibers_.wait(active_)) cut_.cancel();
    ignore(fibers_.wait(unconditional), "without deadline it cannot fail");
  }

 private:
  // The next frame; nothing when the connection is to end.
  std::optional<frame::Frame> next_frame(Duration patience) {
    received_.release();  // what it was for is done, or a request of its own
    Instant begun = idle_.now();
    while (true) {
      auto frame = decoder_.next();
      if (!frame) {
        refuse_connection({RefusalCode::invalid_request, frame.error().message});
        return std::nullopt;
      }
      if (*frame) return **frame;
      const ByteCount held = decoder_.held_bytes();
      if (held > unbudgeted_bytes && !received_.grow_to(held)) {
        refuse_connection(overloaded());
        return std::nullopt;
      }
      if (held == 0) begun = idle_.now();
      // Whoever has begun a frame goes on with it.
      io::Wait patient = idle_.until(
          held == 0 ? begun + patience
                    : paced_deadline(begun, idle_.now(), context_.options.body_idle_timeout, held));
      const auto count = socket_.read(patient, decoder_.room());
      const bool is_idle = held == 0 && !count && count.error().code == ErrorCode::timed_out;
      if (is_idle && requests_.count() > 0) continue;
      if (!count || *count == 0) return std::nullopt;
      decoder_.added(*count);
    }
  }

  bool greet() {
    const auto frame = next_frame(context_.options.header_timeout);
    if (!frame) return false;
    if (frame->head.type != static_cast<std::uint16_t>(Type::hello))
      return refuse_connection({RefusalCode::invalid_request, "the first message is not a hello"});
    const auto hello = native::decode_hello(frame->payload);
    if (!hello) return refuse_connection({RefusalCode::invalid_request, hello.error().message});
    if (hello->protocol_min > native::protocol || hello->protocol_max < native::protocol) {
      return refuse_connection(
          {RefusalCode::invalid_request,
           "this server speaks version " + std::to_string(native::protocol) + " of the native protocol"});
    }
    if (context_.started == nullptr) {
      Refusal refusal{RefusalCode::not_ready, "the node is starting: " + context_.status().reason};
      refusal.retry_after = 1s;
      return refuse_connection(refusal);
    }
    const node::NodeStatus status = context_.node().status();
    send(Type::welcome, native::encode(native::Welcome{
                            .node = status.node_id,
                            .cluster_id = status.cluster_id,
                            .requests_max = context_.options.native_requests_max,
                            .bytes_max = context_.options.native_bytes_max,
                            .numbers_kept = static_cast<std::uint32_t>(status.session_requests_kept),
                            .leader = leader()}));
    return true;
  }

  // Takes one request and starts it; false when no more are to come.
  bool take_request() {
    const auto frame = next_frame(context_.options.keep_alive_timeout);
    if (!frame) return false;
    const auto tag = ByteReader(frame->payload).get<std::uint64_t>();
    if (!tag || *tag == 0)
      return refuse_connection({RefusalCode::invalid_request, "a request without its tag"});
    const ByteView fields = frame->payload.subspan(native::tag_bytes);
    const auto type = static_cast<Type>(frame->head.type);
    if (!wait_to_send(active_)) return false;
    if (type ==
        Type::who_leads) {  // also while no request is taken: it is how a client knows that somebody is there
      answer(*tag, Type::leader, native::encode(leader()));
      return !idle_.is_cancelled();
    }
    if (type != Type::open_session && type != Type::append && type != Type::read) {
      return refuse_connection(
          {RefusalCode::invalid_request,
           "a message of type " + std::to_string(frame->head.type) + " does not belong here"});
    }
    if (type == Type::open_session && ++sessions_opened_ > sessions_max) {
      return refuse_connection({RefusalCode::limit_exceeded,
                                "a connection opens at most " + std::to_string(sessions_max) + " sessions"});
    }
    if (!wait_for_room()) return false;
    ++context_.counters.native_requests;
    if (const ByteCount limit = context_.options.body_bytes_max(); fields.size() > limit) {
      refuse(*tag, {RefusalCode::limit_exceeded, "the request has " + describe_bytes(fields.size()) +
                                                     "; at most " + describe_bytes(limit) + " are taken"});
    } else if (context_.native_under_way >= context_.options.native_requests_all_max) {
      refuse(*tag, overloaded());
    } else {
      start(*tag, type, Bytes(fields.begin(), fields.end()));
    }
    return !idle_.is_cancelled();
  }

  void start(std::uint64_t tag, Type type, Bytes fields) {
    requests_.add();
    ++context_.native_under_way;
    bytes_under_way_ += fields.size();
    context_.world.loop.spawn("native request", [this, tag, type, fields = std::move(fields)] {
      serve(tag, type, fields);
      bytes_under_way_ -= fields.size();
      --context_.native_under_way;
      requests_.done();
      room_.notify_all();
    });
  }

  // For another request.
  bool wait_for_room() {
    const ServerOptions& options = context_.options;
    while (requests_.count() >= options.native_requests_max || bytes_under_way_ >= options.native_bytes_max) {
      if (!room_.wait(active_)) return false;
    }
    return !idle_.is_cancelled();
  }
  // Until the client has taken some of its answers.
  bool wait_to_send(io::Wait& wait) {
    while (unsent_bytes() >= unsent_bytes_max) {
      if (!room_.wait(wait)) return false;
    }
    return true;
  }

  void serve(std::uint64_t tag, Type type, ByteView fields) {
    io::Wait wait = active_.within(request_patience);
    MemoryBudget::Share memory(context_.memory);
    if (fields.size() > unbudgeted_bytes && !memory.grow_to(fields.size())) return refuse(tag, overloaded());
    switch (type) {
      case Type::open_session:
        return open_session(wait, tag);
      case Type::append:
        return append(wait, tag, fields);
      default:
        return read(wait, tag, fields);
    }
  }

  void open_session(io::Wait& wait, std::uint64_t tag) {
    const auto session = context_.node().open_session(wait);
    if (!session) return refuse(tag, session.error());
    Bytes fields;
    put(fields, *session);
    answer(tag, Type::session, fields);
  }

  void append(io::Wait& wait, std::uint64_t tag, ByteView fields) {
    const auto request = node::decode_append(fields);
    if (!request) return refuse(tag, {RefusalCode::invalid_request, request.error().message});
    if (auto fault = find_fault(context_.json, *request)) return refuse(tag, *fault);
    const auto receipt = context_.node().append(wait, *request);
    if (!receipt) return refuse(tag, receipt.error());
    answer(tag, Type::receipt, node::encode(*receipt));
  }

  void read(io::Wait& wait, std::uint64_t tag, ByteView fields) {
    auto asked = native::decode_read(fields);
    if (!asked) return refuse(tag, {RefusalCode::invalid_request, asked.error().message});
    asked->request.bytes_max = context_.options.read_page_bytes_max;
    const Instant until = wait.now() + asked->wait;
    while (true) {
      if (!wait_to_send(wait)) {
        return refuse(tag,
                      {RefusalCode::cancelled, "the request was given up while the client took no answers"});
      }
      const auto page = context_.node().read(wait, asked->request);
      if (!page) return refuse(tag, page.error());
      const bool is_done = !page->events.empty() || !page->next || wait.now() >= until;
      if (is_done || context_.stopping.is_cancelled()) return answer_page(tag, native::encode(*page));
      // What comes while nobody looks is missed by nobody who asked for "end".
      asked->request.from = *page->next;
      io::Wait patient = io::Wait(context_.world.loop, &context_.stopping, until);
      context_.node().wait_for_events(patient, asked->request, page->awaited());
      ignore(active_.yield(), "the next read notices");
      wait = active_.within(request_patience);
    }
  }

  void answer_page(std::uint64_t tag, ByteView page) {
    if (page.size() > unbudgeted_bytes && !unsent_.grow_to(unsent_bytes() + page.size()))
      return refuse(tag, overloaded());
    answer(tag, Type::page, page);
  }

  native::Leader leader() const {
    const node::NodeStatus status = context_.node().status();
    if (status.leader == status.node_id) return {status.leader, context_.options.client_address.describe()};
    for (const node::NodePeer& peer : status.peers) {
      if (peer.id == status.leader && status.leader.value != 0) return {status.leader, peer.client_address};
    }
    return {status.leader, {}};
  }

  void answer(std::uint64_t tag, Type type, ByteView fields) {
    if (fields.size() + native::tag_bytes > frame::payload_bytes_limit) {
      return type == Type::receipt
                 ? refuse(tag, {RefusalCode::outcome_unknown, "what became of it is larger than a frame"})
                 : refuse(tag, {RefusalCode::limit_exceeded,
                                "the answer is larger than a frame; ask for fewer events"});
    }
    Bytes payload;
    payload.reserve(native::tag_bytes + fields.size());
    put(payload, tag);
    put_bytes(payload, fields);
    send(type, payload);
  }
  void refuse(std::uint64_t tag, const Refusal& refusal) {
    answer(tag, Type::refusal, node::encode(refusal));
  }
  // Always false: the connection ends behind it.
  bool refuse_connection(const Refusal& refusal) {
    context_.world.logger.log(io::LogLevel::info, "verity_native", "A connection is given up",
                              {{"peer", socket_.peer().describe()}, {"reason", refusal.detail}});
    refuse(0, refusal);
    return false;
  }

  void send(Type type, ByteView payload) {
    if (is_broken_) return;
    frame::append_frame(out_, {.type = static_cast<std::uint16_t>(type), .sequence = sequence_++}, payload);
    work_.notify_all();
  }

  ByteCount unsent_bytes() const { return out_.size() + sending_bytes_; }

  // Answers that are done while a batch is written form the next one.
  void write_all() {
    io::Wait wait(context_.world.loop, &cut_);
    Bytes batch;  // its memory is used again
    while (true) {
      if (out_.empty()) {
        if (closing_) break;
        ignore(work_.wait(wait), "the loop looks at what there is to do");
        if (wait.is_cancelled()) return;
        continue;
      }
      std::swap(batch, out_);
      sending_bytes_ = batch.size();
      is_broken_ = !write(wait, batch);
      sending_bytes_ = 0;
      batch.clear();
      if (batch.capacity() > kept_bytes_max) batch = {};
      if (is_broken_) out_.clear();
      unsent_.shrink_to(out_.size());
      room_.notify_all();
    }
    if (!is_broken_) ignore(socket_.shutdown_write(wait), "the connection ends here, heard or not");
  }

  bool write(io::Wait& wait, ByteView batch) {
    while (!batch.empty()) {
      io::Wait patient = wait.within(context_.options.write_idle_timeout);
      const auto count = socket_.write(patient, batch);
      if (!count) return false;
      batch = batch.subspan(*count);
    }
    return true;
  }

  Context& context_;
  io::Socket& socket_;
  io::Wait active_;  // while something is under way
  io::Wait idle_;    // for what the client says next
  frame::Decoder decoder_;
  MemoryBudget::Share received_;  // of a frame that is not whole yet
  std::uint32_t sessions_opened_ = 0;
  io::CancelSource cut_;

  io::WaitGroup requests_;
  ByteCount bytes_under_way_ = 0;
  io::Signal room_;
  Bytes out_;
  ByteCount sending_bytes_ = 0;  // of the batch that is being written
  MemoryBudget::Share unsent_;   // of both; small answers are bounded by the requests they answer
  std::uint64_t sequence_ = 0;   // of the next frame to be sent
  io::Signal work_;
  bool closing_ = false;
  bool is_broken_ = false;  // nothing can be sent any more
  io::WaitGroup fibers_;
};

}  // namespace

void serve_native(Context& context, io::Socket& socket, ByteView begun) {
  ++context.counters.native_connections;
  NativeConnection(context, socket).run(begun);
  --context.counters.native_connections;
}

}  // namespace verity::server
