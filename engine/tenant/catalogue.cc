#include "engine/tenant/catalogue.h"

#include "engine/log/field_reader.h"
#include "engine/log/varint.h"
#include "engine/tenant/names.h"
#include "engine/tenant/utf8.h"

#include <utility>

namespace verity::tenant {
namespace {

constexpr std::uint8_t section_version = 1;

std::unexpected<Error> misfit(Position position, std::string_view what) {
  return fail(ErrorCode::corrupt,
              "tenant entry at position " + position.describe() + ": " + std::string(what));
}

}  // namespace

Status Catalogue::apply(Position position, Timestamp recorded_at, const log::TenantBody& body) {
  if (body.action == log::TenantBody::Action::create) {
    if (body.id != next_id_) {
      return misfit(position, "id " + body.id.describe() + " is not the next one, " + next_id_.describe());
    }
    auto created = create({.id = body.id,
                           .name = std::string(body.name),
                           .created_at = recorded_at,
                           .created_position = position});
    if (!created) return misfit(position, created.error().message);
    next_id_ = next_id_.next();
    return {};
  }
  const auto* tenant = find(body.id);
  if (tenant == nullptr || tenant->name != body.name) {
    return misfit(position, "there is no tenant " + body.id.describe() + " called " + quoted(body.name));
  }
  by_name_.erase(tenant->name);
  by_id_.erase(body.id);
  return {};
}

Status Catalogue::create(Tenant tenant) {
  VERITY_TRY(check_tenant_name(tenant.name));
  if (const auto* other = find(tenant.name)) {
    return fail(ErrorCode::corrupt,
                "name " + quoted(tenant.name) + " belongs to tenant " + other->id.describe());
  }
  by_name_.emplace(tenant.name, tenant.id);
  const auto id = tenant.id;
  by_id_.emplace(id, std::move(tenant));
  return {};
}

const Tenant* Catalogue::find(std::string_view name) const {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : find(found->second);
}

const Tenant* Catalogue::find(TenantId id) const {
  const auto found = by_id_.find(id);
  return found == by_id_.end() ? nullptr : &found->second;
}

Bytes Catalogue::encode() const {
  Bytes out;
  put(out, section_version);
  log::put_varint(out, next_id_.value);
  log::put_varint(out, by_id_.size());
  for (const auto& [id, tenant] : by_id_) {
    log::put_varint(out, id.value);
    log::put_varint(out, tenant.name.size());
    put_bytes(out, as_bytes(tenant.name));
    put(out, tenant.created_at.ns);
    log::put_varint(out, tenant.created_position.value);
  }
  return out;
}

Result<Catalogue> Catalogue::decode(ByteView bytes) {
  log::FieldReader reader(bytes, "catalogue section");
  Catalogue catalogue;
  reader.byte("version", section_version, section_version);
  catalogue.next_id_ = {reader.number("next tenant id", 1)};
  const auto count = reader.number("tenant count", 0, catalogue.next_id_.value - 1);
  std::uint64_t last = 0;
  for (std::uint64_t i = 0; i < count && reader.ok(); ++i) {
    const auto at = reader.offset();
    Tenant tenant;
    tenant.id = {reader.number("tenant id", last + 1, catalogue.next_id_.value - 1)};
    last = tenant.id.value;
    tenant.name = reader.text("tenant name", 1, log::tenant_name_bytes_max);
    tenant.created_at = {reader.value<std::int64_t>("created at")};
    tenant.created_position = {reader.number("created position", 1)};
    if (!reader.ok()) break;
    if (auto created = catalogue.create(std::move(tenant)); !created)
      reader.fail_at(at, created.error().message);
  }
  VERITY_TRY(reader.finish());
  return catalogue;
}

}  // namespace verity::tenant
