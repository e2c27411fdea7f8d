#include "engine/node/founding_codec.h"

namespace verity::node {
namespace {

using consensus::FoundingMessage;
using consensus::FoundingRecord;

constexpr std::uint16_t type_first = 64;
constexpr std::uint16_t version = 1;

void put_record(Bytes& out, const FoundingRecord& record) {
  put(out, record.cluster_id);
  put(out, record.epoch);
  put(out, record.founded_at);
  put(out, static_cast<std::uint8_t>(record.members.size()));
  for (const consensus::Member& member : record.members) {
    put(out, static_cast<std::uint8_t>(member.id.value));
    put(out, member.incarnation);
  }
}

// Nothing if it is cut off or names an id that cannot be.
std::optional<FoundingRecord> get_record(ByteReader& from) {
  FoundingRecord record;
  record.cluster_id = from.get<Id128>().value_or(Id128{});
  record.epoch = from.get<Id128>().value_or(Id128{});
  record.founded_at = from.get<Timestamp>().value_or(Timestamp{});
  const auto count = from.get<std::uint8_t>().value_or(0);
  for (std::uint8_t i = 0; i < count; ++i) {
    const auto id = from.get<std::uint8_t>();
    const auto incarnation = from.get<Id128>();
    if (!id || !incarnation || *id == 0 || *id > consensus::node_ids_max) return std::nullopt;
    if (record.members.has_id(NodeId{*id})) return std::nullopt;
    record.members.add({NodeId{*id}, *incarnation});
  }
  if (from.failed() || record.members.empty()) return std::nullopt;
  return record;
}

}  // namespace

bool is_founding(std::uint16_t type) {
  return type >= type_first && type < type_first + std::variant_size_v<FoundingMessage>;
}

PeerMessage encode(const FoundingMessage& message) {
  PeerMessage encoded{
      .type = static_cast<std::uint16_t>(type_first + message.index()), .head = {}, .entries = {}};
  put(encoded.head, version);
  struct Writer {
    Bytes& out;
    void operator()(const consensus::FoundingAsk& m) const { put(out, m.round); }
    void operator()(const consensus::FoundingNoMember& m) const { put(out, m.round); }
    void operator()(const consensus::FoundingOffer& m) const {
      put(out, m.round);
      put_record(out, m.record);
    }
    void operator()(const consensus::FoundingAccepted& m) const { put_record(out, m.record); }
    void operator()(const consensus::FoundingMember& m) const { put_record(out, m.record); }
  };
  std::visit(Writer{encoded.head}, message);
  return encoded;
}

Result<FoundingMessage> decode_founding(std::uint16_t type, ByteView payload) {
  ByteReader from(payload);
  if (const auto got = from.get<std::uint16_t>(); got && *got != version) {
    return fail(ErrorCode::unsupported,
                "a founding message of version " + std::to_string(*got) + "; this release knows version 1");
  }
  const auto bad = [&] {
    return fail(ErrorCode::corrupt, "a founding message of type " + std::to_string(type) + " and " +
                                        std::to_string(payload.size()) + " bytes makes no sense");
  };
  const std::uint16_t kind = type - type_first;
  Id128 round;
  if (kind < 3) round = from.get<Id128>().value_or(Id128{});
  std::optional<FoundingRecord> record;
  if (kind >= 2 && !(record = get_record(from))) return bad();
  if (!from.at_end()) return bad();
  switch (kind) {
    case 0:
      return consensus::FoundingAsk{round};
    case 1:
      return consensus::FoundingNoMember{round};
    case 2:
      return consensus::FoundingOffer{round, *record};
    case 3:
      return consensus::FoundingAccepted{*record};
    case 4:
      return consensus::FoundingMember{*record};
    default:
      return bad();
  }
}

}  // namespace verity::node
