// Requests and their outcomes as bytes, for when a node asks the leader on behalf of its client; and what nodes report of
// themselves. Grammar: docs/format/peer.md.
#pragma once

#include "engine/node/request.h"
#include "io/base/bytes.h"
#include "io/base/result.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace verity::node {

inline constexpr std::uint16_t report_type = 80;
inline constexpr std::uint16_t question_type = 81;
inline constexpr std::uint16_t answer_type = 82;
inline constexpr std::uint16_t clock_question_type = 83;
inline constexpr std::uint16_t clock_answer_type = 84;
constexpr bool is_forwarding(std::uint16_t type) {
  return type >= report_type && type <= clock_answer_type;
}

enum class QuestionKind : std::uint8_t {
  append,             // body: AppendRequest; answer: AppendReceipt
  create_tenant,      // body: the name; answer: TenantInfo
  delete_tenant,      // the same
  read_point,         // body: nothing; answer: the position that a linearizable read has to see
  leader_read_point,  // the same, for a read that trusts the leader
  open_session,       // body: nothing; answer: its id
  hand_over,          // body: the id of the node that is to lead, 0: any; answer: the id of the one that does
  change_members,     // body: MembersChange; answer: MembersProgress
  activate_release,   // body: nothing; answer: the active release and the position of its entry
};
inline constexpr std::uint8_t question_kinds = 9;

// How a node is, in its own words.
struct NodeReport {
  std::string state;  // NodeStatus::state
  View view;
  Position commit_index;
  Position applied_index;
  std::string client_address;
  std::uint32_t release = 0;
  ByteCount disk_free_bytes = 0;
  bool has_room = true;         // for another log segment
  Sha256Digest applied_hash{};  // of the entry at applied_index; zeros at 0
};

// What does the receiver's clock show? `sent`: by the asker's monotonic clock; it comes back as it went.
struct ClockQuestion {
  Instant sent;
};
struct ClockAnswer {
  Instant sent;
  Timestamp shows;
};

Bytes encode(const ClockQuestion& question);
Bytes encode(const ClockAnswer& answer);
Bytes encode(const NodeReport& report);
Bytes encode(const AppendRequest& request);
// To the end of an encoded request that names no session.
void add_session(Bytes& request, const SessionRequest& session);
Bytes encode(const AppendReceipt& receipt);
Bytes encode(const TenantInfo& info);
Bytes encode(const Refusal& refusal);
Bytes encode(const MembersChange& change);
Bytes encode(const MembersProgress& progress);

// corrupt: place and value. What is decoded views `bytes` where the struct holds views.
Result<ClockQuestion> decode_clock_question(ByteView bytes);
Result<ClockAnswer> decode_clock_answer(ByteView bytes);
Result<NodeReport> decode_report(ByteView bytes);
Result<AppendRequest> decode_append(ByteView bytes);
Result<AppendReceipt> decode_receipt(ByteView bytes);
Result<TenantInfo> decode_tenant(ByteView bytes);
Result<Refusal> decode_refusal(ByteView bytes);
Result<MembersChange> decode_members_change(ByteView bytes);
Result<MembersProgress> decode_members_progress(ByteView bytes);

}  // namespace verity::node
