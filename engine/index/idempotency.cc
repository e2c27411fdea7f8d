#include "engine/index/idempotency.h"

#include "engine/log/field_reader.h"
#include "engine/log/varint.h"
#include "io/base/assert.h"

#include <xxhash.h>

#include <algorithm>

namespace verity::index {
namespace {

using log::put_varint;

constexpr std::uint8_t section_version = 1;
constexpr std::uint32_t number_mask = (std::uint32_t{1} << 31) - 1;
// Bounds the work of one entry when many become old at once.
constexpr int dropped_per_entry_max = 16;
constexpr std::uint64_t keys_per_record = 1024;

std::array<std::uint8_t, 16> first_half(const Sha256Digest& digest) {
  std::array<std::uint8_t, 16> half;
  std::copy_n(digest.bytes.begin(), half.size(), half.begin());
  return half;
}

}  // namespace

IdempotencyIndex::IdempotencyIndex(IdempotencyLimits limits, std::uint64_t hash_seed)
    : limits_(limits), hash_seed_(hash_seed) {
  VERITY_ASSERT(limits.keys_max >= limits.keys_kept && limits.keys_max <= number_mask / 2);
}

bool IdempotencyIndex::may_go(const Used& used, Timestamp now) const {
  std::int64_t old_at = 0;
  // A timestamp near the end of time never becomes old.
  if (__builtin_add_overflow(used.recorded_at.ns, limits_.window.count(), &old_at)) return false;
  return old_at <= now.ns;
}

std::uint64_t IdempotencyIndex::hash_of(const Digest16& key) const {
  return XXH3_64bits_withSeed(key.data(), key.size(), hash_seed_);
}

std::optional<std::uint32_t> IdempotencyIndex::find(const Tenant& tenant, std::uint64_t hash,
                                                    const Digest16& key) {
  return tenant.table.find(hash, [&](std::uint32_t number) {
    return tenant.used[(number - tenant.first) & number_mask].key == key;
  });
}

std::optional<SeenKey> IdempotencyIndex::find(TenantId tenant, const log::BodyKey& key) const {
  const auto found = tenants_.find(tenant);
  if (found == tenants_.end()) return std::nullopt;
  const auto digest = first_half(sha256({as_bytes(key.key)}));
  const auto number = find(found->second, hash_of(digest), digest);
  if (!number) return std::nullopt;
  const auto& used = found->second.used[(*number - found->second.first) & number_mask];
  return SeenKey{.position = used.position,
                 .recorded_at = used.recorded_at,
                 .same_request = used.request == first_half(key.request_digest)};
}

bool IdempotencyIndex::has_room(TenantId tenant, Timestamp now, std::uint64_t pending) const {
  const auto found = tenants_.find(tenant);
  const auto used = found == tenants_.end() ? 0 : found->second.used.size();
  const auto wanted = used + pending + 1;
  if (wanted <= limits_.keys_max) return true;
  const auto too_many = wanted - limits_.keys_max;
  return too_many <= used && may_go(found->second.used[too_many - 1], now);
}

void IdempotencyIndex::add(Tenant& tenant, const Used& used) {
  const auto hash = hash_of(used.key);
  // A key may come again after it was let go under narrower limits than today's; the latest use counts.
  if (const auto earlier = find(tenant, hash, used.key)) tenant.table.erase(hash, *earlier);
  tenant.table.insert(hash, (tenant.first + static_cast<std::uint32_t>(tenant.used.size())) & number_mask);
  tenant.used.push_back(used);
}

void IdempotencyIndex::drop_oldest(Tenant& tenant) {
  const auto& oldest = tenant.used.front();
  const auto hash = hash_of(oldest.key);
  const auto is_latest =
      tenant.table.find(hash, [&](std::uint32_t number) { return number == tenant.first; });
  if (is_latest) tenant.table.erase(hash, tenant.first);
  tenant.used.pop_front();
  tenant.first = (tenant.first + 1) & number_mask;
}

void IdempotencyIndex::apply(Position position, Timestamp recorded_at, TenantId tenant_id,
                             const log::BodyKey& key) {
  auto& tenant = tenants_[tenant_id];
  VERITY_ASSERT(tenant.used.empty() || tenant.used.back().position < position);
  add(tenant, {.key = first_half(sha256({as_bytes(key.key)})),
               .request = first_half(key.request_digest),
               .position = position,
               .recorded_at = recorded_at});
  for (int i = 0; i < dropped_per_entry_max && tenant.used.size() > limits_.keys_kept; ++i) {
    if (!may_go(tenant.used.front(), recorded_at)) break;
    drop_oldest(tenant);
  }
  if (tenant.used.empty()) tenants_.erase(tenant_id);
}

std::uint64_t IdempotencyIndex::count(TenantId tenant) const {
  const auto found = tenants_.find(tenant);
  return found == tenants_.end() ? 0 : found->second.used.size();
}

std::size_t IdempotencyIndex::memory_bytes() const {
  std::size_t bytes = 0;
  for (const auto& [id, tenant] : tenants_) {
    bytes += sizeof(Tenant) + tenant.used.size() * sizeof(Used) + tenant.table.heap_bytes();
  }
  return bytes;
}

Status IdempotencyIndex::encode(RecordSink& sink) const {
  Bytes record;
  put(record, section_version);
  put_varint(record, tenants_.size());
  VERITY_TRY(sink.put(record));
  for (const auto& [id, tenant] : tenants_) {
    record.clear();
    put_varint(record, id.value);
    put_varint(record, tenant.used.size());
    VERITY_TRY(sink.put(record));
    record.clear();
    std::uint64_t in_record = 0;
    Position last{};
    for (const auto& used : tenant.used) {
      put(record, used.key);
      put(record, used.request);
      put_varint(record, used.position.value - last.value);
      put(record, used.recorded_at.ns);
      last = used.position;
      if (++in_record < keys_per_record) continue;
      VERITY_TRY(sink.put(record));
      record.clear();
      in_record = 0;
    }
    if (in_record > 0) VERITY_TRY(sink.put(record));
  }
  return {};
}

namespace {

template <class ReadFields>
Status take_record(RecordSource& source, ReadFields&& read_fields) {
  VERITY_TRY_ASSIGN(const auto record, source.take());
  if (!record) return fail(ErrorCode::corrupt, "keys section ends too early");
  log::FieldReader reader(*record, "keys section, record");
  read_fields(reader);
  return reader.finish();
}

}  // namespace

Result<IdempotencyIndex> IdempotencyIndex::decode(RecordSource& source, Position applied,
                                                  IdempotencyLimits limits, std::uint64_t hash_seed) {
  IdempotencyIndex index(limits, hash_seed);
  std::uint64_t tenant_count = 0;
  VERITY_TRY(take_record(source, [&](log::FieldReader& reader) {
    reader.byte("version", section_version, section_version);
    tenant_count = reader.number("tenant count");
  }));
  TenantId id{};
  for (std::uint64_t t = 0; t < tenant_count; ++t) {
    std::uint64_t rest = 0;
    VERITY_TRY(take_record(source, [&](log::FieldReader& reader) {
      id = {reader.number("tenant id", id.value + 1, UINT64_MAX - 1)};
      rest = reader.number("key count", 1, number_mask);
    }));
    auto& tenant = index.tenants_[id];
    Used used{};
    while (rest > 0) {
      const auto in_record = std::min(rest, keys_per_record);
      VERITY_TRY(take_record(source, [&](log::FieldReader& reader) {
        for (std::uint64_t i = 0; i < in_record && reader.ok(); ++i) {
          used.key = reader.value<Digest16>("key");
          used.request = reader.value<Digest16>("request digest");
          used.position.value += reader.number("position", 1, applied.value - used.position.value);
          const auto at = reader.offset();
          const Timestamp recorded_at{reader.value<std::int64_t>("timestamp")};
          if (!tenant.used.empty() && recorded_at < used.recorded_at) {
            reader.fail_at(
                at, "timestamp " + std::to_string(recorded_at.ns) + " is before the one of the key before");
          }
          used.recorded_at = recorded_at;
          if (reader.ok()) index.add(tenant, used);
        }
      }));
      rest -= in_record;
    }
  }
  VERITY_TRY_ASSIGN(const auto rest, source.take());
  if (rest) return fail(ErrorCode::corrupt, "keys section: records follow the last tenant");
  return index;
}

}  // namespace verity::index
