// One entry of the log: a fixed header and a body, as bytes and as what they mean. Bytes on disk:
// docs/format/log.md.
//
//   | header 208 | body ... |
//     0..175 bound by the chain hash, 176..207 checksums
//
// An entry keeps for ever the header it was first proposed with: re-proposing sends the same bytes.
#pragma once

#include "engine/crypto/sha256.h"
#include "io/base/bytes.h"
#include "io/base/ids.h"
#include "io/base/result.h"
#include "io/base/units.h"

#include <cstdint>
#include <memory>
#include <string>

namespace verity::log {

enum class EntryKind : std::uint16_t {
  founding = 1,
  events = 2,
  tenant = 3,
  session = 4,
  members = 5,
  settled = 6,
  release = 7
};

// "founding", "events", "tenant", "session", "members", "settled", "release", or "unknown".
std::string_view describe(EntryKind kind);

enum class EntryEncoding : std::uint16_t { plain = 0, encrypted = 1 };

// The first release whose entries name the node that proposed them.
inline constexpr std::uint32_t named_since = 2;

// As on disk.
struct EntryHeader {
  static constexpr std::uint32_t magic_value = 0x544e4556;  // "VENT"
  static constexpr std::size_t bound_bytes = 176;

  std::uint32_t magic = magic_value;
  std::uint16_t format = 1;
  EntryKind kind = EntryKind::events;
  Id128 cluster_id;
  Id128 epoch;
  Position position;
  View view;
  Timestamp timestamp;
  TenantId tenant;
  Id128 session;
  std::uint64_t request = 0;
  std::uint32_t release = 0;  // whose format it has
  EntryEncoding encoding = EntryEncoding::plain;
  std::uint16_t proposer = 0;  // the node that proposed it; 0 before named_since
  std::uint32_t key = 0;
  std::uint32_t body_bytes = 0;
  Sha256Digest body_hash;
  Sha256Digest parent;
  std::array<std::uint64_t, 2> body_checksum{};
  std::array<std::uint64_t, 2> header_checksum{};
};
static_assert(sizeof(EntryHeader) == 208 && std::is_trivially_copyable_v<EntryHeader>);

inline constexpr std::size_t entry_header_bytes = sizeof(EntryHeader);

// The hash that the next entry names as its parent. `bound` is the first EntryHeader::bound_bytes of a
// header.
Sha256Digest chain_hash(ByteView bound);

// An entry in memory: immutable, shared by the writer, the readers and the cache.
class Entry {
 public:
  // Fills in size, hashes and checksums of `header` and seals it over `body`.
  static std::shared_ptr<const Entry> make(EntryHeader header, ByteView body);
  // Checks everything a single entry can show: magic, format, both checksums, size. `bytes` is the whole
  // entry.
  static Result<std::shared_ptr<const Entry>> decode(ByteView bytes);

  const EntryHeader& header() const { return header_; }
  Position position() const { return header_.position; }
  ByteView bytes() const { return bytes_; }
  ByteView header_bytes() const { return bytes().first(entry_header_bytes); }
  ByteView body() const { return bytes().subspan(entry_header_bytes); }
  const Sha256Digest& hash() const { return hash_; }

  // "entry 42 events tenant=1 view=0 body=512 hash=0123abcd"
  std::string describe() const;

 private:
  Entry(const EntryHeader& header, Bytes bytes);
  EntryHeader header_;
  Bytes bytes_;
  Sha256Digest hash_;
};

using EntryPtr = std::shared_ptr<const Entry>;

// Reads the header at the front of `bytes` and checks its own checksum, magic and format; says nothing of the
// body.
Result<EntryHeader> decode_entry_header(ByteView bytes);

// True when the body's SHA-256 is the one the header binds: slower than the checksum, for auditors and the
// scrubber.
bool body_hash_matches(const Entry& entry);

}  // namespace verity::log
