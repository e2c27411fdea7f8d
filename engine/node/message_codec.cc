#include "engine/node/message_codec.h"

#include "engine/log/body.h"

#include <array>

namespace verity::node {
namespace {

using consensus::EntryInfo;
using consensus::EntryRange;
using consensus::Member;
using consensus::MemberSet;
using consensus::Message;

constexpr std::uint16_t type_first = 16;  // below are the link's own
// Of an entry.
constexpr std::uint8_t flag_settles = 1;
constexpr std::uint8_t flag_founds = 2;
// More than a primary ever has on its way.
constexpr std::uint32_t tail_entries_max = 1'000'000;

// ---- writing

void put_members(Bytes& out, const MemberSet& members) {
  put(out, static_cast<std::uint8_t>(members.size()));
  for (const Member& member : members) {
    put(out, static_cast<std::uint8_t>(member.id.value));
    put(out, member.incarnation);
  }
}

void put_member(Bytes& out, const Member& member) {
  put(out, static_cast<std::uint8_t>(member.id.value));
  put(out, member.incarnation);
}

void put_tail(Bytes& out, const std::vector<EntryInfo>& tail) {
  put(out, static_cast<std::uint32_t>(tail.size()));
  for (const EntryInfo& entry : tail) {
    put(out, entry.view);
    put(out, entry.hash);
    put(out, entry.bytes);
    put(out,
        static_cast<std::uint8_t>((entry.settles ? flag_settles : 0) | (entry.founds ? flag_founds : 0)));
    put_members(out, entry.voters ? *entry.voters : MemberSet());
  }
}

struct Writer {
  PeerMessage& to;

  void entries(const EntryRange& range) const {
    put(to.head, range.first);
    put(to.head, static_cast<std::uint32_t>(range.entries.size()));
    for (const EntryInfo& info : range.entries) to.entries.push_back(entry_of(info));
  }
  void operator()(const consensus::Prepare& m) const {
    put(to.head, m.committed);
    entries(m.range);
  }
  void operator()(const consensus::PrepareOk& m) const {
    put(to.head, m.durable);
    put(to.head, m.hash);
    put(to.head, m.head);
    put(to.head, m.round);
    put(to.head, m.start);
  }
  void operator()(const consensus::Heartbeat& m) const {
    put(to.head, m.committed);
    put(to.head, m.head);
    put(to.head, m.round);
    put(to.head, m.start);
  }
  void operator()(const consensus::Suspect&) const {}
  void operator()(const consensus::Vote& m) const {
    put_member(to.head, m.candidate);
    put(to.head, m.log_view);
    put(to.head, m.committed);
    put(to.head, m.committed_hash);
    put_members(to.head, m.voters);
    put(to.head, m.unknown_from.value_or(Position{}));
    put_tail(to.head, m.tail);
  }
  void operator()(const consensus::StartView& m) const {
    put(to.head, m.committed);
    put(to.head, m.committed_hash);
    put_tail(to.head, m.tail);
  }
  void operator()(const consensus::AskStartView&) const {}
  void operator()(const consensus::NewerView&) const {}
  void operator()(const consensus::Fetch& m) const {
    put(to.head, m.first);
    put(to.head, m.last);
  }
  void operator()(const consensus::Fetched& m) const {
    put(to.head, m.committed);
    entries(m.range);
  }
  void operator()(const consensus::TakeOver&) const {}
  void operator()(const consensus::AskLog& m) const {
    put(to.head, m.committed);
    put(to.head, m.committed_hash);
  }
  void operator()(const consensus::WholeLog& m) const {
    put(to.head, m.log_view);
    put(to.head, m.committed);
    put(to.head, m.committed_hash);
    put_tail(to.head, m.tail);
  }
  void operator()(const consensus::Heard&) const {}
};

// ---- reading

class Reader {
 public:
  Reader(ByteView bytes, std::uint32_t newest) : all_(bytes.size()), newest_(newest), bytes_(bytes) {}

  template <class T>
  T get() {
    return bytes_.get<T>().value_or(T{});
  }
  MemberSet members() {
    MemberSet members;
    const auto count = get<std::uint8_t>();
    if (count > 2 * consensus::node_ids_max)
      return refuse("a set of " + std::to_string(count) + " members"), members;
    for (std::uint8_t i = 0; i < count && ok(); ++i) members.add(member());
    if (ok() && members.size() != count) refuse("a member twice");
    return members;
  }
  Member member() {
    Member member;
    member.id = NodeId{get<std::uint8_t>()};
    member.incarnation = get<Id128>();
    if (ok() && (member.id.value == 0 || member.id.value > consensus::node_ids_max))
      refuse("node id " + member.id.describe() + "; 1..7 are allowed");
    return member;
  }
  std::vector<EntryInfo> tail(Position before, const Sha256Digest& hash) {
    std::vector<EntryInfo> tail;
    const auto count = get<std::uint32_t>();
    if (count > tail_entries_max) return refuse("a tail of " + std::to_string(count) + " entries"), tail;
    Sha256Digest parent = hash;
    for (std::uint32_t i = 0; i < count && ok(); ++i) {
      EntryInfo entry;
      entry.position = before = before.next();
      entry.view = get<View>();
      entry.hash = get<Sha256Digest>();
      entry.parent = std::exchange(parent, entry.hash);
      entry.bytes = get<ByteCount>();
      const auto flags = get<std::uint8_t>();
      if (flags > flag_founds) refuse("flags " + std::to_string(flags) + "; 0, 1 and 2 are known");
      entry.settles = flags == flag_settles;
      entry.founds = flags == flag_founds;
      if (const MemberSet voters = members(); !voters.empty())
        entry.voters = std::make_shared<const MemberSet>(voters);
      tail.push_back(std::move(entry));
    }
    return tail;
  }
  EntryRange entries() {
    EntryRange range{.first = get<Position>(), .last = {}, .entries = {}};
    const auto count = get<std::uint32_t>();
    range.last = Position{range.first.value + count - 1};
    for (std::uint32_t i = 0; i < count && ok(); ++i) {
      const Result<log::EntryHeader> header = log::decode_entry_header(bytes_.rest());
      if (!header) return refuse(header.error().message), range;
      if (header->release > newest_)
        return refuse("an entry of release " + std::to_string(header->release)), range;
      const auto whole = bytes_.take(log::entry_header_bytes + header->body_bytes);
      if (!whole) break;
      Result<log::EntryPtr> entry = log::Entry::decode(*whole);
      if (!entry) return refuse(entry.error().message), range;
      Result<EntryInfo> info = describe_entry(std::move(*entry));
      if (!info) return refuse(info.error().message), range;
      if (info->position.value != range.first.value + i) return refuse("entries are not in order"), range;
      range.entries.push_back(std::move(*info));
    }
    return range;
  }

  void refuse(std::string why) {
    if (!why_) why_ = std::move(why);
  }
  bool ok() const { return !why_ && !bytes_.failed(); }
  Status end() {
    if (bytes_.failed()) refuse("it is cut off");
    if (!why_ && !bytes_.at_end()) refuse(std::to_string(bytes_.rest().size()) + " bytes too many");
    if (!why_) return {};
    return fail(ErrorCode::corrupt, "a message of " + std::to_string(all_) + " bytes, at offset " +
                                        std::to_string(all_ - bytes_.rest().size()) + ": " + *why_);
  }

 private:
  const std::size_t all_;
  const std::uint32_t newest_;
  ByteReader bytes_;
  std::optional<std::string> why_;
};

Message read(std::uint16_t type, View view, Reader& from) {
  switch (type - type_first) {
    case 0: {
      consensus::Prepare m{.view = view, .committed = from.get<Position>(), .range = {}};
      m.range = from.entries();
      return m;
    }
    case 1: {
      consensus::PrepareOk m{.view = view, .durable = {}, .hash = {}, .head = {}};
      m.durable = from.get<Position>();
      m.hash = from.get<Sha256Digest>();
      m.head = from.get<Position>();
      m.round = from.get<std::uint64_t>();
      m.start = from.get<std::uint64_t>();
      return m;
    }
    case 2: {
      consensus::Heartbeat m{.view = view, .committed = {}, .head = {}};
      m.committed = from.get<Position>();
      m.head = from.get<Position>();
      m.round = from.get<std::uint64_t>();
      m.start = from.get<std::uint64_t>();
      return m;
    }
    case 3:
      return consensus::Suspect{view};
    case 4: {
      consensus::Vote m;
      m.view = view;
      m.candidate = from.member();
      m.log_view = from.get<View>();
      m.committed = from.get<Position>();
      m.committed_hash = from.get<Sha256Digest>();
      m.voters = from.members();
      if (const auto unknown = from.get<Position>(); unknown.value != 0) m.unknown_from = unknown;
      m.tail = from.tail(m.committed, m.committed_hash);
      return m;
    }
    case 5: {
      consensus::StartView m;
      m.view = view;
      m.committed = from.get<Position>();
      m.committed_hash = from.get<Sha256Digest>();
      m.tail = from.tail(m.committed, m.committed_hash);
      return m;
    }
    case 6:
      return consensus::AskStartView{view};
    case 7:
      return consensus::NewerView{view};
    case 8: {
      consensus::Fetch m{.view = view, .first = {}, .last = {}};
      m.first = from.get<Position>();
      m.last = from.get<Position>();
      return m;
    }
    case 9: {
      consensus::Fetched m{.view = view, .committed = from.get<Position>(), .range = {}};
      m.range = from.entries();
      return m;
    }
    case 10:
      return consensus::TakeOver{view};
    case 11:
      return consensus::AskLog{
          .view = view, .committed = from.get<Position>(), .committed_hash = from.get<Sha256Digest>()};
    case 12: {
      consensus::WholeLog m;
      m.view = view;
      m.log_view = from.get<View>();
      m.committed = from.get<Position>();
      m.committed_hash = from.get<Sha256Digest>();
      m.tail = from.tail(m.committed, m.committed_hash);
      return m;
    }
    case 13:
      return consensus::Heard{view};
    default:
      from.refuse("type " + std::to_string(type) + " is unknown");
      return consensus::NewerView{view};
  }
}
static_assert(std::variant_size_v<Message> == 14, "read() knows them all");

}  // namespace

Result<EntryInfo> describe_entry(log::EntryPtr entry) {
  EntryInfo info{.position = entry->position(),
                 .view = entry->header().view,
                 .hash = entry->hash(),
                 .parent = entry->header().parent,
                 .bytes = entry->bytes().size()};
  if (entry->header().kind == log::EntryKind::founding) {
    log::FoundingBody body;
    VERITY_TRY(log::decode(entry->body(), body));
    MemberSet voters;
    for (const log::Member& member : body.members) {
      if (!voters.add({member.node_id, member.incarnation}))
        return fail(ErrorCode::corrupt, entry->describe() + " names too many members");
    }
    info.voters = std::make_shared<const MemberSet>(voters);
    info.founds = true;
  } else if (entry->header().kind == log::EntryKind::members) {
    log::MembersBody body;
    VERITY_TRY(log::decode(entry->body(), body));
    MemberSet voters;
    for (const auto& [member, address] : body.seats) voters.add({member.node_id, member.incarnation});
    info.voters = std::make_shared<const MemberSet>(voters);
  } else if (entry->header().kind == log::EntryKind::settled) {
    log::SettledBody body;
    VERITY_TRY(log::decode(entry->body(), body));
    info.settles = true;
  }
  info.entry = std::move(entry);
  return info;
}

log::EntryPtr entry_of(const EntryInfo& info) {
  return std::static_pointer_cast<const log::Entry>(info.entry);
}

PeerMessage encode(const Message& message, std::uint32_t release, NodeId sender) {
  PeerMessage encoded{
      .type = static_cast<std::uint16_t>(type_first + message.index()), .head = {}, .entries = {}};
  put(encoded.head, static_cast<std::uint16_t>(release));
  if (release >= log::named_since) put(encoded.head, static_cast<std::uint8_t>(sender.value));
  put(encoded.head, consensus::view_of(message));
  std::visit(Writer{encoded}, message);
  return encoded;
}

Result<Message> decode(std::uint16_t type, ByteView payload, std::uint32_t newest, NodeId sender) {
  Reader from(payload, newest);
  const auto release = from.get<std::uint16_t>();
  if (from.ok() && (release == 0 || release > newest)) {
    return fail(ErrorCode::unsupported, "a message of release " + std::to_string(release) +
                                            "; this program knows release " + std::to_string(newest));
  }
  if (release >= log::named_since) {
    const NodeId named{from.get<std::uint8_t>()};
    if (from.ok() && named != sender)
      from.refuse("a message of node " + named.describe() + " comes from node " + sender.describe());
  }
  const auto view = from.get<View>();
  Message message = read(type, view, from);
  VERITY_TRY(from.end());
  return message;
}

}  // namespace verity::node
