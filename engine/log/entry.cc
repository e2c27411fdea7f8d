#include "engine/log/entry.h"

#include "engine/log/checksum.h"
#include "io/base/assert.h"

#include <cstddef>

namespace verity::log {
namespace {

constexpr std::string_view chain_domain = "VerityDB chain v1";

static_assert(offsetof(EntryHeader, body_checksum) == EntryHeader::bound_bytes);

ByteView raw(const EntryHeader& header) {
  return std::as_bytes(std::span(&header, 1));
}

std::array<std::uint64_t, 2> header_checksum(ByteView header) {
  return checksum128(header.first(offsetof(EntryHeader, header_checksum)));
}

}  // namespace

std::string_view describe(EntryKind kind) {
  switch (kind) {
    case EntryKind::founding:
      return "founding";
    case EntryKind::events:
      return "events";
    case EntryKind::tenant:
      return "tenant";
    case EntryKind::session:
      return "session";
    case EntryKind::members:
      return "members";
    case EntryKind::settled:
      return "settled";
    case EntryKind::release:
      return "release";
  }
  return "unknown";
}

Sha256Digest chain_hash(ByteView bound) {
  VERITY_ASSERT(bound.size() == EntryHeader::bound_bytes);
  return sha256({as_bytes(chain_domain), bound});
}

Entry::Entry(const EntryHeader& header, Bytes bytes)
    : header_(header),
      bytes_(std::move(bytes)),
      hash_(chain_hash(ByteView(bytes_).first(EntryHeader::bound_bytes))) {}

std::shared_ptr<const Entry> Entry::make(EntryHeader header, ByteView body) {
  VERITY_ASSERT(body.size() <= UINT32_MAX);
  header.body_bytes = static_cast<std::uint32_t>(body.size());
  header.body_hash = sha256({body});
  header.body_checksum = checksum128(body);
  header.header_checksum = header_checksum(raw(header));
  Bytes bytes;
  bytes.reserve(entry_header_bytes + body.size());
  put_bytes(bytes, raw(header));
  put_bytes(bytes, body);
  return std::shared_ptr<const Entry>(new Entry(header, std::move(bytes)));
}

Result<EntryHeader> decode_entry_header(ByteView bytes) {
  if (bytes.size() < entry_header_bytes) return fail(ErrorCode::corrupt, "an entry header is cut off");
  EntryHeader header;
  std::memcpy(&header, bytes.data(), sizeof(header));
  if (header.magic != EntryHeader::magic_value)
    return fail(ErrorCode::corrupt, "no entry starts here (wrong magic)");
  if (header.header_checksum != header_checksum(bytes)) {
    return fail(ErrorCode::corrupt, "the checksum of an entry header does not match");
  }
  if (header.format != 1) {
    return fail(ErrorCode::unsupported,
                "entry format " + std::to_string(header.format) + "; this release knows 1");
  }
  if ((header.proposer != 0) != (header.release >= named_since)) {
    return fail(ErrorCode::corrupt, "entry " + header.position.describe() + " of release " +
                                        std::to_string(header.release) + " names proposer " +
                                        std::to_string(header.proposer));
  }
  return header;
}

Result<EntryPtr> Entry::decode(ByteView bytes) {
  VERITY_TRY_ASSIGN(const EntryHeader header, decode_entry_header(bytes));
  if (bytes.size() != entry_header_bytes + header.body_bytes) {
    return fail(ErrorCode::corrupt, "entry " + header.position.describe() + " says its body has " +
                                        std::to_string(header.body_bytes) + " bytes, there are " +
                                        std::to_string(bytes.size() - entry_header_bytes));
  }
  if (checksum128(bytes.subspan(entry_header_bytes)) != header.body_checksum) {
    return fail(ErrorCode::corrupt,
                "the checksum of the body of entry " + header.position.describe() + " does not match");
  }
  return EntryPtr(new Entry(header, Bytes(bytes.begin(), bytes.end())));
}

bool body_hash_matches(const Entry& entry) {
  return sha256({entry.body()}) == entry.header().body_hash;
}

std::string Entry::describe() const {
  return "entry " + position().describe() + " " + std::string(log::describe(header_.kind)) +
         " tenant=" + header_.tenant.describe() + " view=" + header_.view.describe() +
         " body=" + std::to_string(header_.body_bytes) + " hash=" + hash_.describe().substr(0, 8);
}

}  // namespace verity::log
