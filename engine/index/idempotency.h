// Which idempotency keys were used, by which entries: a function of the entries applied so far, per tenant.
//
//   oldest ─────────────────────────────────────── newest
//   | may go: old, and more than keys_kept after it | young, or among the last keys_kept |      at most keys_max
//
// A key is kept at least for `window` of entry timestamps and at least until `keys_kept` later ones came. When keys_max
// are there and none may go, new keys are refused (has_room) rather than old ones dropped: a promise once given is kept.
//
// Keys are filed under 16 bytes of their SHA-256, beside 16 bytes of the request's digest: 48 bytes and a table slot
// each, whatever their length, and nobody can find two that meet. The entry in the log has both in full.
// Section "keys" of a checkpoint: docs/format/index.md.
#pragma once

#include "engine/index/id_table.h"
#include "engine/index/record.h"
#include "engine/log/body.h"
#include "io/base/ids.h"
#include "io/base/result.h"
#include "io/base/units.h"

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string_view>

namespace verity::index {

struct IdempotencyLimits {
  std::uint64_t keys_kept = 100'000;
  Duration window = 24h;
  std::uint64_t keys_max = 200'000;  // keys_kept or more
};

// The entry that used a key.
struct SeenKey {
  Position position;
  Timestamp recorded_at;
  bool same_request = false;  // as far as 16 bytes of the digest can tell

  bool operator==(const SeenKey&) const = default;
};

class IdempotencyIndex {
 public:
  // `hash_seed` seeds hash tables only; nothing that can be seen depends on it.
  IdempotencyIndex(IdempotencyLimits limits, std::uint64_t hash_seed);

  std::optional<SeenKey> find(TenantId tenant, const log::BodyKey& key) const;

  // Whether one more key may be proposed at `now`, after `pending` others that were proposed and are not yet applied.
  bool has_room(TenantId tenant, Timestamp now, std::uint64_t pending) const;

  // Takes in the key of a committed entry, and lets old ones go. `recorded_at` is not before that of any entry before.
  void apply(Position position, Timestamp recorded_at, TenantId tenant, const log::BodyKey& key);
  void remove_tenant(TenantId tenant) { tenants_.erase(tenant); }

  std::uint64_t count(TenantId tenant) const;
  // About what it occupies, in bytes.
  std::size_t memory_bytes() const;

  Status encode(RecordSink& sink) const;
  // `applied`: the position the checkpoint speaks of; nothing in it may be later.
  static Result<IdempotencyIndex> decode(RecordSource& source, Position applied, IdempotencyLimits limits,
                                         std::uint64_t hash_seed);

 private:
  using Digest16 = std::array<std::uint8_t, 16>;

  struct Used {
    Digest16 key;
    Digest16 request;
    Position position;
    Timestamp recorded_at;
  };

  // Invariant: `used` is not empty; `table` holds for each key the number of its latest use; used[i] has the number first + i, modulo 2^31.
  struct Tenant {
    std::deque<Used> used;  // oldest first
    std::uint32_t first = 0;
    IdTable table;
  };

  bool may_go(const Used& used, Timestamp now) const;
  std::uint64_t hash_of(const Digest16& key) const;
  static std::optional<std::uint32_t> find(const Tenant& tenant, std::uint64_t hash, const Digest16& key);
  void add(Tenant& tenant, const Used& used);
  void drop_oldest(Tenant& tenant);

  IdempotencyLimits limits_;
  std::uint64_t hash_seed_;
  std::map<TenantId, Tenant> tenants_;
};

}  // namespace verity::index
