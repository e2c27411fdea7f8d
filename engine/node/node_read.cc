// Requests that change nothing.
#include "engine/node/event_reader.h"
#include "engine/node/node_impl.h"

#include "io/directory.h"
#include "io/file.h"

namespace verity::node {

Outcome<EventPage> NodeImpl::read(io::Wait& wait, const ReadRequest& request) {
  if (auto refusal = await_read(wait, request.consistency)) return std::unexpected(std::move(*refusal));
  if (auto refusal = await_applied(wait, request.at_least)) return std::unexpected(std::move(*refusal));
  const auto tenant = resolve(request.tenant);
  if (!tenant) return std::unexpected(tenant.error());
  return read_events(wait, request, (*tenant)->id, derived_, log_.reader());
}

void NodeImpl::wait_for_events(io::Wait& wait, const ReadRequest& request, EventToken from) {
  while (!refuse_reads()) {
    const auto tenant = resolve(request.tenant);
    if (!tenant || may_have_events(request, (*tenant)->id, derived_, from)) return;
    if (!applied_.wait(wait)) return;
  }
}

TenantInfo NodeImpl::info(const tenant::Tenant& tenant) const {
  return {.id = tenant.id,
          .name = tenant.name,
          .created_at = tenant.created_at,
          .created_position = tenant.created_position,
          .streams = derived_.streams.stream_count(tenant.id),
          .events = derived_.streams.event_count(tenant.id)};
}

Outcome<TenantInfo> NodeImpl::find_tenant(std::string_view name) const {
  if (auto refusal = refuse_reads()) return std::unexpected(std::move(*refusal));
  const auto tenant = resolve(name);
  if (!tenant) return std::unexpected(tenant.error());
  return info(**tenant);
}

std::vector<TenantInfo> NodeImpl::tenants() const {
  std::vector<TenantInfo> infos;
  for (const auto& [id, tenant] : derived_.catalogue.by_id()) infos.push_back(info(tenant));
  return infos;
}

}  // namespace verity::node
