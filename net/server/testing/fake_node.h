// A node of map and vector for tests of net/: keeps what it is given in memory, acknowledges at once, and can
// be told to refuse. Its revisions, positions, tokens, expectations and idempotency are the real ones'
// contract.
#pragma once

#include "engine/node/node.h"
#include "io/fiber/sync.h"
#include "io/fiber/wait.h"

#include <algorithm>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace verity::server::testing {

class FakeNode final : public node::Node {
 public:
  struct StoredEvent {
    std::string tenant, stream;
    Revision revision;
    node::EventToken token;
    std::string subject;
    Revision subject_revision;
    std::string type, data, metadata, id;
  };

  std::optional<node::Refusal> refuse_next;  // the next call that can be refused is
  Duration append_delay{};
  bool ready = true;
  std::string reason;
  std::deque<StoredEvent> events;
  node::NodeMetrics counted;
  Timestamp time{1'705'314'600'000'000'000};

  node::Outcome<node::AppendReceipt> append(io::Wait& wait, const node::AppendRequest& request) override {
    if (auto refusal = take_refusal()) return std::unexpected(*refusal);
    if (append_delay > Duration::zero() && !wait.sleep(append_delay)) {
      return std::unexpected(node::Refusal{node::RefusalCode::cancelled, "cancelled"});
    }
    const std::string tenant(request.tenant);
    if (!tenants_.contains(tenant)) return std::unexpected(no_tenant(tenant));
    if (request.idempotency) {
      const auto found = receipts_.find({tenant, std::string(request.idempotency->key)});
      if (found != receipts_.end()) {
        if (found->second.first != request.idempotency->request_digest) {
          return std::unexpected(node::Refusal{node::RefusalCode::idempotency_conflict, "another body"});
        }
        node::AppendReceipt receipt = found->second.second;
        receipt.replayed = true;
        return receipt;
      }
    }
    if (auto refusal = check_expectations(request)) return std::unexpected(*refusal);
    const node::AppendReceipt receipt = store(request);
    if (request.idempotency) {
      receipts_[{tenant, std::string(request.idempotency->key)}] = {request.idempotency->request_digest,
                                                                    receipt};
    }
    changed_.notify_all();
    return receipt;
  }

  node::Outcome<Id128> open_session(io::Wait&) override {
    if (auto refusal = take_refusal()) return std::unexpected(*refusal);
    return Id128{{++sessions_}};
  }

  node::Outcome<node::EventPage> read(io::Wait&, const node::ReadRequest& request) override {
    if (auto refusal = take_refusal()) return std::unexpected(*refusal);
    if (!tenants_.contains(std::string(request.tenant))) return std::unexpected(no_tenant(request.tenant));
    std::vector<const StoredEvent*> all;
    node::EventPage page;
    page.head = Position{position_};
    for (const StoredEvent& event : events) {
      if (event.tenant != request.tenant) continue;
      if (!request.stream.empty() && event.stream != request.stream) continue;
      if (!request.stream.empty()) page.last_revision = event.revision;
      if (!request.subject.empty() && event.subject != request.subject) continue;
      all.push_back(&event);
    }
    if (!request.stream.empty() && !page.last_revision && !request.awaits_stream) {
      return std::unexpected(node::Refusal{node::RefusalCode::stream_not_found, "no stream"});
    }
    const bool is_forward = request.direction == node::Direction::forward;
    if (!is_forward) std::ranges::reverse(all);
    std::size_t begin = 0;
    while (begin < all.size() && is_before(*all[begin], request.from, is_forward)) ++begin;
    std::size_t end = begin;
    ByteCount bytes = 0;
    while (end < all.size() && end - begin < request.limit && bytes < request.bytes_max) {
      bytes += all[end]->data.size();
      page.events.push_back(view(*all[end++]));
    }
    page.at_end = end == all.size();
    if (end < all.size()) {
      page.next = node::ReadFrom::at(all[end]->token);
    } else if (is_forward) {
      const Revision following = page.last_revision ? page.last_revision->next() : Revision{0};
      const bool far_ahead =
          request.from.kind == node::ReadFrom::Kind::revision && request.from.revision > following;
      page.next = far_ahead ? request.from : node::ReadFrom::at(node::EventToken{Position{position_ + 1}, 0});
    }
    return page;
  }

  std::optional<node::Refusal> await_read(io::Wait&, node::Consistency) override { return std::nullopt; }

  void wait_for_events(io::Wait& wait, const node::ReadRequest&, node::EventToken from) override {
    while (!wait.is_cancelled() && position_ < from.position.value) {
      if (!changed_.wait(wait)) return;
    }
  }

  node::Outcome<node::TenantInfo> create_tenant(io::Wait&, std::string_view name) override {
    if (auto refusal = take_refusal()) return std::unexpected(*refusal);
    if (tenants_.contains(std::string(name))) {
      return std::unexpected(node::Refusal{node::RefusalCode::tenant_exists, std::string(name) + " exists"});
    }
    node::TenantInfo info{TenantId{tenants_.size() + 1}, std::string(name), time, Position{++position_}};
    tenants_.emplace(std::string(name), info);
    return info;
  }
  node::Outcome<node::TenantInfo> delete_tenant(io::Wait&, std::string_view name) override {
    auto info = find_tenant(name);
    if (info) tenants_.erase(std::string(name));
    return info;
  }
  node::Outcome<node::TenantInfo> find_tenant(std::string_view name) const override {
    const auto found = tenants_.find(std::string(name));
    if (found == tenants_.end()) return std::unexpected(no_tenant(name));
    return found->second;
  }
  std::vector<node::TenantInfo> tenants() const override {
    std::vector<node::TenantInfo> all;
    for (const auto& [name, info] : tenants_) all.push_back(info);
    return all;
  }

  node::Outcome<node::Head> head(io::Wait&) override {
    return node::Head{Position{position_}, sha256({as_bytes("hash")}), sha256({as_bytes("root")}), time};
  }
  node::Outcome<std::string> prove_inclusion(io::Wait&, Position position,
                                             std::optional<std::uint32_t> event) override {
    return "inclusion " + position.describe() + (event ? " " + std::to_string(*event) : "") + "\n";
  }
  node::Outcome<std::string> prove_consistency(io::Wait&, Position from, Position to) override {
    return "consistency " + from.describe() + " " + to.describe() + "\n";
  }
  node::Outcome<node::MembersProgress> change_members(io::Wait&, const node::MembersChange& change) override {
    last_members_change = change;
    return node::MembersProgress{
        .done = false, .waits_for = "node 2 is not connected", .members = {{1}, {2}, {3}}};
  }
  node::MembersChange last_members_change;
  node::Outcome<NodeId> hand_over(io::Wait&, std::optional<NodeId> to) override {
    if (auto refusal = take_refusal()) return std::unexpected(*refusal);
    return to.value_or(NodeId{2});
  }
  node::Outcome<node::ActiveRelease> activate_release(io::Wait&) override {
    return node::ActiveRelease{2, Position{42}};
  }
  void leave(io::Wait&) override {}
  node::NodeStatus status() const override {
    node::NodeStatus status;
    status.node_id = NodeId{1};
    status.state = ready ? "leader" : "read_only";
    status.reason = reason;
    status.leader = NodeId{1};
    status.commit_index = status.applied_index = status.durable_position = Position{position_};
    status.sync_mode = node::SyncMode::fsync;
    status.cluster_name = "test";
    status.tenants = tenants_.size();
    return status;
  }
  bool is_ready() const override { return ready; }
  const node::NodeMetrics& metrics() const override { return counted; }
  Status wait_until_failed(io::Wait& wait) override { return wait.sleep(24h); }
  Status stop(io::Wait&) override { return {}; }

 private:
  static node::Refusal no_tenant(std::string_view name) {
    return {node::RefusalCode::tenant_not_found, "there is no tenant " + std::string(name)};
  }
  std::optional<node::Refusal> take_refusal() { return std::exchange(refuse_next, std::nullopt); }

  static bool is_before(const StoredEvent& event, const node::ReadFrom& from, bool is_forward) {
    switch (from.kind) {
      case node::ReadFrom::Kind::start:
        return !is_forward;
      case node::ReadFrom::Kind::end:
        return is_forward;
      case node::ReadFrom::Kind::revision:
        return is_forward ? event.revision < from.revision : event.revision > from.revision;
      case node::ReadFrom::Kind::token:
        return is_forward ? event.token < from.token : event.token > from.token;
    }
    return false;
  }

  node::EventView view(const StoredEvent& event) const {
    return {event.stream,
            event.revision,
            event.token.position,
            event.token.index,
            event.subject,
            event.subject_revision,
            event.type,
            event.data,
            event.metadata,
            event.id,
            time};
  }

  std::optional<Revision> last(std::string_view tenant, std::string_view stream) const {
    std::optional<Revision> revision;
    for (const StoredEvent& event : events) {
      if (event.tenant == tenant && event.stream == stream) revision = event.revision;
    }
    return revision;
  }

  std::optional<node::Refusal> check_expectations(const node::AppendRequest& request) {
    node::Refusal refusal{node::RefusalCode::expectation_failed, "an expectation does not hold"};
    for (const node::StreamAppend& stream : request.streams) {
      const auto actual = last(request.tenant, stream.stream);
      if (!stream.expected.holds(actual)) {
        refusal.failed_expectations.push_back({std::string(stream.stream), "", stream.expected, actual});
      }
    }
    if (refusal.failed_expectations.empty()) return std::nullopt;
    return refusal;
  }

  node::AppendReceipt store(const node::AppendRequest& request) {
    node::AppendReceipt receipt;
    receipt.position = Position{++position_};
    receipt.hash = sha256({as_bytes(receipt.position.describe())});
    receipt.recorded_at = time;
    std::uint32_t index = 0;
    for (const node::StreamAppend& stream : request.streams) {
      const auto before = last(request.tenant, stream.stream);
      const Revision first = before ? before->next() : Revision{0};
      Revision revision = first;
      for (const node::NewEvent& event : stream.events) {
        events.push_back({std::string(request.tenant), std::string(stream.stream), revision,
                          node::EventToken{receipt.position, index++}, std::string(event.subject),
                          Revision{0}, std::string(event.type), std::string(event.data),
                          std::string(event.metadata), std::string(event.id)});
        revision = revision.next();
      }
      receipt.streams.push_back({std::string(stream.stream), first, Revision{revision.value - 1}});
    }
    return receipt;
  }

  std::uint64_t position_ = 0;
  std::uint8_t sessions_ = 0;
  std::map<std::string, node::TenantInfo, std::less<>> tenants_;
  std::map<std::pair<std::string, std::string>, std::pair<Sha256Digest, node::AppendReceipt>> receipts_;
  io::Signal changed_;
};

}  // namespace verity::server::testing
