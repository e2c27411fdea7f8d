#include "net/cluster/transport.h"

#include "io/base/assert.h"
#include "io/fiber/wait.h"

#include <algorithm>
#include <tuple>
#include <utility>

namespace verity::cluster {
namespace {

// What the engine may send fits a frame.
static_assert(node::message_bytes_max == frame::payload_bytes_limit);
static_assert(peer::lane_count == std::tuple_size_v<decltype(node::PeerTraffic::lanes)>);
constexpr Duration busy_patience = 500ms;
constexpr Duration busy_retry_interval = 20ms;

peer::Lane lane_of(node::PeerLane lane) {
  return lane == node::PeerLane::bulk ? peer::Lane::bulk : peer::Lane::control;
}

consensus::Member member_of(const peer::PeerIdentity& identity) {
  return {identity.id, identity.incarnation};
}

node::Boot boot_of(const peer::PeerIdentity& identity) {
  return {identity.boot_number, identity.boot_nonce};
}

node::PeerRefusal::Why why(const peer::Refusal& refusal, bool by_us) {
  using Why = node::PeerRefusal::Why;
  using Code = peer::RefusalCode;
  switch (refusal.code) {
    case Code::self:
    case Code::other_cluster_name:
    case Code::other_cluster:
      return Why::stranger;
    case Code::other_epoch:
      return Why::other_epoch;
    case Code::own_node_id:
      return Why::taken;
    // Said by this node, these are about the other.
    case Code::stale_boot:
      return by_us ? Why::other : Why::outdated;
    case Code::node_id_taken:
      return by_us ? Why::other : Why::taken;
    case Code::duplicate:
      return Why::duplicate;
    default:
      return Why::other;
  }
}

io::Address advertised(const peer::PeerOptions& options) {
  if (options.advertised_host.empty()) return options.listen_address;
  return {options.advertised_host, options.listen_address.port};
}

peer::Hello hello_of(const node::NodeIdentity& identity, const io::Address& address) {
  return {.identity = {.id = identity.member.id,
                       .incarnation = identity.member.incarnation,
                       .boot_number = identity.boot_number,
                       .boot_nonce = identity.boot_nonce},
          .cluster_name = identity.cluster_name,
          .cluster_id = identity.cluster_id,
          .epoch = identity.epoch,
          .release = identity.releases.newest,
          .oldest_release = identity.releases.oldest,
          .active_release = identity.active_release.number,
          .activated_by = identity.active_release.at,
          .address = address.describe()};
}

}  // namespace

Transport::Transport(const io::World& world, peer::PeerOptions options)
    : world_(world), options_(std::move(options)) {}

Transport::~Transport() {
  VERITY_ASSERT_NOTE(peers_ == nullptr, "stop() must have returned");
}

Status Transport::start(io::Wait& wait, std::function<node::NodeIdentity()> identity) {
  peer::PeerOptions options = options_;
  options.remembered = [identity] {
    std::vector<peer::PeerIdentity> known;
    for (const node::KnownBoot& one : identity().known)
      known.push_back({one.member.id, one.member.incarnation, one.boot.number, one.boot.nonce});
    return known;
  };
  peers_ = peer::make_peers(
      world_, std::move(options),
      [identity = std::move(identity), address = advertised(options_)] {
        return hello_of(identity(), address);
      },
      *this);
  for (const io::Address& address : reached_) peers_->also_dial(address);
  // The kernel takes a moment to close what a killed process listened on.
  const Instant give_up = wait.now() + busy_patience;
  while (true) {
    Status started = peers_->start(wait);
    if (started || started.error().code != ErrorCode::busy || wait.now() >= give_up) return started;
    VERITY_TRY(wait.sleep(busy_retry_interval));
  }
}

void Transport::stop(io::Wait& wait) {
  receiver_ = nullptr;
  if (peers_ == nullptr) return;
  peers_->stop(wait);
  peers_.reset();
  connected_.clear();
}

void Transport::set_receiver(node::PeerReceiver* receiver) {
  receiver_ = receiver;
  for (const auto& [id, peer] : connected_) {
    if (receiver_ != nullptr)
      receiver_->on_peer_connected(member_of(peer.identity), peer.release, boot_of(peer.identity));
  }
}

bool Transport::send(const consensus::Member& to, node::PeerLane lane, node::PeerMessage message) {
  const auto known = connected_.find(to.id);
  if (peers_ == nullptr || known == connected_.end() || member_of(known->second.identity) != to) {
    ++unconnected_;
    return false;
  }
  peer::Payload payload{.head = std::move(message.head), .parts = {}};
  for (log::EntryPtr& entry : message.entries) {
    const ByteView bytes = entry->bytes();
    payload.parts.push_back({std::move(entry), bytes});
  }
  return peers_->send(to.id, lane_of(lane), message.type, std::move(payload));
}

bool Transport::is_connected(const consensus::Member& peer) const {
  const auto known = connected_.find(peer.id);
  return known != connected_.end() && member_of(known->second.identity) == peer;
}

void Transport::reach(const std::vector<std::string>& addresses) {
  const auto stands_in = [](const std::vector<io::Address>& list, const io::Address& address) {
    return std::find(list.begin(), list.end(), address) != list.end();
  };
  std::vector<io::Address> reached;
  for (const std::string& text : addresses) {
    const Result<io::Address> address = io::Address::parse(text);
    if (address && !stands_in(reached, *address) && !stands_in(options_.others, *address))
      reached.push_back(*address);
  }
  const std::vector<io::Address> before = std::exchange(reached_, std::move(reached));
  if (peers_ == nullptr) return;
  for (const io::Address& address : before) {
    if (!stands_in(reached_, address)) peers_->stop_dialling(address);
  }
  for (const io::Address& address : reached_) peers_->also_dial(address);
}

bool Transport::is_outdated() const {
  return peers_ != nullptr &&
         peers_->metrics().refused_by[static_cast<std::size_t>(peer::RefusalCode::stale_boot)] > 0;
}

std::vector<node::PeerStatus> Transport::peers() const {
  std::vector<node::PeerStatus> all;
  if (peers_ == nullptr) return all;
  for (const peer::PeerRow& row : peers_->peers()) {
    const auto known = connected_.find(row.id.value_or(NodeId{}));
    all.push_back({.id = row.id.value_or(NodeId{}),
                   .address = row.address,
                   .connected = row.connected,
                   .is_in_cluster = known != connected_.end() && known->second.is_in_cluster,
                   .last_seen = row.last_seen,
                   .round_trip = row.round_trip_time,
                   .problem = row.last_problem});
  }
  return all;
}

std::uint64_t Transport::messages_dropped() const {
  std::uint64_t dropped = unconnected_;
  if (peers_ == nullptr) return dropped;
  for (const peer::LaneCounters& lane : peers_->metrics().lanes) dropped += lane.dropped;
  return dropped;
}

node::PeerTraffic Transport::traffic() const {
  node::PeerTraffic traffic;
  if (peers_ == nullptr) return traffic;
  const peer::PeerMetrics& counted = peers_->metrics();
  for (std::size_t i = 0; i < peer::lane_count; ++i) {
    const peer::LaneCounters& lane = counted.lanes[i];
    traffic.lanes[i] = {.messages_in = lane.messages_in,
                        .messages_out = lane.messages_out,
                        .bytes_in = lane.bytes_in,
                        .bytes_out = lane.bytes_out,
                        .connections = lane.connections,
                        .connections_lost = lane.connections_lost};
  }
  for (std::size_t i = 0; i < peer::refusal_code_count; ++i) {
    const std::string name(peer::describe(static_cast<peer::RefusalCode>(i)));
    if (counted.refused[i] > 0) traffic.refused[name] = counted.refused[i];
    if (counted.refused_by[i] > 0) traffic.refused_by[name] = counted.refused_by[i];
  }
  traffic.connect_failures = counted.connect_failures;
  traffic.handshake_failures = counted.handshake_failures;
  traffic.bad_frames = counted.bad_frames;
  traffic.turned_away = counted.turned_away;
  return traffic;
}

void Transport::on_message(const peer::PeerIdentity& from, peer::Lane /*lane*/, std::uint16_t type,
                           ByteView payload) {
  if (receiver_ != nullptr) receiver_->on_peer_message(member_of(from), type, payload);
}

void Transport::on_connected(const peer::Hello& peer, peer::Lane lane) {
  if (lane != peer::Lane::control) return;
  const node::PeerRelease release{peer.release, {peer.active_release, peer.activated_by}};
  const auto known = connected_.find(peer.identity.id);
  const bool was_connected = known != connected_.end() && known->second.identity == peer.identity;
  connected_.insert_or_assign(peer.identity.id,
                              Connected{peer.identity, release, !peer.cluster_id.is_zero()});
  if (receiver_ == nullptr) return;
  if (was_connected) {
    receiver_->on_peer_changed(member_of(peer.identity), release);
  } else {
    receiver_->on_peer_connected(member_of(peer.identity), release, boot_of(peer.identity));
  }
}

void Transport::on_disconnected(const peer::PeerIdentity& peer, peer::Lane lane,
                                std::string_view /*reason*/) {
  const auto known = connected_.find(peer.id);
  if (lane == peer::Lane::control && known != connected_.end() && known->second.identity == peer)
    connected_.erase(known);
}

void Transport::on_refused(NodeId other, const peer::Refusal& refusal, bool by_us) {
  if (receiver_ != nullptr)
    receiver_->on_peer_refused({other, why(refusal, by_us), peer::printable(refusal.sentence)});
}

}  // namespace verity::cluster
