// The tenants of a cluster, as the log's entries made them: a deterministic function of the tenant entries
// applied so far. Ids count from 1 and are never reused; names are unique among the living.
//
// Section "catalogue" of a checkpoint: docs/format/index.md.
#pragma once

#include "engine/log/body.h"
#include "io/base/bytes.h"
#include "io/base/ids.h"
#include "io/base/result.h"
#include "io/base/units.h"

#include <functional>
#include <map>
#include <string>
#include <string_view>

namespace verity::tenant {

struct Tenant {
  TenantId id;
  std::string name;
  Timestamp created_at;  // of the entry that made it
  Position created_position;

  bool operator==(const Tenant&) const = default;
};

class Catalogue {
 public:
  // The id that the next created tenant will have.
  TenantId next_id() const { return next_id_; }

  // Carries out a committed entry. corrupt, and nothing changed, if it does not fit what came before: an id
  // out of turn, a name that is taken or malformed, a tenant that is not there. Such an entry is never
  // proposed.
  Status apply(Position position, Timestamp recorded_at, const log::TenantBody& body);

  // Null if there is none. Valid until the tenant is deleted.
  const Tenant* find(std::string_view name) const;
  const Tenant* find(TenantId id) const;
  std::size_t count() const { return by_id_.size(); }
  const std::map<TenantId, Tenant>& by_id() const { return by_id_; }

  Bytes encode() const;
  static Result<Catalogue> decode(ByteView bytes);

  bool operator==(const Catalogue&) const = default;

 private:
  Status create(Tenant tenant);

  // Invariant: the same tenants in both; every id is below next_id_.
  std::map<TenantId, Tenant> by_id_;
  std::map<std::string, TenantId, std::less<>> by_name_;
  TenantId next_id_{1};
};

}  // namespace verity::tenant
