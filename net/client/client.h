// A client of a cluster, on a fiber loop: connects to one of several nodes, goes to the one that leads, and sends again what
// was lost, under a session, so that each append is carried out once (net/client/pending.h decides). Applications use it
// through the library's header (tools/client); the simulator uses it as it is.
//
//   fiber "client":        connect ─► hello ─► answers ─► callbacks; a lost connection, a better node: again
//   fiber "client writer": what is to be sent now ─► batch ─► socket
//   fiber "client timer":  deadlines
#pragma once

#include "engine/node/request.h"
#include "io/fiber/sync.h"
#include "io/network.h"
#include "io/world.h"
#include "net/client/pending.h"
#include "net/frame/frame.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace verity::client {

struct ClientOptions {
  std::vector<io::Address> nodes;  // at least one; any of the cluster
  std::string name = "client";     // up to 100 bytes, for people
  Duration request_timeout = 30s;  // until its outcome is known, or is said not to be
  Duration connect_timeout = 2s;
  Duration keep_alive_interval = 500ms;
  Duration silence_timeout = 2s;  // then another node is tried
  Duration reconnect_delay = 20ms;
  // What may wait and be under way before has_room() says no.
  std::size_t requests_max = 4096;
  ByteCount bytes_max = 32 * MiB;
  PendingOptions pending;
};

class Client {
 public:
  // `world` outlives the client.
  Client(const io::World& world, ClientOptions options);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  void start();
  // Whoever waits is told that the outcome is not known, or that nothing was done. Must have returned before destruction.
  void stop(io::Wait& wait);

  // False: wait (until_room) before submitting more. Submitting all the same is allowed, and takes memory.
  bool has_room() const;
  Status until_room(io::Wait& wait);

  // Appends under the client's session; many at once, in no order among themselves. `done` is called once, on this loop,
  // never inside submit(). The request is copied. Nothing is submitted once stop() was called.
  using Done = std::move_only_function<void(node::Outcome<node::AppendReceipt>)>;
  std::uint64_t submit(const node::AppendRequest& request, Done done);
  // The same, waiting for it. A wait that ends first leaves it on its way: outcome_unknown, or cancelled if nothing was sent.
  node::Outcome<node::AppendReceipt> append(io::Wait& wait, const node::AppendRequest& request);

  // Sees at least what this client has been told of. `patience`: how long the server waits for something to be there.
  node::Outcome<node::EventPage> read(io::Wait& wait, const node::ReadRequest& request,
                                      Duration patience = {});
  void submit_read(const node::ReadRequest& request, Duration patience,
                   std::move_only_function<void(node::Outcome<node::EventPage>)> done);

  // Where it is connected now; 0: nowhere.
  NodeId connected_to() const { return node_; }
  std::uint64_t connections() const { return connections_; }
  std::uint64_t retries() const { return pending_.retries(); }

 private:
  void submitted(Instant deadline);
  void spawn(std::string_view name, void (Client::*body)(io::Wait&));
  void run(io::Wait& wait);
  void run_timer(io::Wait& wait);
  void run_writer(io::Wait& wait);
  Status serve(io::Wait& wait, std::size_t place);
  Result<std::optional<frame::Frame>> read_frame(io::Wait& wait, frame::Decoder& decoder);
  Result<native::Welcome> greet(io::Wait& wait, frame::Decoder& decoder);
  Status take(const frame::Frame& frame);
  std::size_t choose(Instant now);
  std::optional<std::size_t> better_place(Instant now) const;
  void follow(const native::Leader& leader);
  Status write(io::Wait& wait, ByteView bytes);

  const io::World& world_;
  const ClientOptions options_;
  Pending pending_;

  struct Place {
    NodeId node{};  // 0: not known yet
    Instant avoid_until{};
  };
  std::vector<Place> places_;  // of options_.nodes
  std::size_t last_place_;
  native::Leader leader_;
  Instant moved_at_;

  // Of the connection.
  std::unique_ptr<io::Socket> socket_;
  NodeId node_;
  std::uint64_t sequence_ = 0;
  Instant ask_leader_at_;
  io::CancelSource* cut_ = nullptr;
  bool writing_ = false;
  io::Signal writer_ended_;

  std::uint64_t connections_ = 0;
  io::Signal work_;  // something to send, or an earlier deadline
  io::Signal timer_work_;
  io::Signal room_;
  bool stopping_ = false;
  io::CancelSource cancel_;
  io::WaitGroup fibers_;
};

}  // namespace verity::client
